"""Which hidden vectors a call edits: positions of prompts (ReFT, arXiv 2404.03592, section 3.3), and what hooks do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lib.nn.layers.protocols import State


def edit_positions(length: int, prefix: int, suffix: int) -> tuple[list[int], list[int]]:
    """(prefix positions, suffix positions) of a prompt, from 0: disjoint, and clamped when it is short.

    p <- min(p, floor(n / 2)), s <- min(s, ceil(n / 2)) where n < p + s (section 3.3).
    """
    if length < prefix + suffix:
        prefix, suffix = min(prefix, length // 2), min(suffix, -(-length // 2))
    return list(range(prefix)), list(range(length - suffix, length))


def edited_places(
    lengths: Sequence[int], offsets: Sequence[int], prefix: int | None, suffix: int | None, groups: int
) -> list[Int[Tensor, "_places 2"]]:
    """(row, position) pairs of a batch of prompts for each of a site's interventions, one or two `groups`.

    prefix = suffix = None takes every position of every prompt.
    """
    found: list[list[tuple[int, int]]] = [[] for _ in range(groups)]
    for row, (length, offset) in enumerate(zip(lengths, offsets, strict=True)):
        ends = (range(length), ()) if prefix is None else edit_positions(length, prefix, suffix)
        for index, end in enumerate(ends):
            found[index if groups == 2 else 0].extend((row, offset + place) for place in end)
    return [torch.tensor(pairs, dtype=torch.long).view(-1, 2) for pairs in found]


def prompt_ranges(
    width: int, lengths: Sequence[int] | Tensor, offsets: Sequence[int] | Tensor | None
) -> tuple[list[int], list[int]]:
    """Lengths and offsets of prompts as lists. Raises ValueError for prompts that do not lie within `width` tokens."""
    lengths = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    offsets = [0] * len(lengths) if offsets is None else offsets
    offsets = offsets.tolist() if isinstance(offsets, Tensor) else list(offsets)
    if len(offsets) != len(lengths):
        raise ValueError(f"offsets must have one entry a row, as lengths ({len(lengths)}), got {len(offsets)}")
    if any(n < 1 or o < 0 or n + o > width for n, o in zip(lengths, offsets, strict=True)):
        raise ValueError(f"every prompt must hold a token and lie within the {width} tokens")
    return lengths, offsets


class Edits:
    """Where and how much one call edits, and how often the model has been read in it.

    places: (row, position) pairs that each intervention of a site edits. batch, width: the prompts' shape.
    """

    def __init__(
        self,
        places: Sequence[Int[Tensor, "_places 2"]],
        batch: int,
        width: int,
        strength: float = 1.0,
        active: Shaped[Tensor, "*batch rank"] | None = None,
    ):
        self.places, self.batch, self.width = places, batch, width
        self.strength, self.active = strength, active
        self.passes = 0
        self.continues: bool | None = None
        """Whether this pass goes on behind a cache, which holds the prompt; None where no cache is seen."""
        self.handles: list[RemovableHandle] = []
        """Of the hooks that edit."""

    def release(self) -> None:
        """Take the hooks away."""
        for handle in self.handles:
            handle.remove()

    def count(self, module: nn.Module, inputs: tuple, kwargs: dict) -> None:
        """A hook before the first block: one more pass of the model."""
        self.passes += 1
        found = [has for value in (*inputs[1:], *kwargs.values()) if (has := _holds_tokens(value)) is not None]
        self.continues = any(found) if found else None

    def apply(
        self, group: nn.ModuleList, hidden: Float[Tensor, "batch length dim"]
    ) -> Float[Tensor, "batch length dim"]:
        """The hidden vectors with those of the prompts edited; what has been generated is left alone."""
        generated = hidden.shape[1] <= self.width if self.continues is None else self.continues
        if self.passes > 1 and generated:
            self.release()
            return hidden  # what has been generated, with the prompt in the cache
        copies, left = divmod(hidden.shape[0], self.batch)
        if left or hidden.shape[1] < self.width:
            wanted, got = (self.batch, self.width), tuple(hidden.shape[:2])
            raise ValueError(f"prompts must have the shape {wanted} that edits were asked for, got {got}")
        changed = hidden
        for intervention, places in zip(group, self.places, strict=True):
            if len(places):
                rows, columns, active = self._targets(places.to(hidden.device), copies, _dtype(intervention))
                h = hidden[rows, columns]  # (vectors, dim)
                edit = intervention.edit(h.to(_dtype(intervention)), active)
                changed = changed.index_put((rows, columns), h + (self.strength * edit).to(h.dtype))
        return changed

    def _targets(
        self, places: Int[Tensor, "_places 2"], copies: int, dtype: torch.dtype
    ) -> tuple[Int[Tensor, " vectors"], Int[Tensor, " vectors"], Tensor | None]:
        """Rows, columns and active coordinates of the vectors; beams and samples of one prompt lie side by side."""
        rows, columns = places.unbind(1)
        active = self.active
        if active is not None:
            active = active.to(places.device)
            active = (active[rows] if active.ndim == 2 else active).to(dtype)
        if copies > 1:
            rows = (rows[:, None] * copies + torch.arange(copies, device=rows.device)).flatten()
            columns = columns.repeat_interleave(copies)
            active = active.repeat_interleave(copies, 0) if active is not None and active.ndim == 2 else active
        return rows, columns, active


def _holds_tokens(value: object) -> bool | None:
    """Whether a cache, of Hugging Face's or ours, remembers anything; None for what is no cache."""
    if callable(getattr(value, "get_seq_length", None)):
        return bool(value.get_seq_length() > 0)
    if isinstance(value, State) and not isinstance(value, Tensor):
        return value.nbytes > 0 or getattr(value, "seen", 0) > 0
    return None


def edit_output(
    edits: Edits, group: nn.ModuleList, module: nn.Module, inputs: tuple, output: Tensor | tuple
) -> Tensor | tuple:
    """A hook behind a block, whose output is the hidden vectors, alone or first in a tuple."""
    if isinstance(output, tuple):
        return (edits.apply(group, output[0]), *output[1:])
    return edits.apply(group, output)


def edit_input(edits: Edits, group: nn.ModuleList, module: nn.Module, inputs: tuple, kwargs: dict) -> tuple:
    """A hook before the first block, which takes the hidden vectors first or by the name Hugging Face gives them."""
    if inputs:
        return (edits.apply(group, inputs[0]), *inputs[1:]), kwargs
    return inputs, {**kwargs, "hidden_states": edits.apply(group, kwargs["hidden_states"])}


def _dtype(intervention: nn.Module) -> torch.dtype:
    held = next(itertools.chain(intervention.parameters(), intervention.buffers()), None)
    return torch.float32 if held is None else held.dtype
