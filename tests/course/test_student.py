"""The student edition."""

from __future__ import annotations

from lib.course.student import without_solutions


def cell(source: str, *tags: str, kind: str = "code") -> dict:
    made = {"cell_type": kind, "metadata": {"tags": list(tags)}, "source": source}
    return made | ({"outputs": ["seen"], "execution_count": 3} if kind == "code" else {})


NOTEBOOK = {
    "cells": [
        cell("text", kind="markdown"),
        cell("measure()"),
        cell("def stub(): ...", "exercise"),
        cell("answer", "solution"),
        cell("why", "solution", kind="markdown"),
    ],
    "metadata": {"title": "t"},
}


def test_solutions_are_gone_and_exercises_are_blank():
    cells = without_solutions(NOTEBOOK)["cells"]
    assert [each["source"] for each in cells] == ["text", "measure()", "def stub(): ..."]
    assert (cells[2]["outputs"], cells[2]["execution_count"]) == ([], None)


def test_everything_else_is_kept_and_the_original_untouched():
    student = without_solutions(NOTEBOOK)
    assert student["cells"][:2] == NOTEBOOK["cells"][:2] and student["metadata"] == NOTEBOOK["metadata"]
    assert len(NOTEBOOK["cells"]) == 5 and NOTEBOOK["cells"][2]["outputs"] == ["seen"]
