"""Every notebook runs top to bottom by papermill at smoke scale, with its exercises solved and without solutions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lib.course import validated
from lib.course.commands import execute, parameters_of
from lib.course.notebook_file import read, source, tags
from lib.course.student import solved, write_edition
from lib.workbench.course import Course, paper_id, read_ledger

COURSE = Course(Path(__file__).resolve().parents[2])
OTHER_PATHS = {"03_neurally_compressed_text": {"text": "grammar"}}
"""Parameters that the stored run does not take: here the generated text instead of Python's own."""
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
    [edition] = write_edition([notebook], tmp_path / "solved", solved)
    copy = executed(edition, tmp_path / "executed" / notebook.name, **OTHER_PATHS.get(notebook.stem, {}))
    answers = [cell for cell in read(copy)["cells"] if "exercise" in tags(cell) and cell["cell_type"] == "code"]
    assert all("correct" in str(cell["outputs"]) and "not yet" not in str(cell["outputs"]) for cell in answers)
    if notebook.stem != "00_start_here":
        ledger = read_ledger(copy)
        assert (ledger["paper"], ledger["scale"], ledger["seed"]) == (paper_id(notebook), "smoke", 0)
        assert ledger["claims"]


@each_notebook
def test_the_student_edition_has_no_solutions_and_no_word_of_them(notebook, tmp_path):
    [student] = write_edition([notebook], tmp_path / "student")
    cells = read(student)["cells"]
    told = re.compile(r"solutions? [^.\n]*folded|folded [^.\n]*solution", re.IGNORECASE)
    assert not any("solution" in tags(cell) or told.search(source(cell)) for cell in cells)


def test_one_student_edition_runs(tmp_path):
    """The one whose notebook was validated longest ago; that the others need no solution is a rule of the house."""
    dates = {path: record.date for path in COURSE.notebooks() if (record := validated.read(COURSE, path))}
    [student] = write_edition([min(dates, key=lambda path: (dates[path], path.name))], tmp_path / "student")
    executed(student, tmp_path / "executed" / student.name)
