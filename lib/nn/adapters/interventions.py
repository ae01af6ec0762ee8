"""Representation finetuning (Wu et al., ReFT, arXiv 2404.03592): edit hidden vectors of a frozen model, not weights.

An intervention <Phi, P, l> replaces h by Phi(h) at the positions P of the residual stream behind layer l. LoReFT edits
inside a subspace with orthonormal rows R alone, Phi(h) = h + R^T (W h + b - R h), so that R Phi(h) = W h + b: the
coordinates are overwritten, all else stays. Edits reach prompt positions only; in generation they are made once, while
the prompt is read, and live on in the key-value cache.

`ReFT` attaches interventions by hooks to our language models and to any decoder of Hugging Face's alike.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils import parametrize

EMBEDDING = -1
"""The site h(0), what the first block reads; site l >= 0 is the output of block l."""


class Intervention(nn.Module):
    """Phi: vectors (..., dim) -> vectors (..., dim), h + edit(h). Subclasses give `edit`.

    `active` (rank) or (..., rank), zeros and ones: which coordinates of the subspace are edited, for kinds that have
    one. Raises ValueError for a rank that does not fit.
    """

    def __init__(self, dim: int, rank: int):
        super().__init__()
        if not 1 <= rank <= dim:
            raise ValueError(f"rank must be 1..dim = {dim}, got {rank}")
        self.dim, self.rank = dim, rank

    def edit(self, h: Float[Tensor, "... dim"], active: Tensor | None = None) -> Float[Tensor, "... dim"]:
        raise NotImplementedError

    def forward(self, h: Float[Tensor, "... dim"], active: Tensor | None = None) -> Float[Tensor, "... dim"]:
        return h + self.edit(h, active)


def _masked(coordinates: Tensor, active: Tensor | None) -> Tensor:
    return coordinates if active is None else coordinates * active


class _Orthonormal(nn.Module):
    """Any (dim, rank) matrix of full rank -> the orthonormal factor of its QR decomposition, diag(R) > 0.

    The scale of a column plays no role, so weight decay does no harm (it ruins torch's own Householder form), and no
    dim x dim buffer is kept.
    """

    def forward(self, matrix: Float[Tensor, "dim rank"]) -> Float[Tensor, "dim rank"]:
        exact = matrix if matrix.dtype == torch.float64 else matrix.float()  # there is no QR in half precision
        q, r = torch.linalg.qr(exact)
        return (q * torch.where(r.diagonal() < 0, -1.0, 1.0)).to(matrix.dtype)

    def right_inverse(self, orthonormal: Float[Tensor, "dim rank"]) -> Float[Tensor, "dim rank"]:
        return orthonormal


class _Rows(nn.Module):
    """`weight` is R^T, (dim, rank) with orthonormal columns; calling it gives R."""

    def __init__(self, dim: int, rank: int):
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(dim, rank)))
        parametrize.register_parametrization(self, "weight", _Orthonormal())

    def forward(self) -> Float[Tensor, "rank dim"]:
        return self.weight.t()


class LoReFT(Intervention):
    """h + R^T (W h + b - R h), R R^T = I (equation 2). `identity` starts as W = R, b = 0: at first nothing changes.

    Otherwise W and b start as a linear layer does, the official start: `rank` coordinates become small numbers. Groups
    of coordinates can be trained and used apart with `active`; R's rows stay orthonormal together, so training one
    group turns the rows behind it a little, here as in the official code.
    """

    def __init__(self, dim: int, rank: int, *, identity: bool = False):
        super().__init__(dim, rank)
        self.rows, self.source = _Rows(dim, rank), nn.Linear(dim, rank)
        if identity:
            with torch.no_grad():
                self.source.weight.copy_(self.rows())
                self.source.bias.zero_()

    def edit(self, h: Float[Tensor, "... dim"], active: Tensor | None = None) -> Float[Tensor, "... dim"]:
        rows = self.rows()
        return _masked(F.linear(h, self.source.weight - rows, self.source.bias), active) @ rows


class DiReFT(Intervention):
    """h + W2^T (W1 h + b), both unconstrained (equation 3): LoRA on a hidden vector. W2 starts at zero: no change."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.source, self.target = nn.Linear(dim, rank), nn.Parameter(torch.zeros(rank, dim))

    def edit(self, h: Float[Tensor, "... dim"], active: Tensor | None = None) -> Float[Tensor, "... dim"]:
        return _masked(self.source(h), active) @ self.target


class NoReFT(Intervention):
    """h + W2^T (W1 h + b - W2 h): LoReFT without orthonormal rows (table 17)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.source, self.target = nn.Linear(dim, rank), nn.Parameter(torch.empty(rank, dim))
        nn.init.uniform_(self.target, -1 / math.sqrt(dim), 1 / math.sqrt(dim))

    def edit(self, h: Float[Tensor, "... dim"], active: Tensor | None = None) -> Float[Tensor, "... dim"]:
        return _masked(F.linear(h, self.source.weight - self.target, self.source.bias), active) @ self.target


class OrthogonalDiReFT(Intervention):
    """h + R^T (W h + b): orthonormal rows without the subtraction (table 17; called DireftIntervention in pyreft)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.rows, self.source = _Rows(dim, rank), nn.Linear(dim, rank)

    def edit(self, h: Float[Tensor, "... dim"], active: Tensor | None = None) -> Float[Tensor, "... dim"]:
        return _masked(self.source(h), active) @ self.rows()


class ConsReFT(Intervention):
    """h + R^T (b - R h): the coordinates are set to constants (table 17; memorisation, appendix F)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.rows, self.constant = _Rows(dim, rank), nn.Parameter(torch.rand(rank))

    def edit(self, h: Float[Tensor, "... dim"], active: Tensor | None = None) -> Float[Tensor, "... dim"]:
        rows = self.rows()
        return _masked(self.constant - F.linear(h, rows), active) @ rows


class LobiReFT(Intervention):
    """h + R^T b: a constant is added, whatever h is (table 17)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.rows, self.constant = _Rows(dim, rank), nn.Parameter(torch.zeros(rank))

    def edit(self, h: Float[Tensor, "... dim"], active: Tensor | None = None) -> Float[Tensor, "... dim"]:
        return (_masked(self.constant, active) @ self.rows()).expand_as(h)


class RED(Intervention):
    """s * h + b (Wu et al., arXiv 2402.15179), starting as the identity. Has no rank; any is taken."""

    def __init__(self, dim: int, rank: int = 1):
        super().__init__(dim, rank)
        self.scale, self.shift = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))

    def edit(self, h: Float[Tensor, "... dim"], active: Tensor | None = None) -> Float[Tensor, "... dim"]:
        return (self.scale - 1) * h + self.shift


