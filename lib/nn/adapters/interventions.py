"""Formulas of representation finetuning (Wu et al., ReFT, arXiv 2404.03592): what becomes of one hidden vector.

LoReFT edits inside a subspace with orthonormal rows R alone, Phi(h) = h + R^T (W h + b - R h), so that
R Phi(h) = W h + b: the coordinates are overwritten, all else stays. The other kinds leave something out of it.
`lib.nn.adapters.reft` says where in a model they act.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.utils import parametrize

Active = Shaped[Tensor, "... rank"]
"""Zeros and ones, (rank) or one row for each vector: which coordinates of the subspace are edited."""


class Intervention(nn.Module):
    """Phi: vectors (..., dim) -> vectors (..., dim), h + edit(h). Subclasses give `edit`.

    `active` serves kinds that have a subspace. Raises ValueError for a rank that does not fit.
    """

    def __init__(self, dim: int, rank: int):
        super().__init__()
        if not 1 <= rank <= dim:
            raise ValueError(f"rank must be 1..dim = {dim}, got {rank}")
        self.dim, self.rank = dim, rank

    @classmethod
    def parameter_count(cls, dim: int, rank: int) -> int:
        """Trained numbers, counted without making them: two maps between dim and rank, and a bias."""
        return 2 * rank * dim + rank

    def edit(self, h: Float[Tensor, "... dim"], active: Active | None = None) -> Float[Tensor, "... dim"]:
        raise NotImplementedError

    def forward(self, h: Float[Tensor, "... dim"], active: Active | None = None) -> Float[Tensor, "... dim"]:
        return h + self.edit(h, active)


def _masked(coordinates: Tensor, active: Active | None) -> Tensor:
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

    def edit(self, h: Float[Tensor, "... dim"], active: Active | None = None) -> Float[Tensor, "... dim"]:
        rows = self.rows()
        difference = F.linear(h, self.source.weight - rows, self.source.bias)  # W h + b - R h = (W - R) h + b
        return _masked(difference, active) @ rows  # as rows of a batch, R^T x is x R


class DiReFT(Intervention):
    """h + W2^T (W1 h + b), both unconstrained (equation 3): LoRA on a hidden vector. W2 starts at zero: no change."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.source, self.target = nn.Linear(dim, rank), nn.Parameter(torch.zeros(rank, dim))

    def edit(self, h: Float[Tensor, "... dim"], active: Active | None = None) -> Float[Tensor, "... dim"]:
        return _masked(self.source(h), active) @ self.target  # as rows of a batch, W2^T x is x W2


class NoReFT(Intervention):
    """h + W2^T (W1 h + b - W2 h): LoReFT without orthonormal rows (table 17)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.source, self.target = nn.Linear(dim, rank), nn.Parameter(torch.empty(rank, dim))
        nn.init.uniform_(self.target, -1 / math.sqrt(dim), 1 / math.sqrt(dim))

    def edit(self, h: Float[Tensor, "... dim"], active: Active | None = None) -> Float[Tensor, "... dim"]:
        difference = F.linear(h, self.source.weight - self.target, self.source.bias)  # (W1 - W2) h + b
        return _masked(difference, active) @ self.target


class OrthogonalDiReFT(Intervention):
    """h + R^T (W h + b): orthonormal rows without the subtraction (table 17; called DireftIntervention in pyreft)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.rows, self.source = _Rows(dim, rank), nn.Linear(dim, rank)

    def edit(self, h: Float[Tensor, "... dim"], active: Active | None = None) -> Float[Tensor, "... dim"]:
        return _masked(self.source(h), active) @ self.rows()  # R^T (W h + b), rows of a batch


class ConsReFT(Intervention):
    """h + R^T (b - R h): the coordinates are set to constants (table 17; memorisation, appendix F)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.rows, self.constant = _Rows(dim, rank), nn.Parameter(torch.rand(rank))

    @classmethod
    def parameter_count(cls, dim: int, rank: int) -> int:
        return rank * dim + rank

    def edit(self, h: Float[Tensor, "... dim"], active: Active | None = None) -> Float[Tensor, "... dim"]:
        rows = self.rows()
        return _masked(self.constant - F.linear(h, rows), active) @ rows  # R^T (b - R h), rows of a batch


class LobiReFT(Intervention):
    """h + R^T b: a constant is added, whatever h is (table 17)."""

    def __init__(self, dim: int, rank: int):
        super().__init__(dim, rank)
        self.rows, self.constant = _Rows(dim, rank), nn.Parameter(torch.zeros(rank))

    @classmethod
    def parameter_count(cls, dim: int, rank: int) -> int:
        return rank * dim + rank

    def edit(self, h: Float[Tensor, "... dim"], active: Active | None = None) -> Float[Tensor, "... dim"]:
        return (_masked(self.constant, active) @ self.rows()).expand_as(h)


class RED(Intervention):
    """s * h + b (Wu et al., arXiv 2402.15179), starting as the identity. Has no rank; any is taken."""

    def __init__(self, dim: int, rank: int = 1):
        super().__init__(dim, rank)
        self.scale, self.shift = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))

    @classmethod
    def parameter_count(cls, dim: int, rank: int) -> int:
        return 2 * dim

    def edit(self, h: Float[Tensor, "... dim"], active: Active | None = None) -> Float[Tensor, "... dim"]:
        return (self.scale - 1) * h + self.shift  # s * h + b - h


class ActivationAddition(Intervention):
    """h + a, a fixed difference of two hidden vectors (Turner et al., arXiv 2308.10248): nothing is trained."""

    def __init__(self, dim: int, rank: int = 1):
        super().__init__(dim, rank)
        self.register_buffer("direction", torch.zeros(dim))

    @classmethod
    def parameter_count(cls, dim: int, rank: int) -> int:
        return 0

    def edit(self, h: Float[Tensor, "... dim"], active: Active | None = None) -> Float[Tensor, "... dim"]:
        return self.direction.to(h).expand_as(h)


INTERVENTIONS = {
    kind.__name__: kind
    for kind in (LoReFT, DiReFT, NoReFT, OrthogonalDiReFT, ConsReFT, LobiReFT, RED, ActivationAddition)
}
