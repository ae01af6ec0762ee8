"""Feed-forward layers: the plain one with GELU, and the gated one, SwiGLU (Shazeer, arXiv 2002.05202)."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class GatedMLP(nn.Module):
    """W_down (silu(W_gate x) * W_up x), without biases. Input and output: (..., dim)."""

    def __init__(self, dim: int, intermediate_size: int):
        super().__init__()
        self.gate_proj = nn.Linear(dim, intermediate_size, bias=False)
        self.up_proj = nn.Linear(dim, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, dim, bias=False)

    def residual_weights(self) -> list[Tensor]:
        return [self.down_proj.weight]

    def forward(self, x: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class MLP(nn.Module):
    """W_down gelu(W_up x), without biases. Input and output: (..., dim)."""

    def __init__(self, dim: int, intermediate_size: int):
        super().__init__()
        self.up_proj = nn.Linear(dim, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, dim, bias=False)

    def residual_weights(self) -> list[Tensor]:
        return [self.down_proj.weight]

    def forward(self, x: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        return self.down_proj(F.gelu(self.up_proj(x)))
