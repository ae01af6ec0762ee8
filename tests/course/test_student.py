"""The student edition and the solved one."""

from __future__ import annotations

import pytest

from lib.course.notebook_file import source
from lib.course.student import solved, with_answers, without_solutions
from lib.workbench.course import CourseError


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


@pytest.mark.parametrize(
    ("text", "student"),
    [
        (
            "Read. Solutions are folded away below each.\n\nMore.",
            "Read. This edition comes without solutions.\n\nMore.",
        ),
        ("Folded code shows on a click. Solutions exist.", "Folded code shows on a click. Solutions exist."),
        ("The solution, if you want it, is folded.", "This edition comes without solutions."),
        ("A hint helps. A folded solution stands below.", "A hint helps. This edition comes without solutions."),
    ],
)
def test_a_sentence_about_folded_solutions_says_that_there_are_none(text, student):
    [cell_after] = without_solutions({"cells": [cell(text, kind="markdown")], "metadata": {}})["cells"]
    assert source(cell_after) == student


EXERCISE = """from lib.workbench import exercise


def my_double(x):
    # your code
    raise NotImplementedError


check_double(my_double)"""
SOLUTION = """import math

def half(x):
    return x / 2

@staticmethod
def double_solution(x, factor=2):
    return double_solution(half(x) * factor, factor) if x else half(x)  # a comment stays


check_double(double_solution, required=True)"""


def test_a_solved_exercise_has_the_solutions_code_under_the_stubs_name():
    assert (
        with_answers(EXERCISE, SOLUTION)
        == """from lib.workbench import exercise


import math
def half(x):
    return x / 2
@staticmethod
def my_double(x, factor=2):
    return my_double(half(x) * factor, factor) if x else half(x)  # a comment stays


check_double(my_double)"""
    )


def test_an_answer_that_is_a_value_and_two_answers_in_one_cell_are_solved_too():
    stubs, answers = "my_a = 0\nmy_b = None\ncheck(my_a, my_b)", "a_solution = 1\nb_solution = [\n    2,\n]"
    filled = {}
    exec(with_answers(stubs, answers).replace("check(my_a, my_b)", ""), filled)
    assert (filled["my_a"], filled["my_b"]) == (1, [2])


def test_the_solved_edition_keeps_every_cell_and_its_solutions():
    notebook = {"cells": [cell("x = 1"), cell(EXERCISE, "exercise"), cell(SOLUTION, "solution")], "metadata": {}}
    first, exercise, solution = solved(notebook)["cells"]
    assert (source(first), source(solution)) == ("x = 1", SOLUTION)
    assert source(exercise) == with_answers(EXERCISE, SOLUTION) and "NotImplementedError" not in source(exercise)
    assert notebook["cells"][1]["source"] == EXERCISE


@pytest.mark.parametrize(
    "cells",
    [
        [cell(SOLUTION, "solution")],
        [cell("def my_other(): ...", "exercise"), cell(SOLUTION, "solution")],
        [cell(EXERCISE, "exercise"), cell("check(my_double)", "solution")],
    ],
)
def test_a_solution_without_a_stub_is_an_error(cells):
    with pytest.raises(CourseError):
        solved({"cells": cells, "metadata": {}})
