"""The README's scoreboard: one row per paper, generated from the committed notebooks' ledgers and the evidence."""

from __future__ import annotations

from pathlib import Path

from lib.workbench.course import PAPERS, Course, CourseError, Paper, read_ledger
from lib.workbench.evidence import verdict

START, END = "<!-- scoreboard:start -->", "<!-- scoreboard:end -->"
HEAD = (
    "| | notebook | paper | claims reproduced | not reproduced | not shown at this scale | minutes |\n"
    "|--:|---|---|--:|--:|--:|--:|"
)


def table(course: Course) -> str:
    """The scoreboard as a Markdown table. Raises CourseError when a notebook was not executed at laptop scale."""
    paths = {path.stem: path for path in course.notebooks()}
    return "\n".join([HEAD, *(row(course, paper, paths.get(paper.notebook)) for paper in PAPERS)])


def row(course: Course, paper: Paper, notebook: Path | None) -> str:
    number, _, name = paper.notebook.partition("_")
    if notebook is None:
        return f"| {number} | {name} | {paper.link} | to come | | | |"
    ledger = read_ledger(notebook)
    if ledger is None or ledger["scale"] != "laptop":
        raise CourseError(f"{notebook.name} must be stored as executed at laptop scale, with its ledger.")
    judged = [verdict(claim, course.read_evidence(notebook)) for claim in ledger["claims"]]
    counts = " | ".join(str(judged.count(each)) for each in ("reproduced", "not reproduced", "not shown"))
    minutes = f"{ledger['seconds'] / 60:.1f}"
    return f"| {number} | [{name}](notebooks/{notebook.name}) | {paper.link} | {counts} | {minutes} |"


def updated_readme(course: Course) -> str:
    """The README's text with the table between its two markers replaced."""
    text = course.readme.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1:
        raise CourseError(f"{course.readme.name} must hold the markers {START} and {END} once each.")
    before, _, rest = text.partition(START)
    return f"{before}{START}\n{table(course)}\n{END}{rest.partition(END)[2]}"
