"""Schedules as functions of the step."""

from __future__ import annotations

import itertools

import pytest

from lib.training import constant_schedule, cosine_schedule, linear_schedule


def test_cosine_rises_linearly_peaks_once_and_ends_at_final_lr():
    factors = [cosine_schedule(step, steps=100, warmup=0.1, final_lr=0.05) for step in range(100)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert max(factors) == 1.0 and factors[10] == 1.0
    assert all(later < earlier for earlier, later in itertools.pairwise(factors[10:]))
    assert factors[-1] == pytest.approx(0.05)


def test_cosine_is_halfway_in_the_middle():
    assert cosine_schedule(50, steps=101, warmup=0, final_lr=0.2) == pytest.approx(0.6)


def test_constant_stays_after_its_warmup():
    factors = [constant_schedule(step, steps=20, warmup=0.2) for step in range(20)]
    assert factors == [0.25, 0.5, 0.75] + [1.0] * 17


def test_linear_falls_in_equal_steps_as_transformers_does():
    from torch.nn import Linear
    from torch.optim import SGD
    from transformers import get_linear_schedule_with_warmup

    optimizer = SGD(Linear(1, 1).parameters(), lr=1.0)
    theirs = get_linear_schedule_with_warmup(optimizer, 9, 90)  # at step 0 theirs is 0, ours one step further
    factors, expected = [linear_schedule(step, steps=90, warmup=0.1, final_lr=0.0) for step in range(90)], []
    for _ in range(90):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert factors[:9] == pytest.approx([(step + 1) / 9 for step in range(9)])
    assert factors[9:] == pytest.approx(expected[9:]) and factors[-1] > 0
    assert linear_schedule(89, steps=90, warmup=0.1, final_lr=0.25) == pytest.approx(0.25)


@pytest.mark.parametrize("schedule", [constant_schedule, cosine_schedule, linear_schedule])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_shortest_runs_have_positive_rates(schedule, steps):
    assert all(0 < schedule(step, steps=steps, warmup=0.3, final_lr=0.1) <= 1 for step in range(steps))
