"""Timing: turns, warm-up and summary, on a clock that the candidates move."""

from __future__ import annotations

import pytest

from lib.evaluation import interleaved, timing


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless a call moves it, and the calls in their order."""
    state = {"now": 0.0, "calls": []}
    monkeypatch.setitem(timing.CLOCKS, "wall", lambda: state["now"])

    def takes(name, *seconds):
        left = list(seconds)

        def call():
            state["calls"].append(name)
            state["now"] += left.pop(0)

        return call

    state["takes"] = takes
    return state


def test_candidates_take_turns_and_the_median_of_the_counted_rounds_comes_back(clock):
    takes = clock["takes"]
    seconds = interleaved({"a": takes("a", 99, 1, 50, 2), ("b", 1): takes("b", 99, 7, 5, 6)}, repeats=3)
    assert clock["calls"] == ["a", "b"] * 4
    assert seconds == {"a": 2.0, ("b", 1): 6.0}


def test_warm_up_and_summary_are_the_callers(clock):
    takes = clock["takes"]
    assert interleaved({"a": takes("a", 3, 1, 2)}, 3, warmup=0, summary=min) == {"a": 1.0}
    assert interleaved({"a": takes("a", 9, 9, 4)}, 1, warmup=2) == {"a": 4.0}
    assert interleaved({}) == {}


def test_process_time_does_not_count_sleep():
    import time

    def work():
        return sum(range(200_000))

    seconds = interleaved({"sleep": lambda: time.sleep(0.05), "work": work}, 3, clock="process")
    assert seconds["sleep"] < 0.02 and seconds["work"] > 0


def test_the_clock_waits_for_a_gpu_in_use(clock, monkeypatch):
    """Work that is only queued when the call returns is finished before the clock is read."""
    queued = []

    def synchronize():
        clock["now"] += sum(queued)
        queued.clear()

    monkeypatch.setattr(timing.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(timing.torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(timing.torch.cuda, "synchronize", synchronize)
    assert interleaved({"a": lambda: queued.append(3), "b": lambda: queued.append(5)}) == {"a": 3.0, "b": 5.0}


def test_wrong_arguments_are_answered_in_one_sentence():
    with pytest.raises(ValueError, match="clock must be one of wall, process, got 'sun'"):
        interleaved({}, clock="sun")
    with pytest.raises(ValueError, match="repeats must be at least 1 and warmup at least 0, got 0 and 1"):
        interleaved({}, 0)
