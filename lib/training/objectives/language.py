"""Losses whose value and gradient do not depend on how many processes share the batch."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor


def masked_mean(values: Float[Tensor, ...], mask: Bool[Tensor, ...]) -> Float[Tensor, ""]:
    """W sum_local(mask values) / sum_global(mask) with W processes.

    Data-parallel training averages the gradients of W processes. With this scale their average is the mean over
    all masked entries of the global batch, even where processes hold different numbers of them. Without any such
    entry the result is 0. Where several processes run, every one of them has to make the call.
    Raises ValueError when the shapes differ.
    """
    if values.shape != mask.shape:
        raise ValueError(f"mask must have the shape of values {tuple(values.shape)}, got {tuple(mask.shape)}")
    mask = mask.bool()
    count, processes = mask.sum(), 1
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        processes = dist.get_world_size()
        dist.all_reduce(count)
    return processes * values.masked_fill(~mask, 0).sum() / count.clamp(min=1)


def language_modelling_loss(
    logits: Float[Tensor, "... vocab"], targets: Int[Tensor, ...], ignore_index: int = -100
) -> Float[Tensor, ""]:
    """Mean of -log softmax(logits)[target] in nats, over all processes' targets other than `ignore_index`.

    `targets` are the tokens that follow, already shifted by the caller. Computed in at least float32.
    Raises ValueError when the shapes do not fit.
    """
    if logits.shape[:-1] != targets.shape:
        raise ValueError(
            f"targets must have the shape of logits without the vocabulary {tuple(logits.shape[:-1])}, "
            f"got {tuple(targets.shape)}"
        )
    flat = logits.reshape(-1, logits.shape[-1]).to(torch.promote_types(logits.dtype, torch.float32))
    losses = F.cross_entropy(flat, targets.reshape(-1), ignore_index=ignore_index, reduction="none")
    return masked_mean(losses, targets.reshape(-1) != ignore_index)
