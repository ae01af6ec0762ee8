"""Representation finetuning (Wu et al., ReFT, arXiv 2404.03592): edit hidden vectors of a frozen model, not weights.

An intervention <Phi, P, l> replaces h by Phi(h) at the positions P of the residual stream behind layer l. LoReFT edits
inside a subspace with orthonormal rows R alone, Phi(h) = h + R^T (W h + b - R h), so that R Phi(h) = W h + b: the
coordinates are overwritten, all else stays. Edits reach prompt positions only; in generation they are made once, while
the prompt is read, and live on in the key-value cache.

`ReFT` attaches interventions by hooks to our language models and to any decoder of Hugging Face's alike.
"""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils import parametrize

EMBEDDING = -1
"""The site h(0), the embedding's output; site l >= 0 is the output of block l."""


class Intervention(nn.Module):
    """Phi: vectors (..., dim) -> vectors (..., dim). Subclasses give `edit(h)`, what is added to h.

    `strength` scales the edit, 1 while training.
    """

    def __init__(self, dim: int, rank: int):
        super().__init__()
        if not 1 <= rank <= dim:
            raise ValueError(f"rank must be 1..dim = {dim}, got {rank}")
        self.dim, self.rank, self.strength = dim, rank, 1.0

    def edit(self, h: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        raise NotImplementedError

    def forward(self, h: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        return h + self.strength * self.edit(h)


class _Orthonormal(nn.Module):
    """Any (dim, rank) matrix of full rank -> the orthonormal factor of its QR decomposition, diag(R) > 0.

    The scale of a column plays no role, so weight decay does no harm (it ruins torch's own Householder form), and no
    dim x dim buffer is kept.
    """

    def forward(self, matrix: Float[Tensor, "dim rank"]) -> Float[Tensor, "dim rank"]:
        q, r = torch.linalg.qr(matrix)
        return q * torch.where(r.diagonal() < 0, -1.0, 1.0).to(q.dtype)

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

    Otherwise W and b start as a linear layer does, the official start: `rank` coordinates become small numbers.
    """

    def __init__(self, dim: int, rank: int, *, identity: bool = False):
        super().__init__(dim, rank)
        self.rows, self.source = _Rows(dim, rank), nn.Linear(dim, rank)
        if identity:
            with torch.no_grad():
                self.source.weight.copy_(self.rows())
                self.source.bias.zero_()

    def coordinates(self, h: Float[Tensor, "... dim"]) -> Float[Tensor, "... rank"]:
        """W h + b - R h: how far each coordinate moves."""
        return F.linear(h, self.source.weight - self.rows(), self.source.bias)

    def edit(self, h: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        return self.coordinates(h) @ self.rows()


class DiReFT(Intervention):
    """h + W2^T (W1 h + b), both unconstrained (equation 3): LoRA on a hidden vector. W2 starts at zero: no change."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.source, self.target = nn.Linear(dim, rank), nn.Parameter(torch.zeros(rank, dim))

    def edit(self, h: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        return self.source(h) @ self.target


class NoReFT(Intervention):
    """h + W2^T (W1 h + b - W2 h): LoReFT without orthonormal rows (table 17)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.source, self.target = nn.Linear(dim, rank), nn.Parameter(torch.empty(rank, dim))
        nn.init.uniform_(self.target, -1 / math.sqrt(dim), 1 / math.sqrt(dim))

    def edit(self, h: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        return F.linear(h, self.source.weight - self.target, self.source.bias) @ self.target


class OrthogonalDiReFT(Intervention):
    """h + R^T (W h + b): orthonormal rows without the subtraction (table 17; called DireftIntervention in pyreft)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.rows, self.source = _Rows(dim, rank), nn.Linear(dim, rank)

    def edit(self, h: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        return self.source(h) @ self.rows()


class ConsReFT(Intervention):
    """h + R^T (b - R h): the coordinates are set to constants (table 17; memorisation, appendix F)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.rows, self.constant = _Rows(dim, rank), nn.Parameter(torch.rand(rank))

    def edit(self, h: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        rows = self.rows()
        return (self.constant - F.linear(h, rows)) @ rows


class LobiReFT(Intervention):
    """h + R^T b: a constant is added, whatever h is (table 17)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.rows, self.constant = _Rows(dim, rank), nn.Parameter(torch.zeros(rank))

    def edit(self, h: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        return (self.constant @ self.rows()).expand_as(h)


class RED(Intervention):
    """s * h + b (Wu et al., arXiv 2402.15179), starting as the identity. Has no rank; any is taken."""

    def __init__(self, dim: int, rank: int = 1):
        super().__init__(dim, rank)
        self.scale, self.shift = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))

    def edit(self, h: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        return (self.scale - 1) * h + self.shift


class ActivationAddition(Intervention):
    """h + a, a fixed difference of two hidden vectors (Turner et al., arXiv 2308.10248): nothing is trained."""

    def __init__(self, dim: int, rank: int = 1):
        super().__init__(dim, rank)
        self.register_buffer("direction", torch.zeros(dim))

    def edit(self, h: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
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
    sites: tuple[int, ...]
    rank: int = 4
    prefix: int | None = 4
    suffix: int | None = 2
    tied: bool = True

    def __post_init__(self):
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
    """Interventions on a frozen language model.

    model: ours (`DecoderLM`) or a Hugging Face decoder with input embeddings and a list of blocks. Its parameters are
    frozen; only the interventions' train. Arguments of `forward` are the model's own, with the prompts' extent:

    lengths: prompt tokens of each row, padding not counted (default: all tokens of the call).
    offsets: where each row's prompt begins: 0 unless it is padded on the left.

    Raises ValueError when no blocks are found or a site does not exist.
    """

    def __init__(self, model: nn.Module, config: ReFTConfig, **options: object):
        super().__init__()
        blocks = decoder_blocks(model)
        if max(config.sites) >= len(blocks):
            raise ValueError(f"sites reach block {max(config.sites)}; the model has blocks 0 to {len(blocks) - 1}")
        self.model, self.config = model, config
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        embedding = embedding_of(model)
        dim = embedding.weight.shape[1]
        make = INTERVENTIONS[config.kind]
        self.interventions = nn.ModuleList(
            [nn.ModuleList([make(dim, config.rank, **options) for _ in range(config.groups)]) for _ in config.sites]
        )
        self.interventions.to(embedding.weight.device)
        self._where: tuple[tuple[int, int], list[tuple[Tensor, Tensor]]] | None = None
        self._passes = 0
        model.register_forward_pre_hook(self._count_pass)
        for site, group in zip(config.sites, self.interventions, strict=True):
            target = embedding if site == EMBEDDING else blocks[site]
            target.register_forward_hook(self._hook(group))

    def train(self, mode: bool = True) -> ReFT:
        """The interventions change mode; the frozen model stays in eval mode."""
        super().train(mode)
        self.model.eval()
        return self

    def num_parameters(self) -> int:
        """Trained numbers."""
        return sum(parameter.numel() for parameter in self.interventions.parameters())

    @contextmanager
    def edits(self, shape: tuple[int, int], lengths: Tensor | None = None, offsets: Tensor | None = None):
        """Inside, the model's first forward pass is edited, over `shape` (batch, length) tokens; later ones are not.

        Raises ValueError when that pass has another shape, as with beams.
        """
        self._where, self._passes = self._positions(shape, lengths, offsets), 0
        try:
            yield
        finally:
            self._where = None

    def forward(self, tokens: Int[Tensor, "batch length"], *args, lengths=None, offsets=None, **kwargs):
        """What the model gives with its edits."""
        with self.edits(tuple(tokens.shape), lengths, offsets):
            return self.model(tokens, *args, **kwargs)

    def generate(self, tokens: Int[Tensor, "batch length"], *args, lengths=None, offsets=None, **kwargs) -> Tensor:
        """Greedy or sampled continuations: the prompt is edited while it is read, then only the cache remembers.

        Further arguments go to the model's own `generate` or, for our models, to `lib.nn.generate`.
        """
        from lib.nn.generation import generate

        with self.edits(tuple(tokens.shape), lengths, offsets):
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
        from safetensors.torch import load_file

        folder = Path(folder)
        for name in ("reft.json", "reft.safetensors"):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"there is no {name} in {folder.name!r}")
        fields = json.loads((folder / "reft.json").read_text())
        reft = cls(model, ReFTConfig(**{**fields, "sites": tuple(fields["sites"])}))
        try:
            reft.interventions.load_state_dict(load_file(folder / "reft.safetensors"))
        except RuntimeError as error:
            raise ValueError(f"the interventions do not fit this model: {' '.join(str(error).split())[:200]}") from None
        return reft

    def _positions(self, shape, lengths, offsets) -> tuple[tuple[int, int], list[tuple[Tensor, Tensor]]]:
        """For each group of a site the (rows, columns) that it edits."""
        batch, width = shape
        lengths = [width] * batch if lengths is None else [int(n) for n in lengths]
        offsets = [0] * batch if offsets is None else [int(n) for n in offsets]
        if len(lengths) != batch or len(offsets) != batch:
            raise ValueError(
                f"lengths and offsets must have one entry a row ({batch}), got {len(lengths)} and {len(offsets)}"
            )
        if any(n < 1 or o < 0 or n + o > width for n, o in zip(lengths, offsets, strict=True)):
            raise ValueError(f"every prompt must lie within the {width} tokens and hold at least one")
        found: list[list[tuple[int, int]]] = [[] for _ in range(self.config.groups)]
        for row, (length, offset) in enumerate(zip(lengths, offsets, strict=True)):
            if self.config.prefix is None:
                parts = [list(range(length)), []]
            else:
                parts = list(edit_positions(length, self.config.prefix, self.config.suffix))
            for index, part in enumerate(parts):
                found[index if self.config.groups == 2 else 0].extend((row, offset + place) for place in part)
        device = next(self.interventions.parameters(), torch.empty(0)).device
        indices = [torch.tensor(pairs, dtype=torch.long).view(-1, 2).to(device) for pairs in found]
        return shape, [(pairs[:, 0], pairs[:, 1]) for pairs in indices]

    def _count_pass(self, module, inputs) -> None:
        self._passes += 1

    def _hook(self, group: nn.ModuleList):
        def edit(module, inputs, output):
            if self._where is None or self._passes > 1:
                return None  # a pass outside of `edits`, or a token that is being generated
            changed = hidden = output[0] if isinstance(output, tuple) else output
            if tuple(hidden.shape[:2]) != self._where[0]:
                raise ValueError(
                    f"edits were asked for prompts of shape {self._where[0]}, got {tuple(hidden.shape[:2])}"
                )
            for intervention, (rows, columns) in zip(group, self._where[1], strict=True):
                if len(rows):
                    new = intervention(hidden[rows, columns].to(_dtype(intervention))).to(hidden.dtype)
                    changed = changed.index_put((rows, columns), new)
            return (changed, *output[1:]) if isinstance(output, tuple) else changed

        return edit


def _dtype(intervention: nn.Module) -> torch.dtype:
    return next(intervention.parameters(), torch.empty(0)).dtype


def decoder_blocks(model: nn.Module) -> nn.ModuleList:
    """The list of a decoder's blocks: the longest ModuleList of modules of one class. Raises ValueError without one."""
    lists = [
        part
        for part in model.modules()
        if isinstance(part, nn.ModuleList) and len(part) and not isinstance(part[0], Intervention | nn.ModuleList)
    ]
    if not lists:
        raise ValueError(f"{type(model).__name__} has no list of blocks to edit behind")
    return max(lists, key=lambda part: sum(p.numel() for p in part.parameters()))


def embedding_of(model: nn.Module) -> nn.Embedding:
    """The token embedding."""
    if hasattr(model, "get_input_embeddings"):
        return model.get_input_embeddings()
    return model.model.embed_tokens
