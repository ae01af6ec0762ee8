"""Nearest code."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from kernels import nearest_code
from tests.benchmarks.registry import DEVICE, Bench, Result


def results(bench: Bench) -> Iterator[Result]:
    for rows, codes, dim in ((65_536, 256, 16), (24_576, 4096, 32)):
        case = f"{rows} rows of {dim}, {codes} codes"
        yield from bench.race(case, code_candidates(rows, codes, dim), {"cdist": "`torch.cdist`, `argmin`"}, 7, DEVICE)


def code_candidates(rows: int, codes: int, dim: int) -> dict[str, Callable[[], object]]:
    """The nearest code of each row, beside the whole matrix of distances."""
    draw = torch.Generator().manual_seed(0)
    z, codebook = (torch.randn(count, dim, generator=draw).to(DEVICE) for count in (rows, codes))
    return {"ours": lambda: nearest_code(z, codebook), "cdist": lambda: torch.cdist(z, codebook).argmin(1)}
