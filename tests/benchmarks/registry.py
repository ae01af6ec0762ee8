"""What a subject of the benchmarks is: a module here whose `results(bench)` yields one Result a race.

Its docstring is the heading and the note that `kernels/BENCHMARKS.md` shows above its table.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

import torch

from kernels import dispatch
from lib.evaluation.timing import interleaved

SUBJECTS = (
    "scan", "experts", "norms", "routing", "codes", "language", "images", "diffusion", "adapters", "sandbox", "coding"
)  # fmt: skip
DEVICE = torch.device("cuda" if dispatch.HAS_GPU and dispatch.HAS_TRITON else "cpu")
"""Where the kernels race: on a GPU their Triton forms, elsewhere their PyTorch forms."""


@dataclass(frozen=True)
class Result:
    """One case: our figure and, where there is a peer, its figure and how many times better ours is."""

    case: str
    unit: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    ratio: float | None = None
    device: str = "cpu"


class Bench:
    """Times candidates in turns; `quick` calls each once, to see that it runs."""

    def __init__(self, quick: bool = False):
        self.quick = quick

    def seconds(self, candidates: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
        """Median seconds of each candidate."""
        return interleaved(candidates, 1, 0) if self.quick else interleaved(candidates, repeats)

    def race(
        self,
        case: str,
        candidates: Mapping[str, Callable[[], object]],
        peers: Mapping[str, str],
        repeats: int = 5,
        device: torch.device | str = "cpu",
    ) -> Iterator[Result]:
        """One Result for each of `peers` (candidate -> its name in the table) against the candidate called ours."""
        milliseconds = {name: 1e3 * s for name, s in self.seconds(candidates, repeats).items()}
        ours = milliseconds["ours"]
        for name, peer in peers.items():
            if name in milliseconds:
                theirs = milliseconds[name]
                yield Result(case, "ms", ours, peer, theirs, theirs / ours, torch.device(device).type)


def subject(name: str) -> ModuleType:
    """The module of a subject. Raises ValueError when there is none of that name."""
    if name not in SUBJECTS:
        raise ValueError(f"subject must be one of {', '.join(SUBJECTS)}, got {name!r}")
    return importlib.import_module(f"tests.benchmarks.{name}")
