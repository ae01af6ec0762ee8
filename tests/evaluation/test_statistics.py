"""Intervals: equal to their formulas, and covering what they should."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_rel

from lib.evaluation import paired_interval, seed_interval, wilson_interval


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 20), (7, 20), (20, 20), (499, 1000)])
def test_wilson_intervals_equal_the_formula(successes, trials, confidence):
    z, rate = NormalDist().inv_cdf((1 + confidence) / 2), successes / trials
    center = rate + z * z / (2 * trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials**2))
    expected = [(center + sign * half) / (1 + z * z / trials) for sign in (-1, 1)]
    ours = wilson_interval(successes, trials, confidence)
    assert ours.estimate == rate and [ours.low, ours.high] == pytest.approx(expected, abs=1e-12)
    assert 0 <= ours.low <= ours.estimate <= ours.high <= 1 and ours.low < ours.high


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_t_intervals_equal_scipys_tests(confidence):
    first, second = np.random.default_rng(0).normal(size=(2, 7))
    for ours, theirs in (
        (seed_interval(first, confidence), ttest_1samp(first, 0).confidence_interval(confidence)),
        (paired_interval(first, second, confidence), ttest_rel(first, second).confidence_interval(confidence)),
    ):
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
        assert ours.estimate == pytest.approx((ours.low + ours.high) / 2)


@pytest.mark.parametrize("count", [3, 5, 20])
def test_a_seed_interval_covers_the_true_mean_as_often_as_it_says(count):
    draws = np.random.default_rng(count).normal(3.0, 2.0, size=(2000, count))
    covered = np.mean([(span := seed_interval(row)).low <= 3.0 <= span.high for row in draws])
    assert abs(covered - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 2000)


def test_pairing_takes_out_what_is_hard_for_both():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 10, size=200)
    first, second = hard + 1 + rng.normal(0, 0.1, 200), hard + rng.normal(0, 0.1, 200)
    span = paired_interval(first, second)
    assert 0.9 < span.low < 1 < span.high < 1.1
    assert paired_interval(first, rng.permutation(second)).low < 0


def test_equal_values_have_an_interval_of_no_width():
    assert str(seed_interval([0.5, 0.5, 0.5])) == "0.5 [0.5, 0.5]"


def test_wrong_arguments_are_answered_in_one_sentence():
    for arguments, says in (
        ((1, 0), "trials must be at least 1, got 0"),
        ((3, 2), r"successes must be in 0\.\.trials = 2, got 3"),
        ((1, 2, 1.0), r"confidence must be in \(0, 1\), got 1.0"),
    ):
        with pytest.raises(ValueError, match=says):
            wilson_interval(*arguments)
    for values, says in (
        ([], "values must be at least two numbers"),
        ([1.0], "values must be at least two numbers"),
        ([1.0, float("nan")], "values must be finite"),
    ):
        with pytest.raises(ValueError, match=says):
            seed_interval(values)
    with pytest.raises(ValueError, match=r"second must have the shape of first \(2,\), got \(3,\)"):
        paired_interval([1, 2], [1, 2, 3])
