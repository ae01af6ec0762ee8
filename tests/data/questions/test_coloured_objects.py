"""Coloured objects: every kind of question answered by hand, and drawn as often as in BIG-Bench Hard."""

from __future__ import annotations

import re

import pytest

from lib.data.questions import questions
from lib.data.questions.coloured_objects import COLOUR_NAMES, solve_coloured_objects

ROW = "On the shelf there is a row of things: a red mug, a blue peg, an orange tray, a blue bell and a gold dice."
GROUPS = "On the bench there are several things: two red brushes, a blue mug, three red pegs and two blue dice."


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"{ROW} Which colour has the thing directly to the left of the tray?", "blue"),
        (f"{ROW} Which colour has the thing directly to the right of the mug?", "blue"),
        (f"{ROW} How many things that are not blue lie to the right of the peg?", "two"),
        (f"{ROW} How many things that are not gold lie to the left of the bell?", "three"),
        (f"{ROW} Which colour has the thing furthest from the peg?", "gold"),
        (f"{ROW} Which colour has the tray?", "orange"),
        (f"{ROW} Is the bell blue?", "yes"), (f"{ROW} Is the bell red?", "no"),
        (f"{ROW} Which colour has the right-most thing?", "gold"),
        (f"{ROW} How many things are neither blue nor red?", "two"),
        (f"{GROUPS} If one takes away all red things, how many blue things are left?", "three"),
        (f"{GROUPS} If one takes away all brushes, how many red things are left?", "three"),
        (f"{GROUPS} If one takes away all dice, how many blue things are left?", "one"),
    ],
)  # fmt: skip
def test_every_kind_answered_by_hand(text, answer):
    assert solve_coloured_objects(text, ()) == answer


def test_kinds_come_with_the_shares_of_bbh():
    drawn = questions("coloured_objects", 1000, seed=8, split="train")
    share = sum("takes away" in question.text for question in drawn) / len(drawn)
    assert share == pytest.approx(57 / 250, abs=4 * (57 / 250 * 193 / 250 / 1000) ** 0.5)
    assert sum("neither" in question.text for question in drawn) < sum(
        "directly" in question.text for question in drawn
    )


def test_in_a_row_no_colour_occurs_twice_so_that_no_question_has_two_answers():
    for question in questions("coloured_objects", 200, seed=8, split="train"):
        if "row of things" in question.text:
            colours = [colour for colour, _ in question.arguments[0]]
            assert len(colours) == len(set(colours)) and set(colours) <= set(COLOUR_NAMES)


def test_articles_are_a_before_consonants_and_an_before_vowels():
    for question in questions("coloured_objects", 100, seed=9, split="train"):
        for article, word in re.findall(r"\b(an?) ([a-z]+) [a-z]+(?:,|\.| and)", question.text):
            assert article == ("an" if word[0] in "aeiou" else "a")
