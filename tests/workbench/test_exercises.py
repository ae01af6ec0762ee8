"""Exercises: they explain, never show a traceback, and their solutions are held to the same checker."""

from __future__ import annotations

import linecache
import random

import numpy as np
import pytest
import torch

from lib.workbench import Exercise, exercise


@exercise("double it")
def check(double):
    assert double(2) == 4, "double(2) must be 4"
    assert double(-3) == -6


def stub(x):
    raise NotImplementedError


def shown(capsys, answer) -> str:
    check(answer)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_a_right_answer_is_correct_and_passes_when_required(capsys):
    assert shown(capsys, lambda x: 2 * x) == "double it: correct"
    check(lambda x: x + x, required=True)


def test_a_stub_is_called_a_stub(capsys):
    assert shown(capsys, stub) == "double it: not yet: still a stub"


def test_a_wrong_answer_is_told_the_checkers_reason(capsys):
    assert shown(capsys, lambda x: x).startswith("double it: not yet: double(2) must be 4")


def test_an_assertion_without_words_shows_its_line():
    source = "def check_square(square):\n    assert square(3) == 9\n"
    linecache.cache["<cell>"] = (len(source), None, source.splitlines(keepends=True), "<cell>")
    exec(compile(source, "<cell>", "exec"), names := {})  # as a notebook runs it: without pytest's own explanation
    assert Exercise("square", names["check_square"]).explain(lambda x: x) == "this does not hold: assert square(3) == 9"


def test_an_answer_that_crashes_is_told_where_without_a_path(capsys):
    line = shown(capsys, lambda x: x["key"])
    assert "TypeError" in line and 'x["key"]' in line and "Traceback" not in line and ".py" not in line


@pytest.mark.parametrize("wrong", [stub, lambda x: x, lambda x: x["key"], None])
def test_a_required_answer_that_is_wrong_raises(wrong, capsys):
    assert check.rejects(wrong)
    with pytest.raises(AssertionError, match=r"double it \(solution\): "):
        check(wrong, required=True)
    assert capsys.readouterr().out == ""


def test_rejects_is_false_for_a_right_answer():
    assert check.rejects(lambda x: 2 * x) is False


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (None, None),
        (True, None),
        (np.bool_(True), None),
        (False, "not right"),
        ("", "not right"),
        ("two lines\n here", "two lines here"),
    ],
)
def test_a_checker_may_return_its_reason(returned, reason):
    explained = Exercise("any", lambda answer: returned).explain(0)
    assert explained is None if reason is None else reason in explained


def test_a_checker_that_returns_something_else_is_the_authors_mistake():
    with pytest.raises(TypeError, match="must return None, bool or str"):
        Exercise("any", lambda answer: torch.ones(2)).explain(0)
    with pytest.raises(TypeError, match="a function of the answer"):
        Exercise("any", "checker")


def test_the_long_report_of_assert_close_is_cut_to_one_line():
    reason = Exercise("close", lambda answer: torch.testing.assert_close(answer, torch.zeros(3))).explain(torch.ones(3))
    assert "Greatest absolute difference" in reason and "\n" not in reason and len(reason) <= 400


def test_trying_an_exercise_changes_no_later_random_number():
    def draw() -> list[float]:
        return [random.random(), float(np.random.rand()), float(torch.rand(()))]

    inside = []
    drawing = Exercise("drawing", lambda answer: inside.append(draw()))
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = draw()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    drawing(0), drawing(0)
    assert draw() == expected
    assert inside[0] == inside[1]


def test_the_decorator_demands_a_name():
    with pytest.raises(TypeError, match="exercise's name"):
        exercise(lambda answer: None)


def returning(value, returns):
    return exercise("any", returns=returns)(lambda answer: answer(1) and None).explain(lambda x: value)


@pytest.mark.parametrize(
    ("value", "returns", "reason"),
    [
        (None, torch.Tensor, "returns nothing: is a `return` missing"),
        ((1.0,), (float, float), "must return 2 values (a number, a number), got a tuple of 1"),
        ([1.0], torch.Tensor, "must return a Tensor, got a list ([1.0])"),
        ("no", int, "must return a whole number, got a str"),
        (True, int, "must return a whole number"),
        (np.float64(2.5), float, None),
        (torch.tensor(2), int, None),
        (torch.zeros(2), "sequence", None),
    ],
)
def test_a_return_value_of_another_form_is_named(value, returns, reason):
    from collections.abc import Sequence

    if returns == "sequence":
        double = exercise("any", returns=Sequence)(lambda answer: answer(1) is None)
        assert double.explain(lambda x: value) == "the result is not right"
        return
    explained = returning(value, returns)
    assert explained is None if reason is None else reason in explained


def test_another_number_of_arguments_is_named():
    reason = exercise("any", returns=int)(lambda answer: answer(1, 2, 3)).explain(lambda x, y: x)
    assert reason == "your function is called with 3 arguments and takes x, y"


def test_an_error_of_the_checker_is_not_blamed_on_the_readers_line():
    reason = exercise("any")(lambda answer: answer(1)["loss"] == 2).explain(lambda x: (x, x))
    assert reason.startswith("your function returned a tuple of 2, which cannot be checked: TypeError")


def test_the_line_told_is_the_readers_also_when_a_library_raised():
    source = "def mine(x):\n    return int('seven')\n"
    linecache.cache["<answer>"] = (len(source), None, source.splitlines(keepends=True), "<answer>")
    exec(compile(source, "<answer>", "exec"), names := {})
    reason = exercise("any")(lambda answer: answer(1)).explain(names["mine"])
    assert reason.startswith("your function raised ValueError") and reason.endswith("at: return int('seven')")


def test_a_solutions_badge_says_that_it_is_one(capsys):
    check(lambda x: 2 * x, required=True)
    assert capsys.readouterr().out == "double it (solution): correct\n"
