"""Masks of padding, True at real tokens: made boolean at one place, whatever numbers they come as."""

from __future__ import annotations

from jaxtyping import Bool, Shaped
from torch import Tensor


def real_columns(
    mask: Shaped[Tensor, "#batch total"] | None, batch: int, length: int, seen: int | None = 0
) -> Bool[Tensor, "#batch length"] | None:
    """Which of a call's `length` tokens are real: the last columns of a mask that covers past and call, as booleans.

    seen: tokens of the past, None where that is not known. One row stands for all. None for no mask.
    Raises ValueError for a mask of another shape.
    """
    if mask is None:
        return None
    if mask.ndim != 2 or mask.shape[0] not in (1, batch):
        raise ValueError(f"mask must be (batch, tokens) with batch {batch}, got {tuple(mask.shape)}")
    if mask.shape[1] < length or (seen is not None and mask.shape[1] != seen + length):
        words = f"at least {length}" if seen is None else f"{seen + length}"
        raise ValueError(f"mask must cover {words} positions (cached and new), got {mask.shape[1]}")
    return mask[:, mask.shape[1] - length :].bool()
