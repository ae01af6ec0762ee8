"""Every notebook runs top to bottom by papermill at smoke scale, and so does its student edition."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.course.commands import execute, parameters_of
from lib.course.student import tags, write_edition
from lib.workbench.course import Course, paper_id, read_ledger

COURSE = Course(Path(__file__).resolve().parents[2])
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
def test_notebook_runs_with_its_solutions(notebook, tmp_path):
    copy = executed(notebook, tmp_path / notebook.name)
    if notebook.stem != "00_start_here":
        ledger = read_ledger(copy)
        assert (ledger["paper"], ledger["scale"], ledger["seed"]) == (paper_id(notebook), "smoke", 0)
        assert ledger["claims"]


def test_notebook_03_reads_the_generated_text_too(tmp_path):
    [notebook] = [path for path in COURSE.notebooks() if path.stem == "03_neurally_compressed_text"]
    assert "text" in parameters_of(notebook)
    executed(notebook, tmp_path / notebook.name, text="grammar")


@each_notebook
def test_student_edition_runs_without_solutions(notebook, tmp_path):
    [student] = write_edition([notebook], tmp_path / "student")
    assert not any("solution" in tags(cell) for cell in json.loads(student.read_text())["cells"])
    executed(student, tmp_path / "executed" / notebook.name)
