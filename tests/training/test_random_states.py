"""Where random numbers stand can be kept as bytes and taken back: the next draws are the same."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from lib.training.random_states import random_states, restore_random_states

CPU = torch.device("cpu")


def draws() -> list:
    return [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), *torch.randn(3).tolist()]


@pytest.mark.parametrize("before", [0, 1, 2])  # with and without a second normal number left over
def test_the_next_draws_are_the_same(before):
    for _ in range(before):
        random.gauss(0, 1), np.random.randn()
    states = random_states(CPU)
    assert all(state.dtype == torch.uint8 and state.shape[0] == 1 for state in states.values())
    first = [draws() for _ in range(3)]
    restore_random_states(states)
    assert [draws() for _ in range(3)] == first != [draws() for _ in range(3)]


def test_each_process_takes_its_row_and_a_new_one_keeps_its_own():
    rows = []
    for seed in (1, 2):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        rows.append((random_states(CPU), draws()))
    both = {name: torch.cat([states[name] for states, _ in rows]) for name in rows[0][0]}
    for process, (_, expected) in enumerate(rows):
        restore_random_states(both, process)
        assert draws() == expected
    states = random_states(CPU)
    expected = draws()
    restore_random_states(states)
    restore_random_states(both, process=2)
    assert draws() == expected


def test_a_file_of_earlier_code_holds_torchs_numbers_only():
    states = random_states(CPU)
    expected = torch.rand(2)
    here = random.getstate(), np.random.get_state()[1].tolist()
    restore_random_states({"cpu": states["cpu"]})
    assert torch.equal(torch.rand(2), expected)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == here


def test_another_global_generator_of_numpy_is_refused():
    before = np.random.get_bit_generator()
    try:
        np.random.set_bit_generator(np.random.PCG64(1))
        with pytest.raises(ValueError, match=r"^numpy's global generator must be MT19937 .*, got PCG64$"):
            random_states(CPU)
    finally:
        np.random.set_bit_generator(before)


@pytest.mark.gpu
def test_a_gpus_numbers_are_kept_too():
    device = torch.device("cuda")
    states = random_states(device)
    expected = torch.rand(3, device=device)
    restore_random_states(states)
    assert torch.equal(torch.rand(3, device=device), expected)
