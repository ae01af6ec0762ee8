"""Races: candidates take turns, a ratio above one means that ours is better, every subject has its module."""

from __future__ import annotations

import pytest

from tests.benchmarks import registry
from tests.benchmarks.registry import SUBJECTS, Bench, Result, subject


def test_a_quick_bench_calls_every_candidate_once():
    calls = []
    Bench(quick=True).seconds({name: lambda name=name: calls.append(name) for name in "ab"}, repeats=5)
    assert calls == ["a", "b"]


def test_a_race_gives_the_ratio_of_each_peer_that_ran(monkeypatch):
    monkeypatch.setattr(registry, "interleaved", lambda candidates, repeats: {"ours": 0.002, "theirs": 0.006})
    results = list(Bench().race("case", {}, {"theirs": "Theirs", "absent": "Absent"}))
    assert results == [Result("case", "ms", 2.0, "Theirs", 6.0, 3.0)]


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_subject_has_a_heading_and_results(name):
    module = subject(name)
    title = module.__doc__.strip().splitlines()[0]
    assert title.endswith(".") and len(title) < 60 and callable(module.results)


def test_a_subject_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match=r"^subject must be one of scan, .*, got 'speed'$"):
        subject("speed")


def test_a_subject_runs_from_its_candidates_to_its_results():
    results = list(subject("routing").results(Bench(quick=True)))
    assert len(results) == 2 and all(r.unit == "ms" and r.ours > 0 and r.ratio > 0 for r in results)
