"""The stored notebooks are what a reader should find: executed in order, at laptop scale, light, without traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.course import committed
from lib.course.notebook_file import read, text_of
from lib.workbench.course import Course

each_notebook = pytest.mark.parametrize(
    "notebook", Course(Path(__file__).resolve().parents[2]).notebooks(), ids=lambda path: path.stem
)


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