class ActivationAddition(Intervention):
    """h + a, a fixed difference of two hidden vectors (Turner et al., arXiv 2308.10248): nothing is trained."""

    def __init__(self, dim: int, rank: int = 1):
        super().__init__(dim, rank)
        self.register_buffer("direction", torch.zeros(dim))

    def edit(self, h: Float[Tensor, "... dim"], active: Tensor | None = None) -> Float[Tensor, "... dim"]:
        return self.direction.to(h).expand_as(h)


INTERVENTIONS = {
    kind.__name__: kind
    for kind in (LoReFT, DiReFT, NoReFT, OrthogonalDiReFT, ConsReFT, LobiReFT, RED, ActivationAddition)
}


@dataclass(frozen=True)
class ReFTConfig:
    """What is edited where: `sites` (block numbers, or EMBEDDING), the first `prefix` and last `suffix` positions.

    tied: one intervention a site for all its positions; otherwise prefix and suffix have one each (as the paper's
    code reads "untied"). prefix = suffix = None edits every prompt position.
    Raises ValueError for an unknown kind, no site, a site named twice or numbers below 0.
    """

    kind: str
    sites: Sequence[int]
    rank: int = 4
    prefix: int | None = 4
    suffix: int | None = 2
    tied: bool = True

    def __post_init__(self):
        object.__setattr__(self, "sites", tuple(int(site) for site in self.sites))
        if self.kind not in INTERVENTIONS:
            raise ValueError(f"kind must be one of {', '.join(INTERVENTIONS)}, got {self.kind!r}")
        if not self.sites or len(set(self.sites)) < len(self.sites) or min(self.sites) < EMBEDDING:
            raise ValueError(f"sites must be different block numbers from {EMBEDDING} on, got {self.sites}")
        if (self.prefix is None) != (self.suffix is None):
            raise ValueError("prefix and suffix must both be numbers or both be None (every position)")
        if self.prefix is not None and (min(self.prefix, self.suffix) < 0 or self.prefix + self.suffix == 0):
            raise ValueError(
                f"prefix and suffix must be at least 0 and one of them above, got {self.prefix}, {self.suffix}"
            )
        if self.prefix is None and not self.tied:
            raise ValueError("untied interventions need a prefix and a suffix")

    @property
    def groups(self) -> int:
        """Interventions a site."""
        return 1 if self.tied else 2


