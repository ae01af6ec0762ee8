"""Intervals: equal to SciPy's, and covering what they should."""

import numpy as np
import pytest
from scipy.stats import binomtest

from lib.evaluation import bootstrap_mean, seed_summary, wilson_interval


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 20), (7, 20), (20, 20), (499, 1000)])
def test_wilson_intervals_equal_scipys(successes, trials, confidence):
    ours = wilson_interval(successes, trials, confidence)
    theirs = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= ours.low <= ours.estimate <= ours.high <= 1 and ours.low < ours.high


def test_the_bootstrap_interval_is_close_to_the_normal_one_and_reproducible():
    values = np.random.default_rng(0).exponential(size=400)
    interval = bootstrap_mean(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert interval.estimate == values.mean()
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.06)
    assert bootstrap_mean(values) == interval != bootstrap_mean(values, seed=1)
    narrow = bootstrap_mean(values, confidence=0.5)
    assert interval.low < narrow.low < narrow.high < interval.high


def test_the_bootstrap_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    intervals = [bootstrap_mean(rng.normal(size=40), resamples=400, seed=i) for i in range(300)]
    assert 0.88 < np.mean([interval.low <= 0 <= interval.high for interval in intervals]) < 0.99


def test_a_seed_summary_is_mean_min_and_max():
    summary = seed_summary([0.7, 1.0, 0.4])
    assert (summary.mean, summary.min, summary.max, summary.seeds) == (pytest.approx(0.7), 0.4, 1.0, 3)
    assert str(summary) == "0.7 [0.4, 1], 3 seeds" and str(seed_summary([2])) == "2 [2, 2], 1 seed"


def test_wrong_arguments_are_answered_in_one_sentence():
    for arguments, says in (
        ((1, 0), "trials must be at least 1, got 0"),
        ((3, 2), r"successes must be in 0\.\.trials = 2, got 3"),
        ((1, 2, 1.0), r"confidence must be in \(0, 1\), got 1.0"),
    ):
        with pytest.raises(ValueError, match=says):
            wilson_interval(*arguments)
    for function in (bootstrap_mean, seed_summary):
        with pytest.raises(ValueError, match="values must be at least one number"):
            function([])
        with pytest.raises(ValueError, match="values must be finite"):
            function([1.0, float("nan")])
