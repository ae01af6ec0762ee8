"""Grouped-query causal attention (Ainslie et al., arXiv 2305.13245) with an optional rotary position and a KV cache."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.layers.caches import KVCache
from lib.nn.layers.masks import real_columns
from lib.nn.layers.positions import apply_rotary, rotary_angles


class Attention(nn.Module):
    """softmax(Q K^T / sqrt(head_dim) + causal mask) V, with `num_kv_heads` shared by groups of query heads.

    Query head j reads key-value head floor(j * num_kv_heads / num_heads). With `rope_theta=None` nothing positional
    is computed, as in Jamba (arXiv 2403.19887, section 6.5). No biases. Input and output: (batch, length, dim).
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        head_dim: int | None = None,
        rope_theta: float | None = None,
    ):
        super().__init__()
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        for name, count in (("num_heads", num_heads), ("num_kv_heads", num_kv_heads)):
            if count < 1:
                raise ValueError(f"{name} must be at least 1, got {count}")
        if rope_theta is not None and not rope_theta > 0:
            raise ValueError(f"rope_theta must be above 0, or None for no positions, got {rope_theta}")
        if num_heads % num_kv_heads:
            raise ValueError(f"num_heads must be a multiple of num_kv_heads ({num_kv_heads}), got {num_heads}")
        if head_dim is None and dim % num_heads:
            raise ValueError(f"dim must be a multiple of num_heads ({num_heads}), got {dim}")
        self.num_heads, self.num_kv_heads, self.rope_theta = num_heads, num_kv_heads, rope_theta
        self.head_dim = dim // num_heads if head_dim is None else head_dim
        self.q_proj = nn.Linear(dim, num_heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(dim, num_kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(dim, num_kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(num_heads * self.head_dim, dim, bias=False)

    def new_state(self) -> KVCache:
        return KVCache()

    def residual_weights(self) -> list[Tensor]:
        return [self.o_proj.weight]

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        state: KVCache | None = None,
        mask: Bool[Tensor, "batch total"] | None = None,
        positions: Int[Tensor, "... length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Attend to the cached tokens and to those of `x` up to each query's own.

        `mask` is True at real tokens and covers cache and `x` together (total = cached + length).
        `positions` default to cached, cached + 1, ...
        """
        past = 0 if state is None else state.length
        real_columns(mask, x.shape[0], x.shape[1], past)
        queries, keys, values = self.project(x, positions, past)  # (batch, heads, length, head_dim)
        if state is not None:
            keys, values = state.append(keys, values)  # (batch, kv_heads, total, head_dim)
        return self.attend(queries, keys, values, visible_keys(x.shape[1], past, mask, x.device))

    def project(
        self, x: Float[Tensor, "batch length dim"], positions: Int[Tensor, "... length"] | None = None, past: int = 0
    ) -> tuple[
        Float[Tensor, "batch heads length head_dim"],
        Float[Tensor, "batch kv_heads length head_dim"],
        Float[Tensor, "batch kv_heads length head_dim"],
    ]:
        """Queries, keys and values of `x`, turned to its `positions`, which default to past, past + 1, ..."""
        queries = self.q_proj(x).unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2)
        keys = self.k_proj(x).unflatten(-1, (self.num_kv_heads, self.head_dim)).transpose(1, 2)
        values = self.v_proj(x).unflatten(-1, (self.num_kv_heads, self.head_dim)).transpose(1, 2)
        if self.rope_theta is not None:
            if positions is None:
                positions = torch.arange(past, past + x.shape[1], device=x.device)
            angles = rotary_angles(positions, self.head_dim, self.rope_theta)  # (..., length, head_dim / 2)
            queries, keys = apply_rotary(queries, angles), apply_rotary(keys, angles)
        return queries, keys, values

    def attend(
        self,
        queries: Float[Tensor, "batch heads length head_dim"],
        keys: Float[Tensor, "batch kv_heads total head_dim"],
        values: Float[Tensor, "batch kv_heads total head_dim"],
        visible: Bool[Tensor, "... length total"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """o_proj softmax(Q K^T / sqrt(head_dim)) V over the `visible` keys; plain causal attention for None."""
        attended = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=visible,
            is_causal=visible is None and queries.shape[2] > 1,
            enable_gqa=self.num_heads != self.num_kv_heads,
        )  # (batch, heads, length, head_dim)
        return self.o_proj(attended.transpose(1, 2).flatten(2))  # (batch, length, dim)

    def weights(self, x: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch heads length length"]:
        """The attention map itself, for looking at: softmax(Q K^T / sqrt(head_dim)) under the causal mask."""
        queries, keys, _ = self.project(x)
        keys = keys.repeat_interleave(self.num_heads // self.num_kv_heads, dim=1)  # (batch, heads, length, head_dim)
        scores = queries @ keys.transpose(-1, -2) * self.head_dim**-0.5  # (batch, heads, length, length)
        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
        return scores.masked_fill(future, float("-inf")).softmax(-1)


def visible_keys(
    length: int, past: int, mask: Bool[Tensor, "batch total"] | None, device: torch.device
) -> Bool[Tensor, "... length total"] | None:
    """True where one of `length` queries behind `past` tokens may look; None when plain causal attention says it all.

    `mask` is True at real tokens. Raises ValueError unless it covers the past and the queries.
    """
    if mask is None and (past == 0 or length == 1):
        return None
    total = past + length
    if mask is not None and mask.shape[-1] != total:
        raise ValueError(f"mask must cover {total} positions (cached and new), got {mask.shape[-1]}")
    visible = torch.ones(length, total, dtype=torch.bool, device=device).tril(past)
    if mask is None:
        return visible
    visible = visible & mask[:, None, None, :].bool()  # (batch, 1, length, total)
    itself = torch.arange(past, total, device=device)[:, None] == torch.arange(total, device=device)
    return visible | itself  # a padded query sees itself, or its softmax would be over nothing
