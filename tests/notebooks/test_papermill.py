"""Every notebook runs top to bottom by papermill at smoke scale, with its exercises solved and without solutions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lib.course.commands import execute, parameters_of
from lib.course.notebook_file import read, source, tags
from lib.course.student import solved, write_edition
from lib.workbench.course import Course, paper_id, read_ledger

COURSE = Course(Path(__file__).resolve().parents[2])
PLAIN = ("06_reft",)
"""Notebooks that still assert that the reader's own answer is rejected, so that solved they would fail."""
# One worker runs all notebooks, one after the other, while the other runs the unit tests.
pytestmark = [pytest.mark.notebook, pytest.mark.slow, pytest.mark.xdist_group("notebooks")]
each_notebook = pytest.mark.parametrize("notebook", COURSE.notebooks(), ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing trained earlier is reused."""
    monkeypatch.setenv("WORKBENCH_CACHE", "off")


def executed(notebook: Path, copy: Path, **parameters: object) -> Path:
    wanted = {"scale": "smoke", "seed": 0, **parameters}
    execute(notebook, copy, {name: wanted[name] for name in parameters_of(notebook) if name in wanted})
    return copy


@each_notebook
def test_a_notebook_runs_with_every_exercise_solved(notebook, tmp_path):
    """An exercise that its own solution does not solve, or that ends in anything but `correct`, is found here."""
    is_solved = notebook.stem not in PLAIN
    edition = write_edition([notebook], tmp_path / "solved", solved)[0] if is_solved else notebook
    copy = executed(edition, tmp_path / "executed" / notebook.name)
    if is_solved:
        answers = [cell for cell in read(copy)["cells"] if "exercise" in tags(cell) and cell["cell_type"] == "code"]
        assert all("correct" in str(cell["outputs"]) and "not yet" not in str(cell["outputs"]) for cell in answers)
    if notebook.stem != "00_start_here":
        ledger = read_ledger(copy)
        assert (ledger["paper"], ledger["scale"], ledger["seed"]) == (paper_id(notebook), "smoke", 0)
        assert ledger["claims"]


@pytest.mark.parametrize("stem", PLAIN)
def test_a_notebook_that_can_be_solved_leaves_the_list(stem):
    cells = [cell for cell in read(COURSE.notebook(stem))["cells"] if {"exercise", "solution"} & set(tags(cell))]
    assert any(re.search(r"\brejects\(\s*my_", source(cell)) for cell in cells)


def test_notebook_03_reads_the_generated_text_too(tmp_path):
    [notebook] = [path for path in COURSE.notebooks() if path.stem == "03_neurally_compressed_text"]
    assert "text" in parameters_of(notebook)
    executed(notebook, tmp_path / notebook.name, text="grammar")


@each_notebook
def test_student_edition_runs_without_solutions(notebook, tmp_path):
    [student] = write_edition([notebook], tmp_path / "student")
    cells = read(student)["cells"]
    assert not any("solution" in tags(cell) or re.search(r"[Ss]olutions? .*folded", source(cell)) for cell in cells)
    executed(student, tmp_path / "executed" / notebook.name)
