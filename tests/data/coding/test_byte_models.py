"""Byte models: their equations, tables with an escape, states that forget what they are told to."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.coding.arithmetic_coder import TOTAL
from lib.data.coding.byte_models import MarkovModel, common_bytes, symbols_of, with_escape

SAMPLE = (b"def f(x):\n    return x + 1  # the next number\n" * 20) + b"the cat sat on the mat. " * 20
ORDER_1, ORDER_0 = MarkovModel(SAMPLE, order=1), MarkovModel(SAMPLE)


def test_tables_have_an_escape_and_the_alphabet_the_common_bytes():
    assert common_bytes(b"aab", 2) == b"a" and common_bytes(b"", 2) == b" "
    for model in (ORDER_0, ORDER_1):
        state = model.feed(model.start(2), np.array([1, 2]), np.array([False, False]))
        tables = model.tables(state)
        assert tables.shape == (2, len(model.alphabet) + 2)
        assert (np.diff(tables) >= 1).all() and (tables[:, 0] == 0).all() and (tables[:, -1] == TOTAL).all()
    seen = [m.tables(m.feed(m.start(1), np.array([3]), np.array([False]))) for m in (ORDER_0, ORDER_1)]
    assert (seen[0] == ORDER_0.tables(ORDER_0.start(1))).all() and (seen[1] != ORDER_1.tables(ORDER_1.start(1))).any()


def fed(model, *symbols):
    state = model.start(1)
    for symbol in symbols:
        state = model.feed(state, np.array([symbol]), np.array([False]))
    return model.tables(state)[0]


def test_probabilities_are_those_of_the_equation():
    """Counts of `abab..b`: order 0 adds a half, order 1 backs off to it with weight 4."""
    model = MarkovModel(b"ababb" * 40, order=1, alphabet=b"ab")
    unigram = np.array([80.5, 120.5]) / 201
    behind_a = (np.array([0, 80]) + 4 * unigram) / 84
    behind_b = (np.array([79, 40]) + 4 * unigram) / 123
    for symbols, wanted in (((), unigram), ((0,), behind_a), ((0, 1), behind_b)):
        counts = np.diff(fed(model, *symbols))
        assert counts[-1] == 1 and counts.sum() == TOTAL
        np.testing.assert_allclose(counts[:2] / TOTAL, wanted, atol=3 / TOTAL)


def test_a_state_keeps_what_it_read_until_it_is_reset():
    state = ORDER_1.feed(ORDER_1.start(3), np.array([1, 2, 3]), np.zeros(3, dtype=bool))
    kept = ORDER_1.feed(state, np.full(3, -1), np.array([False, True, False]))
    tables = ORDER_1.tables(kept)
    np.testing.assert_array_equal(tables[[0, 2]], ORDER_1.tables(state)[[0, 2]])
    np.testing.assert_array_equal(tables[1], ORDER_1.tables(ORDER_1.start(1))[0])
    np.testing.assert_array_equal(ORDER_1.tables(ORDER_1.select(state, np.array([2, 0]))), tables[[2, 0]])


def test_the_escape_takes_its_count_from_the_most_probable_symbol():
    table = np.array([[0, 10, TOTAL - 5, TOTAL]])
    assert with_escape(table).tolist() == [[0, 10, TOTAL - 6, TOTAL - 1, TOTAL]]


def test_bytes_outside_the_alphabet_are_the_escape():
    assert symbols_of(b"abcz", b"cb").tolist() == [2, 1, 0, 2]


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"^order must be 0 or 1, got 2$"):
        MarkovModel(SAMPLE, order=2)
    with pytest.raises(ValueError, match=r"^alphabet must be different bytes"):
        MarkovModel(SAMPLE, alphabet=b"aa")
