"""Sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from lib.evaluation import Sandbox, run_program
from tests.benchmarks.registry import Bench, Result

PROGRAM = "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nprint(f(10))"


def results(bench: Bench) -> Iterator[Result]:
    with Sandbox() as forked, Sandbox(server=False) as fresh:
        boxes = {"ours": lambda: forked.run(PROGRAM), "fresh": lambda: fresh.run(PROGRAM)}
        yield from bench.race("a short program, forked", boxes, {"fresh": "a fresh interpreter for each"}, 25)
        candidates = {"ours": lambda: run_program(PROGRAM), "forked": boxes["ours"]}
        yield from bench.race("the same in the subset of Python", candidates, {"forked": "forked"}, 25)
