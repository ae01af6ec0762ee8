"""Shuffled objects: swaps followed by hand."""

from __future__ import annotations

import itertools

from lib.data.questions import questions
from lib.data.questions.shuffled_objects import solve_shuffled_objects


def test_swaps_never_repeat_a_pair_at_once():
    for question in questions("shuffled_objects", 100, seed=6, split="train"):
        swaps = question.arguments[1]
        assert len(swaps) == question.size
        assert all(set(a) != set(b) for a, b in itertools.pairwise(swaps))


def test_swaps_followed_by_hand():
    told = (
        "Anke, Bero and Cleo are together. At the start of a game, each holds a ball. Anke has the teal ball, "
        "Bero has the rust ball, Cleo has the mint ball. First, Anke and Bero swap balls. Then, Bero and Cleo swap "
        "balls. Finally, Cleo and Anke swap balls. What has {} in the end?"
    )
    ends = {"Anke": "the teal ball", "Bero": "the mint ball", "Cleo": "the rust ball"}
    assert {name: solve_shuffled_objects(told.format(name), ()) for name in ends} == ends


def test_everybody_holds_something_and_no_two_the_same():
    for question in questions("shuffled_objects", 60, seed=2, split="test"):
        people, things = zip(*question.arguments[0], strict=True)
        assert len(set(people)) == len(set(things)) == question.size and set(question.options) == set(things)
