"""Token routing.

On few short rows the peer wins: checking that indices are in range, and looking for slots without a token (-1, which
the peer does not take), costs ours a fixed time, there more than moving the rows. On many long rows the moving counts,
and ours picks whole rows where the peer picks single numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from kernels import gather_rms_norm, scatter_add_rows
from tests.benchmarks.registry import DEVICE, Bench, Result
from tests.benchmarks.steps import gradient_step, leaves


def results(bench: Bench) -> Iterator[Result]:
    peers = {"torch": "`gather`, `F.rms_norm`, `scatter_add`"}
    for batch, length, dim, taken in ((16, 128, 64, 16), (8, 1024, 256, 128)):
        case = f"batch {batch}, {taken} of {length} tokens, dim {dim}"
        yield from bench.race(case, routing_candidates(batch, length, dim, taken), peers, 25, DEVICE)


def routing_candidates(batch: int, length: int, dim: int, taken: int) -> dict[str, Callable[[], None]]:
    """Into and out of a routed block: gather, RMSNorm, weighted addition; the peer uses torch's gather and scatter."""
    draw = torch.Generator().manual_seed(0)
    indices = torch.rand(batch, length, generator=draw).topk(taken).indices.sort(1).values
    indices = indices.to(DEVICE)
    inputs = leaves(torch.randn(batch, length, dim), torch.ones(dim), torch.rand(batch, taken), device=DEVICE)

    def ours(x, weight, gates):
        normed, rows = gather_rms_norm(x, indices, weight)
        return scatter_add_rows(x, indices, normed + rows, gates)

    def theirs(x, weight, gates):
        wide = indices[..., None].expand(-1, -1, dim)
        rows = x.gather(1, wide)
        return x.scatter_add(1, wide, gates[..., None] * (F.rms_norm(rows, (dim,), weight, 1e-6) + rows))

    return {"ours": gradient_step(ours, inputs), "torch": gradient_step(theirs, inputs)}
