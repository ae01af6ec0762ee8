"""Predicates: the rule of each with numbers computed by hand, their words, their JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from lib.workbench.verdicts import all_of, at_least, at_most, beats, from_json, is_true, within


@pytest.mark.parametrize(
    ("predicate", "holds"),
    [
        (at_least(0.94, 0.9), True),
        (at_least(0.9, 0.9), True),
        (at_least(0.89, 0.9), False),
        (at_most(3, 4), True),
        (at_most(4, 4), True),
        (at_most(5, 4), False),
        (beats(0.75, 0.5, by=0.25), True),
        (beats(0.5, 0.75, by=0.25), False),
        (beats(0.6, 0.5, by=0.25), None),
        (beats(0.5, 0.6, by=0.25), None),
        (beats(1.0, 1.5, by=0.25, lower=True), True),
        (beats(1.5, 1.0, by=0.25, lower=True), False),
        (beats(0.001), True),
        (beats(-0.001), False),
        (beats(0.0), None),
        (within(1.5, 1.0, 0.5), True),
        (within(0.5, 1.0, 0.5), True),
        (within(1.75, 1.0, 0.5), False),
        (within(0.25, 1.0, 0.5), False),
        (is_true(True), True),
        (is_true(False), False),
        (is_true(None), None),
    ],
)
def test_each_rule(predicate, holds):
    assert predicate.holds is holds


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((True, True), True),
        ((True, False), False),
        ((True, None), None),
        ((None, False), False),
        ((True,), True),
    ],
)
def test_a_conjunction_is_false_when_any_part_is_and_open_when_one_is_not_shown(said, expected):
    assert all_of(*map(is_true, said)).holds is expected


def test_a_conjunction_takes_plain_facts_and_conjunctions():
    whole = all_of(at_least(2, 1), np.bool_(True), all_of(at_most(1, 2), torch.tensor(True)))
    assert whole.holds is True
    assert [part.test for part in whole.parts] == ["at_least", "is_true", "at_most", "is_true"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, torch.tensor(float("nan"))])
def test_a_value_that_is_not_finite_shows_nothing_and_says_so(value):
    for predicate in (at_least(value, 1), at_most(value, 1), beats(value, by=1), beats(1, value), within(value, 0, 1)):
        assert predicate.holds is None and "no finite value, wanted" in predicate.text
        assert from_json(json.loads(json.dumps(predicate.to_json(), allow_nan=False))) == predicate


@pytest.mark.parametrize(
    ("predicate", "text"),
    [
        (at_least(0.94, 0.9), "0.94, wanted at least 0.9"),
        (at_most(1 / 3, 0.5, fmt="{:.2f}"), "0.33, wanted at most 0.50"),
        (beats(0.75, 0.5, by=0.25), "0.75 against 0.5: higher by 0.25, wanted higher by at least 0.25"),
        (beats(1.0, 1.5, by=0.25, lower=True), "1 against 1.5: lower by 0.5, wanted lower by at least 0.25"),
        (
            beats(1.25, 1.0, by=0.5, lower=True),
            "1.25 against 1: higher by 0.25, no difference shown, wanted lower by at least 0.5",
        ),
        (beats(0.125, fmt="{:.1%}"), "higher by 12.5%, wanted higher"),
        (beats(2, 2, by=1), "2 against 2: no difference, wanted higher by at least 1"),
        (within(1.5, 1, 0.5, name="loss"), "loss: 1.5, wanted within 0.5 of 1"),
        (is_true(True, name="rows keep every bit"), "rows keep every bit: yes"),
        (all_of(at_least(2, 1, name="a"), is_true(False, name="b")), "a: 2, wanted at least 1; b: no"),
    ],
)
def test_the_words(predicate, text):
    assert predicate.text == text


@pytest.mark.parametrize(
    "predicate",
    [
        at_least(0.94, 0.9, name="recall", fmt="{:.2f}"),
        at_most(3, 4),
        beats(torch.tensor(0.5), np.float64(0.25), by=0.125, lower=True),
        within(1.5, 1, 0.5),
        is_true(np.bool_(False)),
        all_of(at_least(2, 1), all_of(True, name="inner"), name="whole"),
    ],
)
def test_what_is_written_is_what_is_read(predicate):
    record = json.loads(json.dumps(predicate.to_json()))
    assert from_json(record) == predicate and record["test"] == predicate.test


def test_the_record_names_value_and_threshold():
    assert at_least(np.float32(0.5), 0.25).to_json() == {"test": "at_least", "value": 0.5, "threshold": 0.25}
    assert beats(1, 2, by=0.5).to_json() == {"test": "beats", "value": 1, "other": 2, "by": 0.5, "lower": False}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: at_least(0.5, math.nan), "threshold must be a finite number, got nan"),
        (lambda: at_least(True, 0.5), "value must be one number or None, got True"),
        (lambda: at_least([1, 2], 0.5), "value must be one number or None"),
        (lambda: at_most(torch.ones(2), 0.5), "value must be one number or None"),
        (lambda: beats(1, by=-0.1), "by must be a finite number from 0 on, got -0.1"),
        (lambda: within(1, 1, -1), "tolerance must be a finite number from 0 on, got -1"),
        (lambda: is_true(1), "flag must be True, False or None, got 1"),
        (lambda: all_of(), "at least one"),
        (lambda: from_json({"test": "looks_good"}), "at_most, beats, within, is_true, all_of, got 'looks"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_verdict_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("predicate", "low", "high", "margin", "expected"),
    [
        (at_least(0, 1.0), 1.0, 2.0, 0.0, True),
        (at_least(0, 1.0), 0.5, 1.0, 0.0, None),
        (at_least(0, 1.0), 0.5, 0.99, 0.0, False),
        (at_least(0, 1.0), 1.1, 2.0, 0.2, None),
        (at_least(0, 1.0), 1.2, 2.0, 0.2, True),
        (at_least(0, 1.0), 0.5, 0.9, 0.2, None),
        (at_most(0, 1.0), 0.5, 0.9, 0.2, None),
        (at_most(0, 1.0), 0.5, 0.8, 0.2, True),
        (at_most(0, 1.0), 1.3, 1.4, 0.2, False),
        (beats(0, by=0.5), 0.55, 0.9, 0.2, None),
        (beats(0, by=0.5), -0.9, -0.5, 0.0, False),
        (beats(0, by=0.5), -0.9, 0.9, 0.0, None),
        (beats(0), -0.1, 0.9, 0.0, None),
        (beats(0), 0.0, 0.9, 0.0, None),
        (within(0, 0, 1.0), -0.9, 0.9, 0.0, True),
        (within(0, 0, 1.0), -0.9, 0.9, 0.2, None),
        (within(0, 0, 1.0), 0.9, 1.1, 0.0, None),
        (within(0, 0, 1.0), -1.5, -1.1, 0.0, False),
    ],
)
def test_an_interval_is_judged_by_the_side_on_which_it_lies_wholly(predicate, low, high, margin, expected):
    assert predicate.judge(low, high, margin) is expected
