"""The stored notebooks are what a reader should find: executed in order, at laptop scale, light, without traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.course import committed, fingerprint, validated
from lib.course.notebook_file import read, text_of
from lib.workbench.course import Course

COURSE = Course(Path(__file__).resolve().parents[2])
each_notebook = pytest.mark.parametrize("notebook", COURSE.notebooks(), ids=lambda path: path.stem)


@each_notebook
@pytest.mark.parametrize("check", committed.CHECKS, ids=lambda check: check.__name__)
def test_a_stored_notebook_has_no(notebook, check):
    assert check(read(notebook)) == []


@each_notebook
def test_a_notebook_is_light_and_its_ledger_is_of_laptop_scale(notebook):
    assert committed.faults(read(notebook), has_claims=notebook.stem != "00_start_here") == []


@each_notebook
def test_a_notebook_is_written_in_the_one_form(notebook):
    assert notebook.read_text(encoding="utf-8") == text_of(read(notebook))


@each_notebook
def test_the_stored_outputs_are_of_these_cells(notebook):
    """Whether the modules have changed since is for `make validate` to find."""
    record, now = validated.read(COURSE, notebook), fingerprint.inputs(COURSE, notebook)
    assert record is not None, f"`make store NB={notebook.name[:2]}` records it"
    own = ("cells", fingerprint.COMPARED)
    assert {name: record.inputs[name] for name in own} == {name: now[name] for name in own}
