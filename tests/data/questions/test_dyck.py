"""Dyck words: what is missing closes what is open, and nothing more."""

from __future__ import annotations

import pytest

from lib.data.questions import questions
from lib.data.questions.dyck import solve_dyck

PARTNER = {")": "(", "]": "[", "}": "{", ">": "<"}


@pytest.mark.parametrize(
    ("shown", "missing"),
    [("( [ ]", ")"), ("< { ( ) }", ">"), ("[ ( {", "} ) ]"), ("( ) [ ] <", ">"), ("{ } ( )", "")],
)
def test_words_closed_by_hand(shown, missing):
    assert solve_dyck(f"Close all brackets. Input: {shown}", ()) == missing


def test_the_whole_word_is_balanced_and_as_long_as_asked():
    for question in questions("dyck", 100, seed=4, split="train", longer=True):
        word, stack = [*question.arguments[0], *question.answer.split()], []
        for token in word:
            if token in PARTNER:
                assert stack.pop() == PARTNER[token]
            else:
                stack.append(token)
        assert not stack and len(word) == question.size
