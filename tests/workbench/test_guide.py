"""The map and the environment check of notebook 00."""

from __future__ import annotations

import json

import pytest

from lib.workbench import course_map, environment_report
from lib.workbench.course import PAPERS, Course
from lib.workbench.guide import BUILDS


def test_every_paper_of_the_course_has_its_line_in_the_map(capsys):
    assert set(BUILDS) == {paper.notebook for paper in PAPERS}
    course_map()
    shown = capsys.readouterr().out
    assert all(paper.notebook.replace("_", " ") in shown for paper in PAPERS)


def test_the_map_tells_a_notebook_not_executed_from_one_to_come(tmp_path, capsys):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_jamba.ipynb").write_text(json.dumps({"cells": [], "nbformat": 4, "metadata": {}}))
    course_map(Course(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert "not executed yet" in next(line for line in lines if line.startswith("01 jamba"))
    assert "to come" in next(line for line in lines if line.startswith("02"))


@pytest.mark.parametrize(("cores", "said"), [(1, "twice their minutes"), (2, "fine")])
def test_the_environment_check_says_what_few_cores_mean(monkeypatch, capsys, cores, said):
    monkeypatch.setattr("lib.workbench.guide.usable_cores", lambda: cores)
    environment_report()
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("CPU cores"))
    assert said in line


def test_the_environment_check_names_a_cache_that_is_off(monkeypatch, capsys):
    monkeypatch.setenv("WORKBENCH_CACHE", "off")
    environment_report()
    assert "every run trains from the start" in capsys.readouterr().out
