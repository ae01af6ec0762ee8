"""Rotary position embedding (Su et al., arXiv 2104.09864), in the half-split layout of Llama and Hugging Face."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def rotary_angles(
    positions: Int[Tensor, "... length"], head_dim: int, theta: float = 10_000.0
) -> Float[Tensor, "... length half"]:
    """angle[p, i] = p * theta^(-2i / head_dim) for i < head_dim / 2, in float32."""
    if head_dim % 2:
        raise ValueError(f"head_dim must be even for rotary positions, got {head_dim}")
    frequencies = theta ** (-torch.arange(0, head_dim, 2, device=positions.device).float() / head_dim)
    return positions[..., None].float() * frequencies


def apply_rotary(
    x: Float[Tensor, "batch heads length head_dim"], angles: Float[Tensor, "... length half"]
) -> Float[Tensor, "batch heads length head_dim"]:
    """Rotate the pair (x_i, x_{i + half}) by angle i: a dot product then depends on the distance only.

    `angles` is (length, half), shared by the batch, or (batch, length, half).
    """
    if angles.ndim == 3:
        angles = angles[:, None]
    cos, sin = angles.cos(), angles.sin()
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(x.dtype)
