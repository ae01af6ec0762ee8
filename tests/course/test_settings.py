"""A command line's words become what a notebook's parameters are: by their defaults, and nothing else is taken."""

from __future__ import annotations

import pytest

from lib.course.settings import parameters, typed
from lib.workbench.course import CourseError


def notebook(code: str, *tags: str) -> dict:
    return {"cells": [{"cell_type": "code", "metadata": {"tags": list(tags or ["parameters"])}, "source": code}]}


def test_parameters_are_found_with_and_without_types_and_magics():
    code = (
        '%matplotlib inline\nscale: str = "laptop"\nseed: int = 0  # a comment\na = b = -1.5\nwidths = (1, 2)\nx: int\n'
    )
    found = parameters(notebook(code + "real = None\nrate = 1 / 3\nprint(seed)"))
    assert found == {
        "scale": "laptop", "seed": 0, "a": -1.5, "b": -1.5, "widths": (1, 2), "real": None, "rate": None,
    }  # fmt: skip
    assert parameters(notebook(code, "plumbing")) == {}
    with pytest.raises(SyntaxError):
        parameters(notebook("seed = ("))


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        (False, "false", False), (True, "False", False), (True, "no", False), (True, "OFF", False), (True, "0", False),
        (False, "true", True), (False, "Yes", True), (False, "on", True), (False, "1", True),
        (4, "7", 7), (4, "-7", -7), (4, " 1_000 ", 1000), (0.5, "3", 3.0), (0.5, "1e-3", 1e-3),
        ("laptop", "smoke", "smoke"), ("a", "3", "3"), ("a", "None", "None"), ("a", "true", "true"), ("a", "", ""),
        (None, "none", None), (None, "None", None), (None, "null", None), (None, "false", False), (None, "TRUE", True),
        (None, "7", 7), (None, "gpt2", "gpt2"), (None, "a/b c", "a/b c"), (None, "[1, 2]", [1, 2]), (None, "", ""),
        ((1, 2), "(3, 4, 5)", (3, 4, 5)), ([1], "[]", []), ({"a": 1}, "{'b': 2}", {"b": 2}),
    ],
)  # fmt: skip
def test_a_text_becomes_a_value_of_its_defaults_kind(default, text, value):
    made = typed("x", text, default)
    assert made == value and type(made) is type(value)


@pytest.mark.parametrize(
    ("default", "text", "says"),
    [
        (False, "flase", "x must be true or false, got 'flase'"),
        (False, "2", "x must be true or false, got '2'"),
        (True, "none", "x must be true or false, got 'none'"),
        (True, "", "x must be true or false, got ''"),
        (4, "7.5", "x must be a whole number, got '7.5'"),
        (4, "none", "x must be a whole number, got 'none'"),
        (4, "true", "x must be a whole number, got 'true'"),
        (0.5, "fast", "x must be a finite number, got 'fast'"),
        (0.5, "nan", "x must be a finite number, got 'nan'"),
        ((1, 2), "3", "x must be a tuple such as (1, 2), got '3'"),
        ([1], "(1,)", "x must be a list such as [1], got '(1,)'"),
    ],
)
def test_any_other_text_is_one_sentence(default, text, says):
    with pytest.raises(CourseError) as error:
        typed("x", text, default)
    assert str(error.value) == says
