"""What a record says of the machine it was made on, and nothing that identifies it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPU_THREADS = 2
"""The same number on every machine, so that sums are taken in the same order."""


def hardware() -> str:
    """One line: `MODEL, N cores`."""
    return f"{processor_model()}, {usable_cores()} cores"


def usable_cores() -> int:
    """The cores that this process may use, which may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_threads() -> int:
    """The threads of a run's arithmetic on a CPU: CPU_THREADS, fewer where OMP_NUM_THREADS says so.

    OpenMP allows a number for each level of nesting, "4,2", of which the first counts; what is no number says nothing.
    """
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(CPU_THREADS, int(said)) if said.isdecimal() and int(said) > 0 else CPU_THREADS


def processor_model() -> str:
    """The processor's model, as Linux names it, or what Python knows of it elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