def edit_positions(length: int, prefix: int, suffix: int) -> tuple[list[int], list[int]]:
    """(prefix positions, suffix positions) of a prompt, from 0: disjoint, and clamped when it is short.

    p <- min(p, floor(n / 2)), s <- min(s, ceil(n / 2)) where n < p + s (section 3.3).
    """
    if length < prefix + suffix:
        prefix, suffix = min(prefix, length // 2), min(suffix, -(-length // 2))
    return list(range(prefix)), list(range(length - suffix, length))


def intervention_parameters(dim: int, config: ReFTConfig) -> int:
    """Trained numbers, counted without making them: 2 r d + r a LoReFT, DiReFT or NoReFT, r d + r a constant one."""
    r = config.rank
    each = {"ConsReFT": r * dim + r, "LobiReFT": r * dim + r, "RED": 2 * dim, "ActivationAddition": 0}
    return len(config.sites) * config.groups * each.get(config.kind, 2 * r * dim + r)


class ReFT(nn.Module):
    """Interventions on a frozen language model: ours (`DecoderLM`) or a decoder of Hugging Face's.

    The model's parameters are frozen and it stays in eval mode; only the interventions' train. Hooks exist inside a
    call alone, so several ReFTs can share a model, and copies are copies. Further `options` go to the interventions.

    Where prompts lie is said by `lengths`, prompt tokens of each row without padding, and `offsets`, where each begins
    (0 unless padded on the left). Raises ValueError when no blocks are found or a site does not exist.
    """

    def __init__(self, model: nn.Module, config: ReFTConfig, **options: object):
        super().__init__()
        blocks = decoder_blocks(model)
        if max(config.sites) >= len(blocks):
            raise ValueError(f"sites reach block {max(config.sites)}; the model has blocks 0 to {len(blocks) - 1}")
        dim, make = width_of(model), INTERVENTIONS[config.kind]
        self.interventions = nn.ModuleList(
            [nn.ModuleList([make(dim, config.rank, **options) for _ in range(config.groups)]) for _ in config.sites]
        )
        self.interventions.to(next(model.parameters()).device)
        self.model, self.config = model.requires_grad_(False).eval(), config
        self._now: _Edits | None = None

    def train(self, mode: bool = True) -> ReFT:
        """The interventions change mode; the frozen model stays in eval mode."""
        super().train(mode)
        self.model.eval()
        return self

    def num_parameters(self) -> int:
        """Trained numbers."""
        return sum(parameter.numel() for parameter in self.interventions.parameters())

    @contextmanager
    def edits(
        self,
        width: int,
        lengths: Sequence[int] | Tensor,
        offsets: Sequence[int] | Tensor | None = None,
        *,
        strength: float = 1.0,
        active: Tensor | None = None,
    ) -> Iterator[None]:
        """Inside, every pass of the model that reads the prompts, `width` tokens wide, is edited.

        These are the first pass, and later ones that are wider (generation without a cache reads all anew). A later
        pass that is not wider reads what has been generated: it is left alone, and with it the hooks go, so that the
        tokens behind it cost nothing. `strength` scales the edits; `active`, (rank) or (batch, rank), chooses
        coordinates of the subspace.
        """
        outer, self._now = self._now, _Edits(self.config, width, lengths, offsets, strength, active)
        blocks = decoder_blocks(self.model)
        handles = self._now.handles
        handles.append(blocks[0].register_forward_pre_hook(self._now.count))
        for site, group in zip(self.config.sites, self.interventions, strict=True):
            if site == EMBEDDING:
                hook = partial(_edit_input, self._now, group)
                handles.append(blocks[0].register_forward_pre_hook(hook, with_kwargs=True))
            else:
                handles.append(blocks[site].register_forward_hook(partial(_edit_output, self._now, group)))
        try:
            yield
        finally:
            self._now.release()
            self._now = outer

    def forward(
        self,
        tokens: Int[Tensor, "batch length"] | None = None,
        *args: Any,
        lengths: Any,
        offsets: Any = None,
        **kwargs: Any,
    ) -> Any:
        """What the model gives with its edits; `strength` and `active` as in `edits`, the rest is the model's own."""
        tokens, how = kwargs.pop("input_ids", tokens), _split(kwargs)
        with self.edits(tokens.shape[1], lengths, offsets, **how):
            return self.model(tokens, *args, **kwargs)

    def generate(
        self, tokens: Int[Tensor, "batch length"], *args: Any, lengths: Any = None, offsets: Any = None, **kwargs: Any
    ) -> Tensor:
        """Continuations: the prompt is edited while it is read, then only the cache remembers.

        Where prompts lie is taken from the mask (`attention_mask`, `mask`) unless it is said. Further arguments go to
        the model's own `generate` or, for our models, to `lib.nn.generate`.
        """
        from lib.nn.language.generation import generate

        how, mask = _split(kwargs), kwargs.get("attention_mask", kwargs.get("mask"))
        if lengths is None:
            real = torch.ones_like(tokens) if mask is None else mask.long()
            lengths, offsets = real.sum(1), real.argmax(1)
        with self.edits(tokens.shape[1], lengths, offsets, **how):
            if hasattr(self.model, "generate"):
                return self.model.generate(tokens, *args, **kwargs)
            return generate(self.model, tokens, *args, **kwargs)

    def save(self, folder: str | Path) -> None:
        """reft.safetensors with the interventions and reft.json with the configuration."""
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.interventions.state_dict().items()}
        save_file(tensors, folder / "reft.safetensors")
        (folder / "reft.json").write_text(json.dumps(asdict(self.config), indent=1) + "\n")

    @classmethod
    def load(cls, model: nn.Module, folder: str | Path) -> ReFT:
        """The saved interventions on `model`. Raises FileNotFoundError, or ValueError when they do not fit it."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = Path(folder)
        for name in ("reft.json", "reft.safetensors"):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"there is no {name} in {folder.name!r}")
        reft = cls(model, ReFTConfig(**json.loads((folder / "reft.json").read_text())))
        try:
            reft.interventions.load_state_dict(load_file(folder / "reft.safetensors"))
        except (RuntimeError, SafetensorError) as error:
            raise ValueError(f"the interventions do not fit this model: {' '.join(str(error).split())[:200]}") from None
        return reft


class _Edits:
    """Where and how much one call edits, and how often the model has been read in it."""

    def __init__(self, config: ReFTConfig, width: int, lengths, offsets, strength: float, active: Tensor | None):
        lengths = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
        offsets = [0] * len(lengths) if offsets is None else offsets
        offsets = offsets.tolist() if isinstance(offsets, Tensor) else list(offsets)
        if len(offsets) != len(lengths):
            raise ValueError(f"offsets must have one entry a row, as lengths ({len(lengths)}), got {len(offsets)}")
        if any(n < 1 or o < 0 or n + o > width for n, o in zip(lengths, offsets, strict=True)):
            raise ValueError(f"every prompt must hold a token and lie within the {width} tokens")
        self.batch, self.width, self.strength, self.active, self.passes = len(lengths), width, strength, active, 0
        found: list[list[tuple[int, int]]] = [[] for _ in range(config.groups)]
        for row, (length, offset) in enumerate(zip(lengths, offsets, strict=True)):
            if config.prefix is None:
                parts = (range(length), ())
            else:
                parts = edit_positions(length, config.prefix, config.suffix)
            for index, part in enumerate(parts):
                found[index if config.groups == 2 else 0].extend((row, offset + place) for place in part)
        self.places = [torch.tensor(pairs, dtype=torch.long).view(-1, 2) for pairs in found]
        self.handles: list = []
        """Of the hooks that edit."""

    def release(self) -> None:
        """Take the hooks away."""
        for handle in self.handles:
            handle.remove()

    def count(self, module: nn.Module, inputs: tuple) -> None:
        self.passes += 1

    def apply(self, group: nn.ModuleList, hidden: Float[Tensor, "batch length dim"]) -> Tensor:
        if self.passes > 1 and hidden.shape[1] <= self.width:
            self.release()
            return hidden  # what has been generated, with the prompt in the cache
        copies, left = divmod(hidden.shape[0], self.batch)
        if left or hidden.shape[1] < self.width:
            wanted, got = (self.batch, self.width), tuple(hidden.shape[:2])
            raise ValueError(f"edits were asked for prompts of shape {wanted}, the model reads {got}")
        changed = hidden
        for intervention, places in zip(group, self.places, strict=True):
            if not len(places):
                continue
            rows, columns = places.to(hidden.device).unbind(1)
            active = self.active
            if active is not None:
                active = active.to(hidden.device)
                active = (active[rows] if active.ndim == 2 else active).to(_dtype(intervention))
            if copies > 1:  # beams and samples of one prompt lie side by side
                rows = (rows[:, None] * copies + torch.arange(copies, device=rows.device)).flatten()
                columns = columns.repeat_interleave(copies)
                active = active.repeat_interleave(copies, 0) if active is not None and active.ndim == 2 else active
            h = hidden[rows, columns]
            new = h + (self.strength * intervention.edit(h.to(_dtype(intervention)), active)).to(h.dtype)
            changed = changed.index_put((rows, columns), new)
        return changed


def _edit_output(edits: _Edits, group: nn.ModuleList, module: nn.Module, inputs: tuple, output):
    if isinstance(output, tuple):
        return (edits.apply(group, output[0]), *output[1:])
    return edits.apply(group, output)


def _edit_input(edits: _Edits, group: nn.ModuleList, module: nn.Module, inputs: tuple, kwargs: dict):
    if inputs:
        return (edits.apply(group, inputs[0]), *inputs[1:]), kwargs
    return inputs, {**kwargs, "hidden_states": edits.apply(group, kwargs["hidden_states"])}


def _split(kwargs: dict) -> dict:
    """Takes what is meant for `edits` out of a call's arguments."""
    return {name: kwargs.pop(name) for name in ("strength", "active") if name in kwargs}


def _dtype(intervention: nn.Module) -> torch.dtype:
    held = next(itertools.chain(intervention.parameters(), intervention.buffers()), None)
    return torch.float32 if held is None else held.dtype


def decoder_blocks(model: nn.Module) -> nn.ModuleList:
    """The decoder's blocks: of all lists of modules the one with the most parameters.

    Raises ValueError for a model without one.
    """
    lists = [part for part in model.modules() if isinstance(part, nn.ModuleList) and len(part)]
    if not lists:
        raise ValueError(f"{type(model).__name__} has no list of blocks to edit behind")
    return max(lists, key=lambda part: sum(p.numel() for p in part.parameters()))


def width_of(model: nn.Module) -> int:
    """The residual stream's width, from the configuration. Raises ValueError when it does not say."""
    config = getattr(model, "config", None)
    for name in ("hidden_size", "n_embd", "d_model", "dim"):
        if isinstance(width := getattr(config, name, None), int):
            return width
    raise ValueError(f"the configuration of {type(model).__name__} does not say how wide its residual stream is")
