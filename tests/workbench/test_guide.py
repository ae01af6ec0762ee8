"""The map and the environment check of notebook 00."""

from __future__ import annotations

import base64
import json
import re

import pytest

from lib.workbench import course_map, environment_report
from lib.workbench.course import CLAIMS_MIME, PAPERS, Course
from lib.workbench.guide import TO_COME, minutes_to_read


def checkout(folder, **ledger) -> Course:
    """A course with notebook 01 alone: 400 words, 30 lines of code, and perhaps a ledger."""
    prose = {"cell_type": "markdown", "source": ["word " * 200, "word " * 200]}
    code = {"cell_type": "code", "source": ["x = 1\n"] * 30 + ["\n"], "outputs": []}
    if ledger:
        code["outputs"] = [{"data": {CLAIMS_MIME: ledger}}]
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "01_jamba.ipynb").write_text(json.dumps({"cells": [prose, code]}))
    return Course(folder)


@pytest.fixture
def shown(monkeypatch):
    bundles = []
    monkeypatch.setattr("lib.workbench.guide.show", bundles.append)
    return bundles


def test_every_paper_of_the_course_has_its_line_in_the_map(capsys):
    course_map()
    shown = capsys.readouterr().out
    assert all(paper.notebook.replace("_", " ") in shown and paper.title in shown for paper in PAPERS)


def test_the_map_tells_a_notebook_not_executed_from_one_to_come(tmp_path, capsys):
    course_map(checkout(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert "not executed yet" in next(line for line in lines if line.startswith("01 jamba"))
    assert "to come" in next(line for line in lines if line.startswith("02"))


def test_minutes_to_read_are_words_and_lines(tmp_path):
    assert minutes_to_read(checkout(tmp_path).notebook("01_jamba")) == 400 / 200 + 30 / 15


def test_the_map_counts_the_papers_claims_and_says_minutes(tmp_path, capsys):
    claims = [{"id": "P1", "kind": "parity", "holds": True}, {"id": "C1", "kind": "measured", "holds": True}]
    course_map(checkout(tmp_path, scale="laptop", seconds=300.0, claims=claims))
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("01 jamba"))
    assert re.search(r"PyTorch, attention +5 +4 +0 of 1 claims reproduced, 0 contradicted$", line)


def test_a_smoke_ledger_says_nothing_about_the_paper(tmp_path, capsys):
    claims = [{"id": "P1", "kind": "parity", "holds": True}]
    course_map(checkout(tmp_path, scale="smoke", seconds=300.0, claims=claims))
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("01 jamba"))
    assert line.endswith("executed at smoke scale only") and "claims" not in line


def test_the_map_links_notebooks_that_are_there_and_every_paper(tmp_path, shown):
    course_map(checkout(tmp_path))
    html = shown[0]["text/html"]
    assert re.findall(r'href="([^"]*ipynb)"', html) == ["01_jamba.ipynb"]
    assert all(f'href="https://arxiv.org/abs/{paper.arxiv}"' in html for paper in PAPERS)


def test_prerequisites_to_come_are_marked_in_table_and_drawing(tmp_path, shown):
    course_map(checkout(tmp_path))
    line = next(line for line in shown[0]["text/plain"].splitlines() if line.startswith("11 llava gemma"))
    assert f" 01, 10{TO_COME} " in line
    [data] = re.findall(r"base64,([^\"]+)", shown[0]["text/html"])
    circles = re.findall(r"<circle[^>]*>", base64.b64decode(data).decode())
    assert len(circles) == 15 and sum("stroke-dasharray" in circle for circle in circles) == 14
    assert "11 after 01 and 10" in re.search(r'alt="([^"]*)"', shown[0]["text/html"])[1]


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
