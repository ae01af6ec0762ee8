"""Codebooks: how one begins (k-means, Lloyd 1982) and how evenly one is used."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kernels import nearest_code


def k_means(
    points: Float[Tensor, "rows channels"], count: int, rounds: int, seed: int
) -> Float[Tensor, "{count} channels"]:
    """Lloyd's iterations from `count` random points; with too few points, centres repeat with a little noise."""
    draw = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(points), generator=draw)[:count]
    if len(chosen) < count:
        more = torch.randint(len(points), (count - len(chosen),), generator=draw)
        chosen = torch.cat((chosen, more))
    noise = 1e-3 * torch.randn(count, points.shape[1], generator=draw).to(points)
    centres = points[chosen.to(points.device)] + noise
    for _ in range(rounds if count else 0):
        owner = nearest_code(points, centres)
        hits = torch.bincount(owner, minlength=count)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, owner, points)
        centres = torch.where(hits > 0, sums / hits.clamp(min=1), centres)
    return centres


def code_usage(indices: Sequence[Int[Tensor, "batch _rows"]], vocab_size: int) -> dict[str, list[float] | float]:
    """Codes used and perplexity exp(H), per scale and over all: an even use of V codes has the perplexity V."""
    counts = [torch.bincount(codes.flatten().cpu(), minlength=vocab_size).double() for codes in indices]

    def perplexity(count: Tensor) -> float:
        p = count / count.sum()
        return float(torch.exp(-(p * p.clamp(min=1e-12).log()).sum()))

    total = torch.stack(counts).sum(0)
    return {
        "used": [int((count > 0).sum()) for count in counts],
        "perplexity": [perplexity(count) for count in counts],
        "used_overall": int((total > 0).sum()),
        "perplexity_overall": perplexity(total),
    }
