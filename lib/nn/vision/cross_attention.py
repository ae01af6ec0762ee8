"""Attention of a U-Net's positions to each other and to a text, with maps that can be read.

    A = softmax(Q K^T / sqrt(head_dim)),  y = W_o (A V)

Q comes from the picture; K and V from the picture itself (`attn1`) or from the text's states (`attn2`). A row of A sums
to one over the tokens, not over the positions. Rombach et al., arXiv 2112.10752, section 3.3; names as in diffusers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn


class KeysValues(NamedTuple):
    """What a layer reads of a text, computed once for all steps of a sampler. The mask is added to the scores: 0 at
    tokens that may be seen, else minus infinity.
    """

    keys: Float[Tensor, "batch heads tokens head_dim"]
    values: Float[Tensor, "batch heads tokens head_dim"]
    mask: Float[Tensor, "batch 1 1 tokens"] | None = None


class CrossAttention(nn.Module):
    """Multi-head attention without biases but the last one. (batch, positions, dim) -> the same.

    While `maps` is a list, every call appends its A (batch, heads, positions, tokens), gradients and all; otherwise
    torch's fused kernel runs, which never holds A.
    """

    def __init__(self, dim: int, num_heads: int, context_dim: int, upcast: bool = False):
        super().__init__()
        self.num_heads, self.upcast = num_heads, upcast
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k, self.to_v = (nn.Linear(context_dim, dim, bias=False) for _ in range(2))
        self.to_out = nn.ModuleList((nn.Linear(dim, dim),))
        self.maps: list[Tensor] | None = None

    def keys_values(
        self, context: Float[Tensor, "batch tokens context_dim"], mask: Float[Tensor, "batch 1 1 tokens"] | None = None
    ) -> KeysValues:
        """K and V of what is attended to."""
        return KeysValues(self._heads(self.to_k(context)), self._heads(self.to_v(context)), mask)

    def forward(
        self, x: Float[Tensor, "batch positions dim"], seen: KeysValues | None = None
    ) -> Float[Tensor, "batch positions dim"]:
        """Attend to what is `seen`, or where that is None to x itself."""
        if seen is None and type(self.to_q) is type(self.to_k) is type(self.to_v) is nn.Linear:
            weight = torch.cat((self.to_q.weight, self.to_k.weight, self.to_v.weight))  # one product instead of three
            queries, keys, values = (self._heads(part) for part in F.linear(x, weight).chunk(3, -1))
            mask = None
        else:
            queries = self._heads(self.to_q(x))  # (batch, heads, positions, head_dim)
            keys, values, mask = self.keys_values(x) if seen is None else seen
        if self.maps is None:
            attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        else:
            weights = self._weights(queries, keys, mask)
            self.maps.append(weights)
            attended = weights @ values
        (project,) = self.to_out
        return project(attended.transpose(1, 2).flatten(2))

    def _weights(self, queries: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        dtype = queries.dtype
        if self.upcast:
            queries, keys = queries.float(), keys.float()
        scores = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
        if mask is not None:
            scores = scores + mask
        return scores.softmax(-1).to(dtype)

    def _heads(self, x: Tensor) -> Tensor:
        batch, length, dim = x.shape
        return x.view(batch, length, self.num_heads, dim // self.num_heads).transpose(1, 2)


def repeated(x: Shaped[Tensor, "few ..."], like: Shaped[Tensor, "many ..."]) -> Shaped[Tensor, "many ..."]:
    """All rows of x again and again until there are as many as `like` has."""
    return x if len(x) == len(like) else torch.cat((x,) * (len(like) // len(x)))


@contextmanager
def attention_maps(model: nn.Module, kind: str = "cross") -> Iterator[dict[str, list[Tensor]]]:
    """Record the softmax maps of a U-Net, or of any model that holds one, while the context lasts.

        with attention_maps(unet) as maps:
            unet(x, t, context)
        maps["mid_block.attentions.0.transformer_blocks.0.attn2"][0]  # (batch, heads, positions, tokens)

    One list a layer, in the order in which the layers run, with one map for each call of the model. `kind` is "cross"
    (to the text), "self" (of the positions) or "all". Maps keep their gradients; ask for them under `no_grad` where
    none are needed. Raises ValueError for another kind, and for a model without attention.
    """
    ends = {"cross": (".attn2",), "self": (".attn1",), "all": (".attn1", ".attn2")}
    if kind not in ends:
        raise ValueError(f"kind must be 'cross', 'self' or 'all', got {kind!r}")
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, CrossAttention) and name.endswith(ends[kind])
    }
    if not layers:
        raise ValueError(f"model must hold a U-Net with attention, {type(model).__name__} has none")
    order = sorted(layers, key=lambda name: ("mid_block" in name) + 2 * ("up_blocks" in name))  # as the layers run
    maps: dict[str, list[Tensor]] = {name: [] for name in order}
    before = {name: module.maps for name, module in layers.items()}
    try:
        for name, module in layers.items():
            module.maps = maps[name]
        yield maps
    finally:
        for name, module in layers.items():
            module.maps = before[name]


class FeedForward(nn.Module):
    """GEGLU (Shazeer, arXiv 2002.05202): y = W_2 (a * gelu(b)) with (a, b) = W_1 x, four times as wide inside."""

    def __init__(self, dim: int):
        super().__init__()
        gate = nn.Module()
        gate.proj = nn.Linear(dim, 8 * dim)
        self.net = nn.ModuleList((gate, nn.Identity(), nn.Linear(4 * dim, dim)))

    def forward(self, x: Float[Tensor, "batch positions dim"]) -> Float[Tensor, "batch positions dim"]:
        gated, _, back = self.net
        project = gated.proj
        if type(project) is nn.Linear:  # as two products, neither of which is copied or too large for the cache
            parts = zip(project.weight.chunk(2), project.bias.chunk(2), strict=True)
            values, gate = (F.linear(x, weight, bias) for weight, bias in parts)
        else:
            values, gate = project(x).chunk(2, -1)
        return back(values * F.gelu(gate))


class BasicTransformerBlock(nn.Module):
    """x += attention(norm x);  x += attention(norm x, text);  x += feed-forward(norm x)."""

    def __init__(self, dim: int, num_heads: int, context_dim: int, upcast: bool = False):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim) for _ in range(3))
        self.attn1 = CrossAttention(dim, num_heads, dim, upcast)
        self.attn2 = CrossAttention(dim, num_heads, context_dim, upcast)
        self.ff = FeedForward(dim)

    def forward(self, x: Float[Tensor, "few positions dim"], text: KeysValues) -> Float[Tensor, "many positions dim"]:
        """One row for each text; `text` may hold several times as many texts as x has rows."""
        x = x + self.attn1(self.norm1(x))
        x = repeated(x, text.keys)
        x = x + self.attn2(self.norm2(x), text)
        return x + self.ff(self.norm3(x))
