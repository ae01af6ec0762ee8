"""Recall episodes: what a row says, what it asks, and what guessing gets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data import IGNORE, RecallTask, TopicText, stream
from lib.data.sequences.layout import KEYS, TEXT, VALUES


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), pairs=st.integers(1, 16), length=st.integers(64, 150))
def test_every_query_asks_a_stated_key_and_its_answer_is_the_stated_value(seed, pairs, length):
    batch = RecallTask(length=length).batch(np.random.default_rng(seed), 3, pairs=pairs)
    for tokens, targets, source in zip(batch.tokens, batch.targets, batch.source, strict=True):
        keys, values = tokens[: 2 * pairs : 2], tokens[1 : 2 * pairs : 2]
        assert len(set(keys)) == pairs and set(keys) <= set(KEYS) and set(values) <= set(VALUES)
        asked = np.flatnonzero(targets != IGNORE)
        assert asked.tolist() == list(range(2 * pairs, length - 1, 2))
        memory = dict(zip(keys, values, strict=True))
        assert [memory[key] for key in tokens[asked]] == targets[asked].tolist() == tokens[asked + 1].tolist()
        assert tokens[source[asked]].tolist() == tokens[asked].tolist()
        assert (source[targets == IGNORE] == -1).all()


def test_the_first_round_of_queries_asks_every_key_once():
    batch = RecallTask().batch(np.random.default_rng(0), 50, pairs=(2, 8, 32))
    for row in range(50):
        first = batch.tokens[row][batch.first_asked[row]]
        assert sorted(first) == sorted(batch.tokens[row, : 2 * batch.pairs[row] : 2])
    assert set(batch.pairs) == {2, 8, 32}


def test_values_are_drawn_uniformly_and_independently_of_keys():
    task = RecallTask(num_keys=4, num_values=4, length=16)
    batch = task.batch(np.random.default_rng(1), 4000, pairs=4)
    keys, values = batch.tokens[:, :8:2] - KEYS.start, batch.tokens[:, 1:8:2] - VALUES.start
    counts = np.zeros((4, 4))
    np.add.at(counts, (keys, values), 1)
    expected = 16000 / 16
    assert ((counts - expected) ** 2 / expected).sum() < 37.7  # chi-square, 15 degrees of freedom, p = 0.001


def test_guessing_lines_are_what_guessers_get():
    task = RecallTask()
    batch = task.batch(np.random.default_rng(2), 300, pairs=8)
    rng = np.random.default_rng(3)
    lines = task.guessing(batch)
    uniform = task.accuracy(rng.integers(VALUES.start, VALUES.start + 16, batch.tokens.shape), batch)[8]
    picks = 2 * rng.integers(0, 8, batch.tokens.shape) + 1
    present = task.accuracy(np.take_along_axis(batch.tokens, picks, axis=1), batch)[8]
    most = [np.bincount(row).argmax() for row in batch.tokens[:, 1:16:2]]
    majority = task.accuracy(np.repeat(np.array(most)[:, None], 128, axis=1), batch)[8]
    assert lines["chance"] == 1 / 16 and abs(uniform - lines["chance"]) < 0.01
    assert abs(present - lines["present"]) < 0.01
    assert majority == pytest.approx(lines["majority"])
    # Of 8 values drawn from 16, a random one equals the answer with probability 1/8 + 7/8 * 1/16.
    assert lines["present"] == pytest.approx(1 / 8 + 7 / 8 / 16, abs=0.01)
    assert lines["chance"] < lines["present"] < lines["majority"]


def test_accuracy_is_split_by_pairs_and_can_leave_out_copied_answers():
    task = RecallTask()
    batch = task.batch(np.random.default_rng(4), 20, pairs=(2, 16))
    half = np.where((batch.pairs == 2)[:, None], batch.targets, 0)
    assert task.accuracy(half, batch) == {2: 1.0, 16: 0.0}
    copied = np.where(batch.first_asked, 0, batch.targets)
    assert task.accuracy(copied, batch, first_asked_only=True) == {2: 0.0, 16: 0.0}
    assert task.accuracy(copied, batch)[2] == pytest.approx(60 / 62)


def test_held_out_combinations_never_occur_in_training_and_are_all_there_is_in_the_test():
    task = RecallTask(holdout=2)

    def held_out(split):
        batch = task.batch(np.random.default_rng(5), 200, pairs=(4, 16), split=split)
        asked = batch.scored
        return task.is_held_out(batch.tokens[asked] - KEYS.start, batch.targets[asked] - VALUES.start)

    assert not held_out("train").any()
    assert held_out("test").all()


@pytest.mark.parametrize("depth", [0.0, 0.3, 1.0])
def test_a_needle_lies_at_its_depth_and_is_asked_at_the_last_position(depth):
    task, length = RecallTask(), 203
    batch = task.needle(np.random.default_rng(6), 5, length, depth, filler=TopicText().filler)
    place = round(depth * (length - 3))
    assert (batch.source[:, -1] == place).all() and (batch.source[:, :-1] == -1).all()
    assert (batch.tokens[:, place] == batch.tokens[:, -1]).all()
    assert (batch.targets[:, -1] == batch.tokens[:, place + 1]).all() and (batch.targets[:, :-1] == IGNORE).all()
    around = np.delete(batch.tokens, [place, place + 1, length - 1], axis=1)
    assert set(np.unique(around)) <= set(TEXT)
    assert task.accuracy(batch.targets, batch) == {1: 1.0}


def test_hashes_of_generated_recall_data_are_pinned():
    assert RecallTask().batch(stream(0, "test", 1), 8, pairs=(24, 32)).digest() == (
        "1c67edb02adb28eb75cd0a319b477fd72b8851f5be3f0b6c27ea711febd98658"
    )
    assert RecallTask().needle(stream(0, "test", 2), 4, 200, 0.5, TopicText().filler).digest() == (
        "7e001d327d7704a9881cfe13b73ed02ab72e7f71ff35976f29a81318f9ca022a"
    )
    assert RecallTask(holdout=2).batch(stream(0, "test", 3), 4, split="test").digest() == (
        "19adc97843542421b68b9c5ed355fdb8a2ae77c833c006fa719c9120abd27ed1"
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda rng: RecallTask(num_keys=81), "num_keys must be at most 80, got 81"),
        (lambda rng: RecallTask(num_values=0), "num_values must be an integer of at least 1"),
        (lambda rng: RecallTask(holdout=16), "holdout must be in 0..num_values - 1 = 15, got 16"),
        (lambda rng: RecallTask(holdout=1.5), "holdout must be an integer of at least 0, got 1.5"),
        (lambda rng: RecallTask(length=3), "length must be an integer of at least 4, got 3"),
        (lambda rng: RecallTask().batch(rng, 2, pairs=2.5), "pairs must be whole numbers, got 2.5"),
        (lambda rng: RecallTask().batch(rng, 2, pairs=33), "pairs must be in 1..32"),
        (lambda rng: RecallTask().batch(rng, 2, pairs=()), "pairs must be in 1..32"),
        (lambda rng: RecallTask().batch(rng, 2, split="test"), "split must be one of train, got 'test'"),
        (lambda rng: RecallTask().needle(rng, 2, 2, 0.5), "length must be an integer of at least 3, got 2"),
        (lambda rng: RecallTask().needle(rng, 2, 20, 1.5), r"depth must be in \[0, 1\], got 1.5"),
        (
            lambda rng: RecallTask().needle(
                rng, 2, 20, 0.5, lambda rng, size, length: np.full((size, length), KEYS[0])
            ),
            "filler must not hold key tokens",
        ),
    ],
)
def test_wrong_arguments_are_answered_in_one_sentence(call, says):
    with pytest.raises(ValueError, match=says):
        call(np.random.default_rng(0))
