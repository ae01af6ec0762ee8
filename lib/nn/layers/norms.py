"""Root-mean-square normalisation (Zhang and Sennrich, arXiv 1910.07467)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kernels import rms_norm


class RMSNorm(nn.Module):
    """y = x / sqrt(mean(x^2) + eps) * weight, statistics in float32, cast back before the gain.

    Input and output: (..., dim). The order of cast and gain is that of Hugging Face's Llama and Jamba.
    `unit_offset=True` is Gemma's form: the weight starts at 0, the gain is 1 + weight and comes before the cast.
    """

    def __init__(self, dim: int, eps: float = 1e-6, *, unit_offset: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(dim) if unit_offset else torch.ones(dim))
        self.eps, self.unit_offset = eps, unit_offset

    def forward(self, x: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        return rms_norm(x, self.weight, self.eps, unit_offset=self.unit_offset)

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, eps={self.eps}" + (", unit_offset=True" if self.unit_offset else "")
