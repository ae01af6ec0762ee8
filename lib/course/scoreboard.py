"""The README's scoreboard: one row per paper, generated from the committed notebooks' ledgers and the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lib.course.gathering import moved_on
from lib.course.notebook_file import reading_the_ledger_of, write_atomically
from lib.workbench.course import PAPERS, Course, CourseError, Paper, read_ledger
from lib.workbench.evidence import Tally, is_earlier, tally

START, END = "<!-- scoreboard:start -->", "<!-- scoreboard:end -->"
TITLES = ("", "notebook", "paper", "reproduced", "contradicted", "open", "ours", "checks", "minutes")
HEAD = f"| {' | '.join(TITLES)} |\n|--:|---|---|{'--:|' * 6}".replace("|  |", "| |")
MARK, MOVED = "\\*", "†"
NAMED = 4
"""So many of the things that changed are named."""
EARLIER = (
    f"{MARK} Evidence of earlier code: it tells in how many seeds a claim held, without values and thresholds; our own "
    "findings stand among the paper's claims."
)


def table(course: Course) -> str:
    """The scoreboard as Markdown. Raises CourseError when a notebook was not executed at laptop scale."""
    paths = {path.stem: path for path in course.notebooks()}
    moved = {stem: names for stem, path in paths.items() if (names := changed_since(course, path))}
    rows = [row(course, paper, paths.get(paper.notebook), moved=paper.notebook in moved) for paper in PAPERS]
    note = ["", EARLIER] if any(MARK in text for text in rows) else []
    return "\n".join([HEAD, *rows, *note, *moved_notes(moved)])


def changed_since(course: Course, notebook: Path) -> list[str]:
    """What has changed since the seeds of a notebook's evidence ran."""
    evidence = course.read_evidence(notebook)
    return moved_on(course, notebook, evidence) if evidence else []


def moved_notes(moved: Mapping[str, Sequence[str]]) -> list[str]:
    """One line for each notebook whose verdicts are of earlier code, with what has changed since."""
    notes = []
    for stem, names in sorted(moved.items()):
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        listed = ", ".join(f"`{name}`" for name in names[:NAMED])
        notes.append(f"{MOVED} All verdicts of {stem[:2]} are of seeds that ran before {listed}{more} changed.")
    return ["", "  \n".join(notes)] if notes else []


def row(course: Course, paper: Paper, notebook: Path | None, *, moved: bool = False) -> str:
    number, _, name = paper.notebook.partition("_")
    if notebook is None:
        return f"| {number} | {name} | {paper.link} | to come | | | | | |"
    ledger = read_ledger(notebook)
    if ledger is None or ledger.get("scale") != "laptop":
        raise CourseError(
            f"{notebook.name} must be stored as executed at laptop scale, with its ledger; "
            f"`git restore notebooks/{notebook.name}` brings the committed one back."
        )
    evidence = course.read_evidence(notebook)
    with reading_the_ledger_of(notebook):
        counts, minutes = tally(ledger, evidence), f"{ledger['seconds'] / 60:.1f}"
    mark = f" {MARK}" if is_earlier(evidence) else f" {MOVED}" if moved else ""
    cells = [f"[{name}](notebooks/{notebook.name}){mark}", paper.link, *_cells(counts), minutes]
    return f"| {number} | {' | '.join(cells)} |"


def _cells(counts: dict[str, Tally]) -> list[str]:
    """Three counts of the paper's claims, then `4 of 5` for our own findings and for checks."""
    paper = counts["paper"]
    beside = [f"{each.reproduced} of {each.total}" if each.total else "" for each in (counts["ours"], counts["check"])]
    return [str(paper.reproduced), str(paper.contradicted), str(paper.open), *beside]


def updated_readme(course: Course) -> str:
    """The README's text with the table between its two markers replaced."""
    text = course.readme.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1:
        raise CourseError(f"{course.readme.name} must hold the markers {START} and {END} once each.")
    before, _, rest = text.partition(START)
    return f"{before}{START}\n{table(course)}\n{END}{rest.partition(END)[2]}"


def write(course: Course) -> bool:
    """Write the table into the README; whether that changed it."""
    updated = updated_readme(course)
    if course.readme.read_text(encoding="utf-8") == updated:
        return False
    write_atomically(course.readme, updated.encode())
    return True
