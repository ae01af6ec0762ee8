"""Global random numbers are seeded for a run and set apart for what a reader tries."""

from __future__ import annotations

import random

import numpy as np
import torch

from lib.workbench import Run, isolated_randomness, seed_everything


def draws() -> tuple:
    return random.random(), float(np.random.rand()), torch.rand(3).tolist()


def test_a_seed_starts_all_three_generators():
    seed_everything(3)
    first = draws()
    seed_everything(3)
    assert draws() == first
    seed_everything(4)
    assert all(ours != theirs for ours, theirs in zip(draws(), first, strict=True))


def test_isolated_randomness_starts_from_its_seed_and_leaves_no_trace():
    Run("01-jamba", "smoke", 0)
    expected = draws()
    Run("01-jamba", "smoke", 0)
    with isolated_randomness():
        first = draws()
    with isolated_randomness():
        assert draws() == first
    assert draws() == expected
