"""Web of lies: chains of claims followed by hand."""

from __future__ import annotations

import pytest

from lib.data.questions import questions
from lib.data.questions.web_of_lies import solve_web_of_lies


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ("Aino tells the truth.", "Yes"), ("Aino lies.", "No"),
        ("Aino lies. Bela claims that Aino lies.", "Yes"), ("Aino lies. Bela claims that Aino tells the truth.", "No"),
        ("Aino tells the truth. Bela claims that Aino lies. Milo claims that Bela lies.", "Yes"),
    ],
)  # fmt: skip
def test_chains_followed_by_hand(told, answer):
    assert solve_web_of_lies(f"{told} Is the last one telling the truth?", ("Yes", "No")) == answer


def test_an_honest_claim_agrees_with_the_one_it_is_about():
    for question in questions("web_of_lies", 60, seed=4, split="train"):
        claims, asked = question.arguments
        honest = {}
        for person, about, praise in claims:
            honest[person] = praise if person == about else praise == honest[about]
        assert len(honest) == question.size and ("Yes" if honest[asked] else "No") == question.answer
