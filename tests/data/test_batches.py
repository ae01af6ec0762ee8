"""Batches are already shifted; windows and rows are what the same draw by hand gives."""

import numpy as np
import pytest

from lib.data import IGNORE, Mixture, SequenceBatch, Skills, drawn_rows, shift_left, shuffled_rows, windows
from lib.data.checks import check_positive

TEXT = np.arange(1000, 1300)


def test_shifted_targets_are_the_next_tokens():
    tokens = np.array([[5, 6, 7], [8, 9, 10]])
    assert shift_left(tokens).tolist() == [[6, 7, IGNORE], [9, 10, IGNORE]]


def test_the_digest_depends_on_content_and_not_on_byte_order_or_strides():
    tokens = np.arange(6, dtype=np.int64).reshape(2, 3)
    batch = SequenceBatch(tokens, shift_left(tokens))
    foreign = SequenceBatch(np.asfortranarray(tokens.astype(">i8")), shift_left(tokens))
    changed = SequenceBatch(tokens + 1, shift_left(tokens))
    assert batch.digest() == foreign.digest() != changed.digest()


def test_every_batch_gives_its_arrays_one_row_a_sequence():
    for batch, names in (
        (SequenceBatch(TEXT[:6].reshape(2, 3), TEXT[1:7].reshape(2, 3)), {"tokens", "targets"}),
        (Mixture(0).train(0), {"tokens", "targets", "task"}),
        (Skills(0).pretraining(5, 0), {"tokens", "targets", "lengths"}),
    ):
        arrays = batch.arrays()
        assert set(arrays) == names
        assert all(len(array) == len(batch) and array.dtype == np.int64 for array in arrays.values())


def test_windows_are_stretches_of_the_text_from_the_generators_own_places():
    batch = windows(TEXT, 20, 8, np.random.default_rng([3, 7]))
    starts = np.random.default_rng([3, 7]).integers(0, len(TEXT) - 21, 8)
    np.testing.assert_array_equal(batch["tokens"], TEXT[starts[:, None] + np.arange(20)])
    np.testing.assert_array_equal(batch["targets"], TEXT[starts[:, None] + np.arange(1, 21)])


def test_windows_behind_a_first_token_predict_all_of_their_stretch():
    batch = windows(TEXT, 20, 8, np.random.default_rng([3, 7]), first=5)
    starts = np.random.default_rng([3, 7]).integers(0, len(TEXT) - 20, 8)
    np.testing.assert_array_equal(batch["targets"], TEXT[starts[:, None] + np.arange(20)])
    assert (batch["tokens"][:, 0] == 5).all()
    np.testing.assert_array_equal(batch["tokens"][:, 1:], batch["targets"][:, :-1])


def test_rows_are_those_of_seed_step_and_part():
    np.testing.assert_array_equal(drawn_rows(90, 16, 4, 9), np.random.default_rng([4, 9]).integers(0, 90, 16))
    by_hand = np.random.default_rng([4, 3, 9]).integers(0, 90, 16)
    np.testing.assert_array_equal(drawn_rows(90, 16, 4, 9, part=3), by_hand)


def test_shuffled_rows_hold_each_row_once_a_round_in_one_order():
    rows = np.concatenate([shuffled_rows(10, 4, 1, step, part=2) for step in range(5)])
    assert sorted(rows[:10]) == list(range(10))
    np.testing.assert_array_equal(rows[:10], np.random.default_rng([1, 2]).permutation(10))
    np.testing.assert_array_equal(rows[10:], rows[:10])


def test_wrong_arguments_are_named():
    for wrong in (0, -1, 1.0, True):
        with pytest.raises(ValueError, match="size must be an integer of at least 1"):
            check_positive(size=wrong)
    with pytest.raises(ValueError, match=r"tokens must be one text of more than 300, got shape \(300,\)"):
        windows(TEXT, 299, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="count must be an integer of at least 1, got 0"):
        drawn_rows(0, 4, 0, 0)
    with pytest.raises(ValueError, match="seed and place must not be negative"):
        drawn_rows(9, 4, 0, -1)
