"""Attention behind a short causal convolution: each token knows its predecessors before it looks or is looked at.

    u_t = x_t + sum_{j=1..width-1} w_j * x_{t-j},    y = attention(u)

Copying what follows an earlier occurrence takes two layers of plain attention (one to give every token its
predecessor, one to look for it) and one layer of this. With it no positions need be encoded at all. The convolution is
the one of H3 (Fu et al., arXiv 2212.14052) and of Mamba, in front of attention as in So et al. (Primer, arXiv
2109.08668), with the current token's weight fixed at one.

The weights start at random, not at zero: a query can then tell "b three tokens back" from "b two tokens back" at
once. From zero, a small model needs several times the steps before it copies from the right place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.layers.attention import Attention
from lib.nn.layers.caches import KVCache
from lib.nn.layers.masks import real_columns


class ShortConv(nn.Module):
    """u_t = x_t + sum_{j=1..width-1} w_j * x_{t-j}, a weight per channel and step back.

    They start normal with deviation `std`. Input and output: (batch, length, dim). Raises ValueError for a width
    below 2.
    """

    def __init__(self, dim: int, width: int = 4, std: float = 0.5):
        super().__init__()
        if width < 2:
            raise ValueError(f"width must be at least 2, the current token and one before it, got {width}")
        self.width, self.weight = width, nn.Parameter(std * torch.randn(width - 1, dim))

    def forward(
        self, x: Float[Tensor, "batch length dim"], past: Float[Tensor, "batch before dim"] | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """`past` holds the width - 1 inputs before x; zeros when None. Raises ValueError for another shape."""
        if past is None:
            past = self.no_past(x)
        if past.shape != (x.shape[0], self.width - 1, x.shape[2]):
            wanted = (x.shape[0], self.width - 1, x.shape[2])
            raise ValueError(f"past must have shape {wanted}, got {tuple(past.shape)}")
        seen, length = torch.cat((past, x), dim=1), x.shape[1]  # (batch, width - 1 + length, dim)
        for back, weight in enumerate(self.weight, start=1):
            begin = self.width - 1 - back
            x = torch.addcmul(x, seen[:, begin : begin + length], weight)
        return x

    def no_past(self, x: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch before dim"]:
        """What came before the first token: zeros."""
        return x.new_zeros(x.shape[0], self.width - 1, x.shape[2])


@dataclass
class ConvKVState:
    """What the layer remembers: the attention's cache and the last inputs of the convolution."""

    cache: KVCache = field(default_factory=KVCache)
    past: Float[Tensor, "batch before dim"] | None = None

    @property
    def nbytes(self) -> int:
        return self.cache.nbytes + (0 if self.past is None else self.past.numel() * self.past.element_size())


class ConvolvedAttention(nn.Module):
    """`Attention` on the output of a `ShortConv`; takes the attention's arguments and `width`."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        head_dim: int | None = None,
        rope_theta: float | None = None,
        *,
        width: int = 4,
    ):
        super().__init__()
        self.conv = ShortConv(dim, width)
        self.attention = Attention(dim, num_heads, num_kv_heads, head_dim, rope_theta)

    def new_state(self) -> ConvKVState:
        return ConvKVState()

    def residual_weights(self) -> list[Tensor]:
        return self.attention.residual_weights()

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        state: ConvKVState | None = None,
        mask: Bool[Tensor, "batch total"] | None = None,
        positions: Int[Tensor, "... length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """As `Attention`; what the mask hides does not reach its successors through the convolution either."""
        if mask is not None:
            seen = 0 if state is None else state.cache.length
            x = x * real_columns(mask, x.shape[0], x.shape[1], seen)[..., None].to(x.dtype)
        mixed = self.conv(x, None if state is None else state.past)
        if state is None:
            return self.attention(mixed, None, mask, positions)
        before = self.conv.no_past(x) if state.past is None else state.past
        state.past = torch.cat((before, x), dim=1)[:, x.shape[1] :]  # (batch, width - 1, dim)
        return self.attention(mixed, state.cache, mask, positions)
