"""Grouped-query causal attention (Ainslie et al., arXiv 2305.13245) with an optional rotary position and a KV cache."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.layers.positions import apply_rotary, rotary_angles


class KVCache:
    """Keys and values of the tokens seen so far, (batch, kv_heads, length, head_dim), in storage that doubles.

    Appending a token costs one copy of that token; `nbytes` counts the tokens held, not the room reserved.
    """

    def __init__(self):
        self.length = 0
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add new positions; return all keys and values including them."""
        needed = self.length + keys.shape[2]
        if self._keys is None or needed > self._keys.shape[2]:
            room = max(needed, 2 * self.length, 16)
            self._keys, self._values = self._grown(self._keys, keys, room), self._grown(self._values, values, room)
        self._keys[:, :, self.length : needed] = keys
        self._values[:, :, self.length : needed] = values
        self.length = needed
        return self._keys[:, :, :needed], self._values[:, :, :needed]

    def _grown(self, old: Tensor | None, like: Tensor, room: int) -> Tensor:
        new = like.new_empty(like.shape[0], like.shape[1], room, like.shape[3])
        if old is not None:
            new[:, :, : self.length] = old[:, :, : self.length]
        return new

    @property
    def nbytes(self) -> int:
        if self._keys is None:
            return 0
        return 2 * self._keys[:, :, : self.length].numel() * self._keys.element_size()


class RaggedKVCache:
    """Keys and values of the tokens that each sequence chose to keep: rows of unequal length, in one storage.

    A layer that only some tokens enter (Mixture-of-Depths, arXiv 2404.02258) caches those alone.
    """

    def __init__(self):
        self.lengths: Tensor | None = None
        """Tokens held of each sequence, (batch,)."""
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    def append(self, keys: Tensor, values: Tensor, kept: Bool[Tensor, "batch length"]) -> tuple[Tensor, Tensor, Tensor]:
        """Add the `kept` new tokens, (batch, kv_heads, length, head_dim), each to its sequence's end.

        Returns all keys and values and what each new token may see, (batch, 1, length, total): its own sequence's
        tokens up to itself. A token that is not kept sees the first slot, so that its softmax has something.
        """
        if self.lengths is None:
            self.lengths = torch.zeros(len(keys), dtype=torch.long, device=keys.device)
        place = self.lengths[:, None] + kept.cumsum(1) - 1
        self.lengths = self.lengths + kept.sum(1)
        total = max(1, int(self.lengths.max()))
        if self._keys is None or total > self._keys.shape[2]:
            room = max(2 * total, 16)
            self._keys, self._values = self._grown(self._keys, keys, room), self._grown(self._values, values, room)
        batch, slot = kept.nonzero(as_tuple=True)
        target = place[batch, slot]
        self._keys[batch, :, target] = keys[batch, :, slot]
        self._values[batch, :, target] = values[batch, :, slot]
        slots = torch.arange(total, device=keys.device)
        visible = (slots <= place.clamp(min=0)[:, :, None])[:, None]
        return self._keys[:, :, :total], self._values[:, :, :total], visible

    @staticmethod
    def _grown(old: Tensor | None, like: Tensor, room: int) -> Tensor:
        new = like.new_zeros(like.shape[0], like.shape[1], room, like.shape[3])
        if old is not None:
            new[:, :, : old.shape[2]] = old
        return new

    @property
    def nbytes(self) -> int:
        """Bytes of the tokens held, not of the room reserved."""
        if self._keys is None:
            return 0
        _, heads, _, head_dim = self._keys.shape
        return 2 * int(self.lengths.sum()) * heads * head_dim * self._keys.element_size()


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

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        state: KVCache | RaggedKVCache | None = None,
        mask: Bool[Tensor, "batch total"] | None = None,
        positions: Int[Tensor, "... length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Attend to the cached tokens and to those of `x` up to each query's own.

        `mask` is True at real tokens and covers cache and `x` together (total = cached + length); with a
        `RaggedKVCache` it covers `x` alone, says which tokens to keep, and `positions` must be given.
        `positions` default to cached, cached + 1, ...
        """
        if isinstance(state, RaggedKVCache):
            if mask is None or positions is None:
                raise ValueError("mask and positions must be given with a RaggedKVCache, got None")
            queries, keys, values = self._project(x, positions, 0)
            keys, values, visible = state.append(keys, values, mask)
        else:
            past = 0 if state is None else state.length
            queries, keys, values = self._project(x, positions, past)
            if state is not None:
                keys, values = state.append(keys, values)
            visible = self._visibility(x.shape[1], past, mask, x.device)
        attended = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=visible,
            is_causal=visible is None and x.shape[1] > 1,
            enable_gqa=self.num_heads != self.num_kv_heads,
        )
        return self.o_proj(attended.transpose(1, 2).flatten(2))

    def weights(self, x: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch heads length length"]:
        """The attention map itself, for looking at: softmax(Q K^T / sqrt(head_dim)) under the causal mask."""
        queries, keys, _ = self._project(x, None, 0)
        keys = keys.repeat_interleave(self.num_heads // self.num_kv_heads, dim=1)
        scores = queries @ keys.transpose(-1, -2) * self.head_dim**-0.5
        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
        return scores.masked_fill(future, float("-inf")).softmax(-1)

    def _project(self, x: Tensor, positions: Tensor | None, past: int) -> tuple[Tensor, Tensor, Tensor]:
        queries = self.q_proj(x).unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2)
        keys = self.k_proj(x).unflatten(-1, (self.num_kv_heads, self.head_dim)).transpose(1, 2)
        values = self.v_proj(x).unflatten(-1, (self.num_kv_heads, self.head_dim)).transpose(1, 2)
        if self.rope_theta is not None:
            if positions is None:
                positions = torch.arange(past, past + x.shape[1], device=x.device)
            angles = rotary_angles(positions, self.head_dim, self.rope_theta)
            queries, keys = apply_rotary(queries, angles), apply_rotary(keys, angles)
        return queries, keys, values

    @staticmethod
    def _visibility(length: int, past: int, mask: Tensor | None, device: torch.device) -> Tensor | None:
        """True where a query may look; None when plain causal attention says it all."""
        if mask is None and (past == 0 or length == 1):
            return None
        total = past + length
        if mask is not None and mask.shape[-1] != total:
            raise ValueError(f"mask must cover {total} positions (cached and new), got {mask.shape[-1]}")
        visible = torch.ones(length, total, dtype=torch.bool, device=device).tril(past)
        if mask is None:
            return visible
        visible = visible & mask[:, None, None, :].bool()
        itself = torch.arange(past, total, device=device)[:, None] == torch.arange(total, device=device)
        return visible | itself  # a padded query sees itself, or its softmax would be over nothing
