"""What is recorded: one entry a step and scalar, in order, named where it is not finite."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from lib.training import History
from lib.training.history import Recorder

ONE = SimpleNamespace(device=torch.device("cpu"), num_processes=1)


def scalars(**values):
    return {name: torch.tensor(value) for name, value in values.items()}


def test_a_history_is_read_back_as_it_was_written():
    history = History({"loss": [2.0, 1.5], "lr": [0.1, 0.05]}, seconds=3.5)
    again = History.from_dict(history.to_dict())
    assert again == history and len(again) == 2 and len(History()) == 0
    history.to_dict()["records"]["loss"].append(0.0)
    assert len(history) == 2, "a description is a copy"


def test_a_history_at_the_end_of_a_cell_is_one_line():
    history = History({"loss": [2.0] * 499 + [0.25], "lr": [0.1] * 500}, seconds=12.4)
    assert repr(history) == "History(500 steps in 12 s, loss 2.000 -> 0.250)"
    assert repr(History()) == "History(0 steps in 0 s, loss nan -> nan)"


@pytest.mark.parametrize("every", [1, 3, 100])
def test_however_rarely_it_is_read_the_history_is_the_same(every):
    history = History()
    recorder = Recorder(history, ONE, 7)
    recorder.every = every
    for step in range(7):
        recorder.add(0.1 * step, scalars(loss=float(7 - step), grad_norm=float(step)))
        if recorder.due:
            recorder.flush()
    recorder.flush()
    recorder.flush()  # nothing pending: nothing more
    assert history.records["loss"] == [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    assert history.records["grad_norm"] == [float(step) for step in range(7)]
    assert history.records["lr"] == pytest.approx([0.1 * step for step in range(7)])


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_the_first_step_that_is_not_finite_is_named_and_those_before_it_are_kept(name):
    history = History()
    recorder = Recorder(history, ONE, 9)
    for value in (1.0, 2.0, math.nan, math.inf):
        recorder.add(0.5, scalars(**{"loss": 1.0, "grad_norm": 1.0, name: value}))
    with pytest.raises(FloatingPointError, match=rf"^{name} became nan at step 3 of 9 \(lr 0\.5\): "):
        recorder.flush()
    assert history.records[name] == [1.0, 2.0]


def test_other_scalars_may_be_infinite():
    history = History()
    recorder = Recorder(history, ONE, 1)
    recorder.add(0.5, scalars(loss=1.0, perplexity=math.inf))
    recorder.flush()
    assert history.records["perplexity"] == [math.inf]


def test_entries_of_a_history_that_goes_on_are_demanded():
    recorder = Recorder(History({"loss": [1.0], "lr": [0.1]}), ONE, 5)
    with pytest.raises(ValueError, match=r"^objective must return the same entries at every step, \['loss'\], got "):
        recorder.add(0.1, scalars(loss=1.0, accuracy=0.5))


def test_a_stop_of_any_process_is_remembered():
    recorder = Recorder(History(), ONE, 5)
    recorder.add(0.1, scalars(loss=1.0))
    recorder.flush(stop=True)
    recorder.add(0.1, scalars(loss=1.0))
    recorder.flush()
    assert recorder.any_process_stops
