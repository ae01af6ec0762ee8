"""Algorithmic questions: solvers that read the text agree with generators that know the state."""

from __future__ import annotations

import collections
import re
import subprocess
import sys

import numpy as np
import pytest

from lib.data.questions import FAMILIES, questions


@pytest.mark.parametrize("family", FAMILIES)
def test_the_solver_agrees_with_the_generator(family):
    for longer in (False, True):
        for question in questions(family, 200, seed=1, split="train", longer=longer):
            assert FAMILIES[family].solve(question.text, question.options) == question.answer, question.text
            assert question.is_right(question.answer)
            assert not question.options or question.options.count(question.answer) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_splits_share_no_question(family):
    drawn = {
        split: {q.key for q in questions(family, 100, seed=0, split=split)} for split in ("train", "validation", "test")
    }
    assert (
        not drawn["train"] & drawn["test"]
        and not drawn["train"] & drawn["validation"]
        and not drawn["validation"] & drawn["test"]
    )


def test_sizes_can_be_asked_for():
    asked = questions("web_of_lies", 40, seed=1, split="train", sizes=(4, 20))
    assert {q.size for q in asked} == {4, 20}


def test_questions_are_the_same_in_every_process():
    code = "from lib.data.questions import FAMILIES, questions\n"
    code += "print(sum(q.key for f in FAMILIES for q in questions(f, 5, seed=2, split='validation')))"
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1


def shares(family, count=600):
    found = collections.Counter(q.answer for q in questions(family, count, seed=5, split="train"))
    return {answer: number / count for answer, number in found.items()}


def test_answers_occur_as_often_as_in_bbh():
    assert 0.45 < shares("web_of_lies")["Yes"] < 0.55
    assert 0.37 < shares("navigate")["Yes"] < 0.47
    cuts = collections.Counter(len(q.answer.split()) for q in questions("dyck", 600, seed=5, split="train"))
    assert set(cuts) == {1, 2, 3} and cuts[2] > cuts[3] > 0


def test_unknown_names_are_said():
    with pytest.raises(ValueError, match="family must be one of web_of_lies"):
        questions("riddles", 1, seed=0, split="train")
    with pytest.raises(ValueError, match="split must be one of train, validation, test"):
        questions("dyck", 1, seed=0, split="all")


@pytest.mark.parametrize(
    ("family", "count", "size"), [("dyck", 3000, 4), ("web_of_lies", 200, 1), ("navigate", 100, 1)]
)
def test_more_questions_than_there_are_end_in_a_sentence(family, count, size):
    says = rf"^{family} has too few different questions of sizes \({size},\) in test for count {count} \(found \d+\)$"
    with pytest.raises(ValueError, match=says):
        questions(family, count, seed=0, split="test", sizes=(size,))


@pytest.mark.parametrize(
    ("family", "sizes", "allowed"),
    [
        ("temporal", (2,), "3..8"), ("shuffled_objects", (9,), "3..7"), ("shuffled_objects", (3, 2), "3..7"),
        ("web_of_lies", (51,), "1..50"), ("coloured_objects", (7,), "2..6"), ("dyck", (), "4..64"),
        ("shapes", (3,), "0..0"),
    ],
)  # fmt: skip
def test_sizes_that_a_family_cannot_have_are_named(family, sizes, allowed):
    says = f"sizes must be in {allowed} for {family}, got {sizes}"
    with pytest.raises(ValueError, match=f"^{re.escape(says)}$"):
        questions(family, 3, seed=0, split="test", sizes=sizes)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_smallest_and_the_largest_allowed_size_can_be_had(family):
    for size in {FAMILIES[family].allowed[0], FAMILIES[family].allowed[-1]}:
        for question in questions(family, 3, seed=1, split="train", sizes=(size,)):
            assert FAMILIES[family].solve(question.text, question.options) == question.answer


@pytest.mark.parametrize(
    ("family", "size"),
    [
        ("shuffled_objects", 2), ("shuffled_objects", 1), ("shuffled_objects", 8), ("temporal", 2), ("temporal", 40),
        ("web_of_lies", 0), ("web_of_lies", 51), ("coloured_objects", 1), ("coloured_objects", 25), ("dyck", 2),
        ("dyck", 70), ("navigate", 0), ("navigate", 21),
    ],
)  # fmt: skip
def test_a_generator_asked_for_a_size_that_it_cannot_write_says_so(family, size):
    """Two people have one pair to swap, and forty sightings fit in no day: such searches would not end."""
    allowed = FAMILIES[family].allowed
    says = f"sizes must be in {allowed[0]}..{allowed[-1]} for {family}, got ({size},)"
    with pytest.raises(ValueError, match=f"^{re.escape(says)}$"):
        FAMILIES[family].ask(np.random.default_rng(0), size)
