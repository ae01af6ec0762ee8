"""Navigate: walks followed by hand, and a generator that knows where it stands."""

from __future__ import annotations

import pytest

from lib.data.questions import questions
from lib.data.questions.navigate import solve_navigate


@pytest.mark.parametrize(
    ("walk", "answer"),
    [
        ("Go 3 steps. Turn around. Go 3 steps.", "Yes"), ("Go 3 steps. Turn left. Go 3 steps.", "No"),
        ("Go 2 steps. Turn right. Go 2 steps. Turn right. Go 2 steps. Turn right. Go 2 steps.", "Yes"),
        ("Look north all the time. Go 4 steps left. Go 1 step forward. Go 4 steps right. Go 1 step backward.", "Yes"),
        ("Look north all the time. Go 4 steps left. Go 4 steps left.", "No"), ("Turn left. Turn right.", "Yes"),
    ],
)  # fmt: skip
def test_walks_followed_by_hand(walk, answer):
    assert solve_navigate(f"Follow these instructions: {walk} Are you where you began?", ("Yes", "No")) == answer


def test_a_text_names_every_move_once_in_order():
    for question in questions("navigate", 60, seed=4, split="train"):
        moves = question.arguments[0]
        places = [question.text.index(f"Turn {value}." if kind == "turn" else f"{value} step") for kind, value in moves]
        assert len(moves) == question.size and places[0] == min(places)
        told = question.text.count("Turn ") + question.text.count("Go ")
        assert told == question.size and ("Look north" in question.text) is (
            not any(kind in ("turn", "ahead") for kind, _ in moves)
        )
