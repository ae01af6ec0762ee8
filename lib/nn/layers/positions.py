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
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return _Rotation.apply(wide, angles.cos().to(wide.dtype), angles.sin().to(wide.dtype)).to(x.dtype)


class _Rotation(torch.autograd.Function):
    """Four operations instead of a dozen; the backward turns the gradient by the opposite angle."""

    @staticmethod
    def forward(ctx, x, cos, sin):
        ctx.save_for_backward(cos, sin)
        return _rotate(x, cos, sin, 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return _rotate(grad, *ctx.saved_tensors, -1), None, None


def _rotate(x: Tensor, cos: Tensor, sin: Tensor, sign: int) -> Tensor:
    out = torch.empty_like(x)
    (first, second), (turned_first, turned_second) = x.chunk(2, dim=-1), out.chunk(2, dim=-1)
    torch.mul(first, cos, out=turned_first).addcmul_(second, sin, value=-sign)
    torch.mul(second, cos, out=turned_second).addcmul_(first, sin, value=sign)
    return out
