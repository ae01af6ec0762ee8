"""Sentences with figures from the evidence."""

from __future__ import annotations

import json

import pytest

from lib.workbench import Ledger, Run, all_of, at_least, beats
from lib.workbench.summary import render

ROW = {"says": "s", "paper": "p", "here": "h"}


def evidence(*predicates) -> dict:
    claims = [
        {"id": "C1", "kind": "paper", "holds": p.holds, "test": p.to_json(), "values": {"gain": i / 10, "m": {"x": i}}}
        for i, p in enumerate(predicates)
    ]
    return {"paper": "01-jamba", "runs": [{"seed": i, "claims": [claim]} for i, claim in enumerate(claims)]}


SEEDS = evidence(*(at_least(value, 0.5) for value in (0.73, 0.94, 0.88)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is {C1}.", "It is reproduced."),
        ("{C1.seeds} seeds", "3 of 3 seeds"),
        ("{C1.mean:.2f}", "0.85"),
        ("{C1.low:.2f}, {C1.high:.2f}", "0.73, 0.94"),
        ("{C1.range:.0%}", "73% to 94%"),
        ("{C1.interval:.2f}", "0.58 to 1.12"),  # s = 0.1082, half width 4.3027 s / sqrt(3)
        ("{C1.gain.range:.1%}", "0.0% to 20.0%"),
        ("{C1.gain:.1f}", "0.1"),
        ("{C1.m.x.high}", "2"),
        ("{{C1}} stays", "{C1} stays"),
    ],
)
def test_fields_are_figures_over_the_seeds(text, expected):
    assert render(text, Ledger(SEEDS)) == expected


def test_the_value_of_beats_is_the_difference_and_parts_have_names():
    ledger = Ledger(evidence(*(all_of(beats(x, 1.0, name="lead"), True) for x in (1.5, 2.0, 2.5))))
    assert render("{C1.lead.range:.1f}", ledger) == "0.5 to 1.5"
    with pytest.raises(ValueError, match=r"must name a field of C1: seeds, gain, m.x, lead, got \{C1.mean\}"):
        render("{C1.mean}", ledger)


def test_a_claim_whose_threshold_changed_is_open_in_sentences_too():
    ledger = Ledger(SEEDS)
    ledger.add("C1", holds=at_least(0.9, 0.6), **ROW)
    assert render("{C1}", ledger) == "open"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{C2}", r"text must name a claim of C1, got \{C2\}"),
        ("{C1.median}", r"text must name a field of C1: seeds, mean, low, high, range, interval, gain, m.x, got"),
        ("{C1!r}", "without '!'"),
    ],
)
@pytest.mark.parametrize("scale", ["laptop", "smoke"])
def test_what_does_not_exist_is_answered_by_what_does(text, message, scale):
    with pytest.raises(ValueError, match=message):
        render(text, Ledger(SEEDS, scale))


def test_without_seeds_the_sentence_says_so_once():
    ledger = Ledger()
    ledger.add("C1", holds=at_least(0.9, 0.5), values={"gain": 1.0}, **ROW)
    text = "{C1}: {C1.mean:.2f}, gain {C1.gain.range:.1%} in {C1.seeds}."
    assert render(text, ledger) == "–: –, gain – in –. (no seeds yet)"
    assert render("Nothing to fill.", ledger) == "Nothing to fill."


def test_at_smoke_scale_no_figure_is_shown():
    assert render("{C1} at {C1.mean:.2f}.", Ledger(SEEDS, "smoke")) == "– at –. (smoke run: no figures)"


def test_a_run_shows_its_summary(tmp_path, capsys):
    folder = tmp_path / "data" / "evidence"
    folder.mkdir(parents=True)
    (folder / "01-jamba.json").write_text(json.dumps(SEEDS))
    run = Run("01-jamba", "laptop", root=tmp_path)
    capsys.readouterr()
    run.summary("It is **{C1}**.")
    assert capsys.readouterr().out == "It is **reproduced**.\n"
