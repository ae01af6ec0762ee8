"""The bootstrap over prompts: scipy's, the normal theory, and pairs."""

from __future__ import annotations

import numpy as np
import pytest

from lib.evaluation import PromptScores, bootstrap_interval, paired_bootstrap, paired_interval, seed_interval
from lib.evaluation.relations import VisorScores


def prompts_of(seed: int, count: int = 150, right: float = 0.6) -> VisorScores:
    """Some prompts are hard: their four pictures fail together."""
    rng = np.random.default_rng(seed)
    ease = rng.beta(1, 1, (count, 1))
    found = rng.random((count, 4)) < 0.8
    return VisorScores(found, found & (rng.random((count, 4)) < right * 2 * ease))


def test_equals_scipys_percentiles():
    from scipy.stats import bootstrap

    values = np.random.default_rng(0).exponential(size=60)
    ours = bootstrap_interval(values, np.mean, resamples=8000)
    theirs = bootstrap((values,), np.mean, n_resamples=8000, method="percentile", rng=np.random.default_rng(5))
    assert ours.estimate == values.mean()
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.01)


def test_a_ratio_is_drawn_as_a_ratio():
    from scipy.stats import bootstrap

    scores = prompts_of(1)
    ours = bootstrap_interval(scores, lambda s: s.conditional, resamples=4000)
    theirs = bootstrap(
        (scores.right.sum(1), scores.found.sum(1)),
        lambda right, found: right.sum() / found.sum(),
        n_resamples=4000,
        paired=True,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert ours.estimate == scores.conditional
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_prompts_are_drawn_and_not_pictures():
    """Four pictures that always agree are no more news than one."""
    one = np.random.default_rng(2).random((100, 1)).round()
    alone, four = (bootstrap_interval(PromptScores(v), lambda s: s.mean) for v in (one, np.repeat(one, 4, axis=1)))
    assert (alone.low, alone.high) == (four.low, four.high)
    assert alone.high - alone.low == pytest.approx(2 * 1.96 * one.std() / 10, rel=0.1)


def test_pairs_take_out_what_is_hard_for_both():
    rng = np.random.default_rng(3)
    hard = rng.normal(size=200)
    first, second = hard + 0.3 + 0.1 * rng.normal(size=200), hard + 0.1 * rng.normal(size=200)
    paired, exact = paired_bootstrap(first, second, np.mean), paired_interval(first, second)
    assert paired.estimate == pytest.approx(exact.estimate)
    assert (paired.low, paired.high) == pytest.approx((exact.low, exact.high), abs=0.003)
    alone = seed_interval(first)
    assert paired.high - paired.low < 0.2 * (alone.high - alone.low)
    same = paired_bootstrap(prompts_of(1), prompts_of(1), lambda s: s.at_least(2))
    assert (same.estimate, same.low, same.high) == (0, 0, 0)


def test_it_covers_the_truth_as_often_as_it_says():
    """Of 200 data sets with a conditional rate of about 0.6, the 90 % interval holds it in about 90 %."""
    truth = prompts_of(99, count=100_000).conditional
    inside = 0
    for seed in range(200):
        interval = bootstrap_interval(prompts_of(seed), lambda s: s.conditional, resamples=200, confidence=0.9)
        inside += interval.low <= truth <= interval.high
    assert 168 <= inside <= 192  # 180 with a standard deviation of 4


def test_the_seed_decides_and_draws_without_a_figure_are_left_out():
    values = np.array([1.0, 2.0])
    first = bootstrap_interval(values, np.mean, seed=1, resamples=50)
    assert first == bootstrap_interval(values, np.mean, seed=1, resamples=50)
    assert (first.low, first.high) == (1.0, 2.0)
    # With two prompts of which one has no pair, a quarter of the draws have no conditional rate.
    scores = VisorScores(np.array([[True] * 4, [False] * 4]), np.array([[True] * 2 + [False] * 2, [False] * 4]))
    interval = bootstrap_interval(scores, lambda s: s.conditional, resamples=100)
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_bad_input_is_named():
    values = np.arange(5.0)
    with pytest.raises(ValueError, match=r"^items must be at least two, got 1$"):
        bootstrap_interval(values[:1], np.mean)
    with pytest.raises(ValueError, match=r"^second must have the length of first, 5, got 4$"):
        paired_bootstrap(values, values[:4], np.mean)
    with pytest.raises(ValueError, match=r"^confidence must be in \(0, 1\), got 1$"):
        bootstrap_interval(values, np.mean, confidence=1)
    with pytest.raises(ValueError, match=r"^resamples must be an integer of at least 1, got 0$"):
        bootstrap_interval(values, np.mean, resamples=0)
    nothing = VisorScores(np.zeros((3, 4), dtype=bool), np.zeros((3, 4), dtype=bool))
    with pytest.raises(ValueError, match=r"^measure must be finite on all items, got nan$"):
        bootstrap_interval(nothing, lambda s: s.conditional)
