"""The n-gram: Witten-Bell by hand, probabilities that sum to one, short sequences."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from lib.evaluation import NGram, unigram_nats


def by_hand(train, test, vocab, order):
    """-ln p of each token of one test sequence, straight from the equation."""
    counts = [defaultdict(lambda: defaultdict(int)) for _ in range(order)]
    for sequence in train:
        for place, token in enumerate(sequence):
            for k in range(order):
                if place >= k:
                    counts[k][tuple(sequence[place - k : place])][token] += 1
    costs = []
    for place, token in enumerate(test):
        p, row = 1 / vocab, []
        for k in range(order):
            if place >= k:
                seen = counts[k].get(tuple(test[place - k : place]), {})
                n, t = sum(seen.values()), len(seen)
                p = (seen.get(token, 0) + t * p) / (n + t) if n else p
            row.append(-np.log(p))
        costs.append(row)
    return np.array(costs).T


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_equation(seed):
    rng = np.random.default_rng(seed)
    train = [rng.integers(0, 7, rng.integers(1, 40)) for _ in range(9)]
    test = [rng.integers(0, 8, 20), rng.integers(0, 8, 3)]
    model = NGram(train, 8, order=4)
    expected = np.concatenate([by_hand([row.tolist() for row in train], row.tolist(), 8, 4) for row in test], axis=1)
    np.testing.assert_allclose(model.nats(test), expected, rtol=1e-12)


def test_probabilities_sum_to_one():
    rng = np.random.default_rng(5)
    model = NGram([rng.integers(0, 6, 200)], 6, order=3)
    for context in ([1, 2], [5, 5], [0, 3]):
        total = sum(np.exp(-model.nats([np.array([*context, token])])[:, -1]) for token in range(6))
        np.testing.assert_allclose(total, 1)


def test_an_order_that_no_sequence_reaches_falls_back():
    short = [np.array([1, 2, 3])]
    nats = NGram(short, 5, order=6).nats([np.array([1, 2, 3, 1, 2, 3, 4])])
    np.testing.assert_array_equal(nats[3], nats[5])


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^order and vocab_size must be at least 1, got 0 and 5$"):
        NGram([np.array([1])], 5, order=0)
    with pytest.raises(ValueError, match=r"^tokens must be in 0\.\.4, got 1\.\.5$"):
        NGram([np.array([1, 5])], 5)
    with pytest.raises(ValueError, match=r"^sequences must hold at least one token, got none$"):
        NGram([np.array([1])], 5).nats([])


def test_frequencies_alone_are_the_add_half_estimate():
    train, held_out = np.array([[0, 0, 1], [0, 2, 0]]), np.array([[0, 3], [1, 2]])
    nats = unigram_nats(train, held_out, 4)
    np.testing.assert_allclose(nats, -np.log(np.array([[4.5, 0.5], [1.5, 1.5]]) / 8))
    assert np.exp(-unigram_nats(train, np.arange(4), 4)).sum() == pytest.approx(1)
    assert unigram_nats(np.zeros(0, int), [2], 4) == pytest.approx(np.log(4))
    for tokens, named in ((([0], [4]), "held_out"), (([-1], [0]), "train")):
        with pytest.raises(ValueError, match=rf"^{named} must hold tokens in 0\.\.3"):
            unigram_nats(*tokens, 4)
