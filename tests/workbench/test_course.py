"""The course on disk: papers and their order, scales and seeds, evidence files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from lib.workbench.course import (
    CLAIMS_MIME,
    MAX_SEED,
    PAPERS,
    SCALES,
    Course,
    CourseError,
    check_scale,
    check_seed,
    read_ledger,
    read_notebook,
    read_record,
)
from lib.workbench.course_graph import depths, places


def test_papers_are_numbered_in_order_and_need_only_earlier_ones():
    assert [paper.number for paper in PAPERS] == [f"{number:02d}" for number in range(1, 16)]
    assert all(before < paper.number for paper in PAPERS for before in paper.needs)
    assert all(paper.builds for paper in PAPERS)


def test_a_paper_stands_one_column_behind_the_last_that_it_needs():
    columns = depths(PAPERS)
    assert (columns["01"], columns["10"], columns["12"], columns["13"]) == (0, 1, 2, 3)
    assert all(columns[paper.number] == 1 + max(columns[n] for n in paper.needs) for paper in PAPERS if paper.needs)
    assert len(set(places(PAPERS).values())) == len(PAPERS)


def test_needs_that_go_in_a_circle_are_named():
    class Turn:
        def __init__(self, number, needs):
            self.number, self.needs = number, needs

    with pytest.raises(ValueError, match="needs must lead back to a first notebook"):
        depths([Turn("01", ("02",)), Turn("02", ("01",))])


@pytest.mark.parametrize("scale", SCALES)
def test_a_known_scale_is_taken(scale):
    assert check_scale(scale) == scale


@pytest.mark.parametrize("scale", ["huge", "", None, "Laptop", 1])
def test_an_unknown_scale_is_answered_with_the_known_ones(scale):
    with pytest.raises(CourseError, match=r"^scale must be one of smoke, laptop, long, got "):
        check_scale(scale)


@pytest.mark.parametrize(("seed", "number"), [(0, 0), ("7", 7), (np.int64(5), 5), (MAX_SEED, MAX_SEED), ("007", 7)])
def test_a_seed_is_a_whole_number_or_its_digits(seed, number):
    assert check_seed(seed) == number


@pytest.mark.parametrize("seed", [-1, "-1", 1.5, "1.5", True, None, "", "one", "²", MAX_SEED + 1, "99999999999"])
def test_no_other_seed_is_taken(seed):
    with pytest.raises(CourseError, match=r"^seed must be a whole number from 0 to 4294967295, got "):
        check_seed(seed)


def test_no_evidence_is_no_record(tmp_path):
    assert read_record(tmp_path / "01-jamba.json") is None


@pytest.mark.parametrize(
    "damage",
    [
        "", '{"runs": [{"claims"', '{"runs": 1}', '{"runs": [{"claims": [{"id": "J9"}]}]}', "[" * 100_000, "[]",
        '{"paper": "01-jamba", "runs": [{"seed": 0, "claims": []}, {"seed": 0, "claims": []}]}',
        '{"runs": [{"seed": 0, "claims": []}]}', '{"paper": "01-jamba", "runs": [{"claims": []}]}',
    ],
)  # fmt: skip
def test_a_damaged_evidence_file_is_named_in_one_sentence(tmp_path, damage):
    (tmp_path / "01-jamba.json").write_text(damage)
    with pytest.raises(CourseError, match=r"^01-jamba.json in the evidence folder is damaged; `make evidence`"):
        read_record(tmp_path / "01-jamba.json")


def test_what_a_user_makes_lies_in_the_checkout_or_in_a_folder_of_the_user(tmp_path, monkeypatch):
    course = Course(tmp_path)
    assert (course.work, course.build) == (tmp_path / "work", tmp_path / "build")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(Path, "home", lambda: Path("/somebody"))
    assert course.cache == Path("/somebody/paper-workbench/data/cache")
    monkeypatch.setenv("WORKBENCH_WORK", str(tmp_path / "mine"))
    assert course.work == tmp_path / "mine" / "work"


def test_a_folder_that_is_not_there_yet_is_as_writable_as_the_one_above_it(tmp_path, monkeypatch):
    Course(tmp_path).check_writable("data/evidence")
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "data")
    with pytest.raises(CourseError, match=r"^data/evidence of this checkout is not yours to write"):
        Course(tmp_path).check_writable("data/evidence")
    Course(tmp_path).check_writable("notebooks")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", "list"),
        ("{}", "it has no 'cells'"),
        ('{"nbformat": 3, "worksheets": [], "cells": []}', "nbformat must be 4, got 3"),
        ('{"cells": [{"cell_type": "code"}]}', "cell 0 must have a source of text"),
        ('{"cells": [{"cell_type": "code", "source": 3}]}', "cell 0 must have a source of text"),
        ('{"cells": [{"source": ""}]}', "cell 0 must have a cell_type, got None"),
        ('{"cells": [[]]}', "cell 0 must be an object with metadata"),
        ('{"cells": [{"cell_type": "code", "source": "", "metadata": []}]}', "cell 0 must be an object with metadata"),
        ('{"cells": [{"cell_type": "code", "source": "", "metadata": {"tags": "x"}}]}', "must have a list of tags"),
        ('{"cells": [{"cell_type": "code", "source": "", "outputs": {}}]}', "cell 0 must have a list of outputs"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_file_that_is_no_notebook_is_one_sentence_that_names_it_and_the_way_back(tmp_path, text, why):
    file = tmp_path / "notebooks" / "01_jamba.ipynb"
    file.parent.mkdir()
    file.write_text(text)
    for read in (read_notebook, read_ledger):
        with pytest.raises(CourseError) as error:
            read(file)
        said = str(error.value)
        assert said.startswith("01_jamba.ipynb is no notebook that can be read (") and why in said and "\n" not in said
        assert said.endswith("; `git restore notebooks/01_jamba.ipynb` brings the committed one back")


def test_notebooks_of_other_editors_are_read(tmp_path):
    """Null for no tags, a source in one piece, no metadata, outputs without data."""
    cells = [
        {"cell_type": "code", "source": "x = 1", "metadata": {"tags": None}, "outputs": [{"output_type": "stream"}]},
        {"cell_type": "markdown", "source": ["a\n", "b"]},
        {"cell_type": "code", "source": "", "outputs": [{"output_type": "display_data", "data": None}]},
    ]
    file = tmp_path / "01_jamba.ipynb"
    file.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    assert len(read_notebook(file)["cells"]) == 3 and read_ledger(file) is None


@pytest.mark.parametrize("ledger", [[], "x", {"claims": 3}, {"claims": [{"holds": True}]}, {"claims": ["C1"]}])
def test_a_damaged_ledger_is_one_sentence(tmp_path, ledger):
    output = {"output_type": "display_data", "data": {CLAIMS_MIME: ledger}}
    cell = {"cell_type": "code", "source": "", "metadata": {}, "outputs": [output]}
    (tmp_path / "01_jamba.ipynb").write_text(json.dumps({"cells": [cell]}))
    with pytest.raises(CourseError, match=r"^the ledger in 01_jamba\.ipynb is damaged; running the notebook makes it"):
        read_ledger(tmp_path / "01_jamba.ipynb")
