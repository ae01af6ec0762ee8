"""Representation finetuning (Wu et al., ReFT, arXiv 2404.03592): edit hidden vectors of a frozen model, not weights.

An intervention <Phi, P, l> replaces h by Phi(h) at the positions P of the residual stream behind layer l; the formulas
Phi are in `lib.nn.adapters.interventions`. Edits reach prompt positions only; in generation they are made once, while
the prompt is read, and live on in the key-value cache.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Int, Shaped
from torch import Tensor, nn

from lib.nn.adapters.edits import Edits, edit_input, edit_output, edited_places, prompt_ranges
from lib.nn.adapters.families import decoder_blocks, residual_width
from lib.nn.adapters.interventions import INTERVENTIONS
from lib.nn.language.generation import generate
from lib.nn.weights import load_weights, write_weights

EMBEDDING = -1
"""The site h(0), what the first block reads; site l >= 0 is the output of block l."""


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
            raise ValueError("prefix and suffix must be numbers for untied interventions, got None")

    @classmethod
    def from_json(cls, text: str) -> ReFTConfig:
        """What `ReFT.save` wrote. Raises ValueError for anything else."""
        try:
            values = dict(json.loads(text))
            for name, value in values.items():
                _check_field(name, value)
            return cls(**values)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"reft.json must hold the fields of a ReFTConfig: {error}") from None

    @property
    def groups(self) -> int:
        """Interventions a site."""
        return 1 if self.tied else 2


def intervention_parameters(dim: int, config: ReFTConfig) -> int:
    """Trained numbers, counted without making them, of all sites and groups."""
    each = INTERVENTIONS[config.kind].parameter_count(dim, config.rank)
    return len(config.sites) * config.groups * each


class ReFT(nn.Module):
    """Interventions on a frozen language model: ours (`DecoderLM`) or a decoder of Hugging Face's (`decoder_blocks`).

    The model's parameters are frozen and it stays in eval mode; only the interventions' train. Hooks exist inside a
    call alone, so several ReFTs can share a model, and copies are copies. Further `options` go to the interventions.

    Where prompts lie is said by `lengths`, prompt tokens of each row without padding, and `offsets`, where each begins
    (0 unless padded on the left). Raises ValueError when no blocks are found or a site does not exist.
    """

    def __init__(self, model: nn.Module, config: ReFTConfig, **options: object):
        super().__init__()
        blocks = decoder_blocks(model)
        if max(config.sites) >= len(blocks):
            raise ValueError(f"sites must be among the model's blocks 0 to {len(blocks) - 1}, got {max(config.sites)}")
        dim, make = residual_width(model), INTERVENTIONS[config.kind]
        self.interventions = nn.ModuleList(
            [nn.ModuleList([make(dim, config.rank, **options) for _ in range(config.groups)]) for _ in config.sites]
        )
        self.interventions.to(next(model.parameters()).device)
        self.model, self.config = model.requires_grad_(False).eval(), config
        self._now: Edits | None = None

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
        active: Shaped[Tensor, "*batch rank"] | None = None,
    ) -> Iterator[None]:
        """Inside, every pass of the model that reads the prompts, `width` tokens wide, is edited.

        These are the first pass, and later ones without anything in a cache (generation that reads all anew each time).
        A later pass behind a cache that holds tokens reads what has been generated, be it one token or the many that an
        assistant proposes: it is left alone, and with it the hooks go, so that the tokens behind it cost nothing. Where
        no cache is seen, a pass wider than the prompts reads them anew. `strength` scales the edits; `active`, (rank)
        or (batch, rank), chooses coordinates of the subspace.
        """
        lengths, offsets = prompt_ranges(width, lengths, offsets)
        places = edited_places(lengths, offsets, self.config.prefix, self.config.suffix, self.config.groups)
        outer, self._now = self._now, Edits(places, len(lengths), width, strength, active)
        blocks = decoder_blocks(self.model)
        handles = self._now.handles
        handles.append(blocks[0].register_forward_pre_hook(self._now.count, with_kwargs=True))
        for site, group in zip(self.config.sites, self.interventions, strict=True):
            if site == EMBEDDING:
                hook = partial(edit_input, self._now, group)
                handles.append(blocks[0].register_forward_pre_hook(hook, with_kwargs=True))
            else:
                handles.append(blocks[site].register_forward_hook(partial(edit_output, self._now, group)))
        try:
            yield
        finally:
            self._now.release()
            self._now = outer

    def forward(
        self,
        tokens: Int[Tensor, "batch length"] | None = None,
        *args: object,
        lengths: Sequence[int] | Int[Tensor, " batch"],
        offsets: Sequence[int] | Int[Tensor, " batch"] | None = None,
        **kwargs: object,
    ) -> object:
        """What the model gives with its edits; `strength` and `active` as in `edits`, the rest is the model's own."""
        tokens, how = kwargs.pop("input_ids", tokens), _split(kwargs)
        with self.edits(tokens.shape[1], lengths, offsets, **how):
            return self.model(tokens, *args, **kwargs)

    def generate(
        self,
        tokens: Int[Tensor, "batch length"],
        *args: object,
        lengths: Sequence[int] | Int[Tensor, " batch"] | None = None,
        offsets: Sequence[int] | Int[Tensor, " batch"] | None = None,
        **kwargs: object,
    ) -> Int[Tensor, "batch total"]:
        """Continuations: the prompt is edited while it is read, then only the cache remembers.

        Where prompts lie is taken from the mask (`attention_mask`, `mask`) unless it is said. Further arguments go to
        the model's own `generate` or, for our models, to `lib.nn.generate`.
        """
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
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_weights(folder / "reft.safetensors", self.interventions.state_dict())
        (folder / "reft.json").write_text(json.dumps(asdict(self.config), indent=1) + "\n")

    @classmethod
    def load(cls, model: nn.Module, folder: str | Path) -> ReFT:
        """The saved interventions on `model`.

        Raises FileNotFoundError, or ValueError when a file is damaged, of something else, or does not fit the model.
        """
        folder = Path(folder)
        for name in ("reft.json", "reft.safetensors"):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"there is no {name} in {folder.name!r}")
        reft = cls(model, ReFTConfig.from_json((folder / "reft.json").read_text(encoding="utf-8", errors="replace")))
        load_weights(reft.interventions, folder / "reft.safetensors")
        return reft


def _check_field(name: str, value: object) -> None:
    """Raise ValueError for a field of a file that is none of a ReFTConfig's, or of another type."""
    number = type(value) is int
    allowed = {
        "kind": isinstance(value, str),
        "sites": isinstance(value, list) and all(type(site) is int for site in value),
        "rank": number,
        "prefix": number or value is None,
        "suffix": number or value is None,
        "tied": isinstance(value, bool),
    }
    if not allowed.get(name):
        words = "has another type" if name in allowed else "is none of them"
        raise ValueError(f"{name} {words}, got {value!r}")


def _split(kwargs: dict) -> dict:
    """Takes what is meant for `edits` out of a call's arguments."""
    return {name: kwargs.pop(name) for name in ("strength", "active") if name in kwargs}
