"""Times that can be compared: candidates take turns, so that a slow moment of the machine meets all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import torch

Name = TypeVar("Name", bound=Hashable)
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "process": time.process_time}


def interleaved(
    candidates: Mapping[Name, Callable[[], object]],
    repeats: int = 5,
    warmup: int = 1,
    *,
    clock: str = "wall",
    summary: Callable[[Sequence[float]], float] = statistics.median,
) -> dict[Name, float]:
    """Seconds of one call of each candidate: the median (or another `summary`, such as min) of `repeats` calls.

    Round after round each candidate is called once; the first `warmup` rounds do not count. Where a GPU is in use,
    the clock waits for it. `clock="process"` counts this process's time on all cores, which other programs hardly
    change: right on a busy CPU, blind to a GPU and to child processes.
    Raises ValueError for an unknown clock, or counts out of range.
    """
    if clock not in CLOCKS:
        raise ValueError(f"clock must be one of {', '.join(CLOCKS)}, got {clock!r}")
    if repeats < 1 or warmup < 0:
        raise ValueError(f"repeats must be at least 1 and warmup at least 0, got {repeats} and {warmup}")
    now, seconds = CLOCKS[clock], {name: [] for name in candidates}
    for repeat in range(warmup + repeats):
        for name, call in candidates.items():
            _finish_gpu()
            started = now()
            call()
            _finish_gpu()
            if repeat >= warmup:
                seconds[name].append(now() - started)
    return {name: float(summary(values)) for name, values in seconds.items()}


def _finish_gpu() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
