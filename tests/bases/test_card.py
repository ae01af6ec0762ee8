"""Cards are written and read whole, and a curve keeps what the losses say."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lib.bases import Card, described
from lib.bases.card import POINTS, curve_of
from tests.bases.toy import toy


@pytest.fixture(scope="module")
def card() -> Card:
    recipe = toy()
    return described(recipe, *recipe.train(progress=False), hardware="a desk, 1 core")


def test_a_card_is_read_as_it_was_written(card, tmp_path):
    card.write(tmp_path / "bases" / "toy.json")
    assert Card.read(tmp_path / "bases" / "toy.json") == card
    assert json.loads((tmp_path / "bases" / "toy.json").read_text())["steps"] == 60


def test_a_card_says_it_in_one_line(card):
    line = replace(card, minutes=61.4, gate=0.987, date="2026-11-30").line
    assert line == (
        "base skills: a line; 2 weights, 60 steps in 61 minutes on 2026-11-30; "
        "gate: closeness to the line (fraction) is 0.987 (needs 0.9)"
    )
    assert repr(card) == f"<{card.line}>", "a cell that ends with a card shows one line"


def test_what_is_no_card_is_named_in_one_sentence(card, tmp_path):
    file = tmp_path / "toy.json"
    with pytest.raises(FileNotFoundError, match=r"^there is no card toy.json$"):
        Card.read(file)
    file.write_text("{")
    with pytest.raises(ValueError, match=r"^toy.json is no card: "):
        Card.read(file)
    file.write_text('{"name": "toy"}')
    with pytest.raises(ValueError, match=r"^toy.json is no card: it must hold data_digest, .*, got \['name'\]$"):
        Card.read(file)
    file.write_text("[1]")
    with pytest.raises(ValueError, match=r"got list$"):
        Card.read(file)


def test_a_curve_is_the_mean_of_each_series_over_stretches():
    curve = curve_of([4.0, 1.0, 2.0, 3.0], lambda step: ("even", "odd")[step % 2], points=2)
    assert curve == {"steps": [2, 4], "even": [4.0, 2.0], "odd": [1.0, 3.0]}
    assert curve_of([4.0, 1.0], lambda step: "loss") == {"steps": [1, 2], "loss": [4.0, 1.0]}


def test_a_series_without_a_step_keeps_its_value_before_it():
    curve = curve_of([5.0, 1.0, 1.0, 7.0], lambda step: "rare" if step in (0, 3) else "often", points=4)
    assert curve["rare"] == [5.0, 5.0, 5.0, 7.0] and curve["often"] == [1.0, 1.0, 1.0, 1.0]
    assert len(curve_of([1.0] * 1000, lambda step: "loss")["steps"]) == POINTS
