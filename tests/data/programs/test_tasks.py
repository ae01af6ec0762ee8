"""The families' programs answer their questions; register programs are many, split, and can be changed by one thing."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.programs.tasks import (
    PSEUDOCODE,
    counterfactual,
    executed,
    program_of,
    register_program,
    register_programs,
)
from lib.data.programs.writing import render
from lib.data.questions import FAMILIES, questions
from tests.data.programs.both_ways import by_cpython, by_us


@pytest.mark.parametrize("family", PSEUDOCODE)
def test_the_families_programs_answer_their_questions(family):
    for longer in (False, True):
        for question in questions(family, 60, seed=3, split="train", longer=longer):
            trace, answer = executed(question)
            assert answer == question.answer
            said = by_cpython(program_of(family), question.arguments)
            assert said[:-1] == [" ".join(line).replace("[ ", "[ ") for line in trace]


def test_register_programs_are_many_and_split():
    train = {render(p) for p in register_programs(2000, seed=0, split="train")}
    held = {render(p) for p in register_programs(200, seed=0, split="test")}
    other = {render(p) for p in register_programs(200, seed=1, split="train")}
    assert len(train) == 2000 and len(held) == 200 and not held & train and not held & other


def test_a_counterfactual_changes_one_thing_that_can_matter():
    rng, moved = np.random.default_rng(1), 0
    for program in register_programs(100, seed=0, split="test"):
        changed = counterfactual(program, rng)
        before, after = render(program).split("\n"), render(changed).split("\n")
        assert sum(a != b for a, b in zip(before, after, strict=True)) in (1, 2)
        xs = rng.integers(0, 6, 5).tolist()
        moved += by_us(program, [xs]) != by_us(changed, [xs])
    assert moved > 60


def test_a_counterfactual_keeps_to_the_tests_it_is_given():
    rng = np.random.default_rng(2)
    for program in register_programs(200, seed=0, split="train", tests=("<", ">"), modulus=5, minus=False):
        text = render(counterfactual(program, rng, modulus=5, tests=("<", ">")))
        assert "==" not in text and text != render(program)


def test_families_without_a_program_say_so():
    assert set(PSEUDOCODE) < set(FAMILIES)
    with pytest.raises(ValueError, match="family must be one of web_of_lies"):
        program_of("shapes")


def test_more_programs_than_there_are_end_in_a_sentence():
    with pytest.raises(ValueError, match=r"^register_programs has too few different programs with \{.*\} in test"):
        register_programs(1000, seed=0, split="test", modulus=1, tests=("<",), minus=False)
    with pytest.raises(ValueError, match=r"^split must be one of train, test, got 'validation'$"):
        register_programs(2, seed=0, split="validation")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modulus": 0}, "^modulus must be an integer of at least 1, got 0$"),
        ({"modulus": 2.5}, "^modulus must be an integer of at least 1, got 2.5$"),
        ({"tests": ()}, r"^tests must be of <, >, ==, got \(\)$"),
        ({"tests": ("<", "!=")}, "^tests must be of <, >, ==, got "),
    ],
)
def test_a_kind_that_has_no_programs_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        register_program(np.random.default_rng(0), **options)
