"""What notebook 00 shows: what this machine can do, and the map of the course."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lib.workbench.course import PAPERS, Course, read_ledger
from lib.workbench.course_graph import drawing
from lib.workbench.display import Table, html_table, show
from lib.workbench.evidence import tally
from lib.workbench.hardware import usable_cores

WORDS_PER_MINUTE, LINES_PER_MINUTE = 200, 15
"""Of prose and of code, read with care."""
TO_COME = "\u25cb"
"""Marks a notebook that is not written yet."""


def environment_report() -> None:
    """Show a table: what was found on this machine, and what follows from it."""
    import torch

    rows = [
        (
            "Python",
            platform.python_version(),
            "fine" if sys.version_info >= (3, 11) else "the course needs 3.11 or newer",
        ),
        ("torch", torch.__version__.split("+")[0], "fine"),
        ("CPU cores", str(usable_cores()), "fine" if usable_cores() >= 2 else "notebooks take twice their minutes"),
        ("GPU", *_gpu(torch)),
        ("Triton", *_triton()),
        ("free disk", *_disk()),
        ("cache of trained models", *_cache()),
    ]
    show(html_table(("what", "found", "what follows"), rows).bundle)


def course_map(course: Course | None = None) -> None:
    """Show every notebook: its paper, what it builds, what to know before, minutes, and its claims' verdicts.

    Below the table, the prerequisites as a drawing.
    """
    course = course or Course()
    paths = {path.stem[:2]: path for path in course.notebooks()}
    head = ("notebook", "paper", "you build", "know before", "minutes to run", "minutes to read", "status")
    rows = []
    for paper in PAPERS:
        path = paths.get(paper.number)
        name = paper.notebook.replace("_", " ")
        before = ", ".join(f"{number}{'' if number in paths else TO_COME}" for number in paper.needs)
        run, status = _progress(course, path)
        read = f"{minutes_to_read(path):.0f}" if path else ""
        links = _link(path.name, name) if path else name, _link(paper.url, paper.title)
        rows.append((*links, paper.builds, before or "PyTorch, attention", run, read, status))
    table = html_table(head, rows)
    note = f"{TO_COME} still to come, grey in the drawing"
    html = f"{table.html}<p><small>{note}</small></p>{drawing(PAPERS, paths)}"
    show({"text/plain": f"{table.plain}\n{note}", "text/html": html})


def minutes_to_read(notebook: Path) -> float:
    """Words of prose / 200 + lines of code / 15; exercises are not counted apart."""
    words = lines = 0
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            words += len(text.split())
        elif cell["cell_type"] == "code":
            lines += sum(bool(line.strip()) for line in text.splitlines())
    return words / WORDS_PER_MINUTE + lines / LINES_PER_MINUTE


def _progress(course: Course, path: Path | None) -> tuple[str, str]:
    """A notebook's minutes to run and how far it is; a ledger of another scale than laptop says neither."""
    if path is None:
        return "", "to come"
    ledger = read_ledger(path)
    if ledger is None or ledger["scale"] != "laptop":
        return "", "not executed yet" if ledger is None else f"executed at {ledger['scale']} scale only"
    paper = tally(ledger, course.read_evidence(path))["paper"]
    status = f"{paper.reproduced} of {paper.total} claims reproduced, {paper.contradicted} contradicted"
    return f"{ledger['seconds'] / 60:.0f}", status


def _gpu(torch) -> tuple[str, str]:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(), 'scale = "long" takes minutes here'
    return "none", "every notebook runs on the CPU"


def _triton() -> tuple[str, str]:
    try:
        return version("triton"), "kernels run natively on a GPU, in the interpreter on a CPU"
    except PackageNotFoundError:
        return "not installed", "kernels run in their PyTorch form"


def _disk() -> tuple[str, str]:
    free = shutil.disk_usage(Course().root).free / 1e9
    return ("more than 2 GB", "fine") if free > 2 else (f"{free:.1f} GB", "trained models may not fit in the cache")


def _cache() -> tuple[str, str]:
    if os.environ.get("WORKBENCH_CACHE") == "off":
        return "off", "every run trains from the start"
    return "on", "a second run takes what the first has trained"


def _link(address: str, words: str) -> Table:
    return Table(f'<a href="{escape(address, quote=True)}">{escape(words)}</a>', words)
