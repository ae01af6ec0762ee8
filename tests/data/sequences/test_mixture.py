"""The mixture: a pure function of seed and step, equal in every process, disjoint between roles."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lib.data import TASKS, Mixture, TopicText, stream

PINNED = {
    ("train", 0): "d5b8a327de36188d6ea2d86d201bd1964272c68b97513cb1f359a5dcde5ca612",
    ("train", 1): "6a25cd6ec1e5a82c628dc98a624b98fa460fd05ed0310dcb9b7046d0315453bb",
    ("train", 599): "387fb71dc1d3e1b7b27d985cdd223e297b728cf83fd1ef3e9e1bdfc398b2fd4d",
    ("validation", 8): "13177c401d4a6963be3c95d7bdb9c6f1a5cdd3c7b9600cfd9848d0c570b6dc6b",
    ("test", 8): "9f26cb5c9864e6a0ccb31f7959da2b4fa2c0a47a162ecd68b83abc6dad8a947b",
}


@pytest.mark.parametrize(("role", "number"), PINNED)
def test_hashes_of_generated_batches_are_pinned(role, number):
    assert getattr(Mixture(seed=0), role)(number).digest() == PINNED[role, number]


def test_another_process_with_another_hash_seed_gives_the_same_batches():
    code = "from lib.data import Mixture; m = Mixture(0); print(m.train(599).digest(), m.test(8).digest())"
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    root = Path(__file__).resolve().parents[3]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    assert run.stdout.split() == [PINNED["train", 599], PINNED["test", 8]], run.stderr


def test_a_step_does_not_depend_on_the_steps_drawn_before_it():
    mixture = Mixture(seed=3)
    straight = [mixture.train(step).digest() for step in range(5)]
    mixture.test(2)
    assert [mixture.train(step).digest() for step in (4, 0, 2)] == [straight[4], straight[0], straight[2]]
    assert len(set(straight)) == 5


def test_rows_are_seven_recall_five_format_four_text_and_the_parts_are_the_rows():
    batch = Mixture().train(0)
    assert batch.tokens.shape == batch.targets.shape == (16, 128)
    assert batch.tokens.dtype == batch.targets.dtype == np.int64
    assert np.bincount(batch.task).tolist() == [7, 5, 4]
    for task in TASKS:
        rows, part = batch.rows(task), getattr(batch, task)
        assert (batch.tokens[rows] == part.tokens).all() and (batch.targets[rows] == part.targets).all()
    assert set(batch.arrays()) == {"tokens", "targets", "task"}
    assert all(array.flags.writeable and array.flags.c_contiguous for array in batch.arrays().values())


def test_train_validation_and_test_share_no_row_and_neither_do_seeds():
    def rows(batch):
        return {row.tobytes() for row in batch.tokens}

    mixture = Mixture(seed=0)
    parts = [
        set.union(*(rows(mixture.train(step)) for step in range(150))),
        rows(mixture.validation(200)),
        rows(mixture.test(200)),
        set.union(*(rows(Mixture(seed=1).train(step)) for step in range(50))),
        rows(mixture.test(200, index=1)),
    ]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 150 * 16 + 600 + 600 + 50 * 16 + 600


def test_streams_differ_by_seed_role_and_index():
    keys = [(s, r, *i) for s in (0, 1) for r in ("train", "validation", "test") for i in ((), (0,), (1,), (0, 0))]
    draws = {stream(*key).bytes(16) for key in keys}
    assert len(draws) == len(keys)


def test_a_task_without_rows_is_absent():
    batch = Mixture(rows=(0, 0, 3)).train(0)
    assert batch.recall is None and batch.format is None and len(batch) == len(batch.text) == 3


def test_batches_are_frozen_and_wrong_arguments_named():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Mixture().train(0).tokens = None
    with pytest.raises(ValueError, match="role must be one of train, validation, test, got 'dev'"):
        stream(0, "dev")
    with pytest.raises(ValueError, match="seed and index must not be negative, got seed -1"):
        Mixture(seed=-1)
    with pytest.raises(ValueError, match="rows must be three whole numbers, none negative and not all 0, got "):
        Mixture(rows=(1, 2))
    with pytest.raises(ValueError, match="rows must be three whole numbers, none negative and not all 0, got "):
        Mixture(rows=(1, 2, 1.5))
    with pytest.raises(ValueError, match="must have one length"):
        Mixture(text=TopicText(length=64))
    with pytest.raises(ValueError, match="task must be one of recall, format, text"):
        Mixture().train(0).rows("R")
