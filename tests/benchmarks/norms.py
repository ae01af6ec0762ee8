"""RMS normalisation and causal convolution."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from kernels import causal_conv, causal_conv_reference, rms_norm
from tests.benchmarks.registry import DEVICE, Bench, Result
from tests.benchmarks.steps import gradient_step, leaves


def results(bench: Bench) -> Iterator[Result]:
    for rows, dim in ((2048, 64), (4096, 256), (2048, 1024)):
        case = f"RMSNorm, {rows} rows of {dim}"
        yield from bench.race(case, norm_candidates(rows, dim), {"torch": "`F.rms_norm`"}, 25, DEVICE)
    for length, batch, dim in ((128, 16, 128), (256, 8, 512)):
        case = f"causal convolution with SiLU, length {length}, batch {batch}, dim {dim}"
        candidates = convolution_candidates(length, batch, dim)
        yield from bench.race(case, candidates, {"torch": "`F.conv1d`, grouped"}, 15, DEVICE)


def norm_candidates(rows: int, dim: int) -> dict[str, Callable[[], None]]:
    inputs = leaves(torch.randn(rows, dim), torch.ones(dim), device=DEVICE)
    theirs = gradient_step(lambda x, weight: F.rms_norm(x, (dim,), weight, 1e-6), inputs)
    return {"ours": gradient_step(rms_norm, inputs), "torch": theirs}


def convolution_candidates(length: int, batch: int, dim: int) -> dict[str, Callable[[], None]]:
    inputs = leaves(torch.randn(length, batch, dim), torch.randn(dim, 4), torch.randn(dim), device=DEVICE)
    return {"ours": gradient_step(causal_conv, inputs), "torch": gradient_step(causal_conv_reference, inputs)}
