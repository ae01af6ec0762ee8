"""What attention remembers of the tokens seen so far: their keys and values."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def _differentiated(*tensors: Tensor) -> bool:
    """Whether a backward pass may read them again, so that they must not be written over."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


class KVCache:
    """Keys and values of the tokens seen so far, (batch, kv_heads, length, head_dim), in storage that doubles.

    Appending a token costs one copy of that token; `nbytes` counts the tokens held, not the room reserved.
    """

    def __init__(self):
        self.length = 0
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    def append(
        self, keys: Float[Tensor, "batch kv_heads new head_dim"], values: Float[Tensor, "batch kv_heads new head_dim"]
    ) -> tuple[Float[Tensor, "batch kv_heads total head_dim"], Float[Tensor, "batch kv_heads total head_dim"]]:
        """Add new positions; return all keys and values including them.

        Raises ValueError for other rows, heads or widths than those it holds, which would be copied to all of them.
        """
        if self._keys is not None and keys.shape[:2] + keys.shape[3:] != self._keys.shape[:2] + self._keys.shape[3:]:
            held = (*self._keys.shape[:2], "new", self._keys.shape[3])
            raise ValueError(f"keys must have the shape {held} of those that are kept, got {tuple(keys.shape)}")
        needed = self.length + keys.shape[2]
        if self._keys is None or needed > self._keys.shape[2]:
            room = max(needed, 2 * self.length, 16)
            self._keys, self._values = self._grown(self._keys, keys, room), self._grown(self._values, values, room)
        elif _differentiated(keys, values, self._keys, self._values):
            self._keys, self._values = self._keys.clone(), self._values.clone()
        self._keys[:, :, self.length : needed] = keys
        self._values[:, :, self.length : needed] = values
        self.length = needed
        return self._keys[:, :, :needed], self._values[:, :, :needed]

    def repeated(self, times: int = 1) -> KVCache:
        """A cache that begins with these tokens, every row `times` times; what is appended to it stays out of this one.

        So a text that many continue is read once.
        """
        other = KVCache()
        if self._keys is not None:
            held = (part[:, :, : self.length].repeat_interleave(times, dim=0) for part in (self._keys, self._values))
            other._keys, other._values = held
            other.length = self.length
        return other

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

    def append(
        self,
        keys: Float[Tensor, "batch kv_heads new head_dim"],
        values: Float[Tensor, "batch kv_heads new head_dim"],
        kept: Bool[Tensor, "batch new"],
    ) -> tuple[
        Float[Tensor, "batch kv_heads total head_dim"],
        Float[Tensor, "batch kv_heads total head_dim"],
        Bool[Tensor, "batch 1 new total"],
    ]:
        """Add the `kept` new tokens, each to its sequence's end.

        Returns all keys and values and what each new token may see: its own sequence's tokens up to itself. A token
        that is not kept sees the first slot, so that its softmax has something.
        """
        if self.lengths is None:
            self.lengths = torch.zeros(len(keys), dtype=torch.long, device=keys.device)
        place = self.lengths[:, None] + kept.cumsum(1) - 1  # (batch, new): the slot each kept token takes
        self.lengths = self.lengths + kept.sum(1)
        total = max(1, int(self.lengths.max()))
        if self._keys is None or total > self._keys.shape[2]:
            room = max(2 * total, 16)
            self._keys, self._values = self._grown(self._keys, keys, room), self._grown(self._values, values, room)
        elif _differentiated(keys, values, self._keys, self._values):
            self._keys, self._values = self._keys.clone(), self._values.clone()
        batch, slot = kept.nonzero(as_tuple=True)
        target = place[batch, slot]
        self._keys[batch, :, target] = keys[batch, :, slot]
        self._values[batch, :, target] = values[batch, :, slot]
        slots = torch.arange(total, device=keys.device)
        visible = (slots <= place.clamp(min=0)[:, :, None])[:, None]  # (batch, 1, new, total)
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
