"""The benchmark's timing helper."""

from __future__ import annotations

from tests.benchmarks.races import interleaved


def test_candidates_take_turns_after_one_warm_up():
    calls = []
    seconds = interleaved({name: lambda name=name: calls.append(name) for name in "ab"}, repeats=3)
    assert calls == ["a", "b"] + ["a", "b"] * 3
    assert set(seconds) == {"a", "b"} and min(seconds.values()) >= 0
