"""Temporal sequences: the one slot in which nobody saw them, worked out by hand."""

from __future__ import annotations

from lib.data.questions import questions
from lib.data.questions.temporal import solve_temporal


def test_the_free_slot_is_the_only_option_that_nobody_saw():
    for question in questions("temporal", 100, seed=6, split="train"):
        assert f"from {question.answer}".replace(" to ", " to ") not in question.text
        for option in question.options:
            assert (option == question.answer) is (f"from {option}." not in question.text)


def test_a_day_worked_out_by_hand():
    told = (
        "Emil went to the library today. Emil got up at 6am. Dora saw Emil sorting stamps from 6am to 9am. "
        "Hana saw Emil playing chess from 11am to 2pm. The library was closed after 2pm. When can that have been?"
    )
    assert solve_temporal(told, ("6am to 9am", "9am to 11am", "11am to 2pm")) == "9am to 11am"


def test_sightings_and_the_free_slot_fill_the_day_without_overlap():
    for question in questions("temporal", 60, seed=2, split="test"):
        wake, busy, close = question.arguments
        hours = [hour for start, end in busy for hour in range(start, end)]
        free = sorted(set(range(wake, close)) - set(hours))
        assert len(hours) == len(set(hours)) and free == list(range(free[0], free[-1] + 1)) and close <= 22
