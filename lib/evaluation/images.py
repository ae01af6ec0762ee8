"""How near generated pictures are to real ones, in the features of a network: Frechet distance, precision, recall.

A distance is no better than its features. Print the floor (real against other real pictures) and, for a generator
behind a tokenizer, the tokenizer's own reconstructions beside it; neither compares with figures from another network.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float


def frechet_distance(real: Float[np.ndarray, "a dim"], other: Float[np.ndarray, "b dim"]) -> float:
    """|m - m'|^2 + tr(S + S' - 2 (S S')^{1/2}) of two clouds of features (Heusel et al., arXiv 1706.08500).

    In float64; the root's trace is the sum of the roots of the eigenvalues of S^{1/2} S' S^{1/2}, those below zero
    by rounding taken as zero. Raises ValueError when a cloud has fewer than two rows, the widths differ or a number is
    not finite.
    """
    real, other = _features(real=real, other=other)
    first, second = (np.cov(cloud, rowvar=False).reshape(cloud.shape[1], -1) for cloud in (real, other))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    roots = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None))
    apart = real.mean(0) - other.mean(0)
    return max(0.0, float(apart @ apart + np.trace(first) + np.trace(second) - 2 * roots.sum()))


def precision_recall(
    real: Float[np.ndarray, "a dim"], other: Float[np.ndarray, "b dim"], *, neighbours: int = 3
) -> tuple[float, float]:
    """(precision, recall) of Kynkaanniemi et al. (arXiv 1904.06991).

    Precision: share of `other` inside a ball around some real row that reaches to its k-th nearest real neighbour;
    recall: the same with the roles exchanged. Raises ValueError unless both have more than k rows of the same width,
    all finite: one infinite real row would lie far from all, and its ball around everything.
    """
    real, other = _features(real=real, other=other)
    if min(len(real), len(other)) <= neighbours or neighbours < 1:
        raise ValueError(f"neighbours must be at least 1 and below the number of rows, got {neighbours}")
    return _inside(real, other, neighbours), _inside(other, real, neighbours)


def _inside(centres: np.ndarray, points: np.ndarray, neighbours: int) -> float:
    a, b = torch.from_numpy(centres), torch.from_numpy(points)
    radius = torch.cat([torch.cdist(part, a).kthvalue(neighbours + 1, dim=1).values for part in a.split(1024)])
    return float(torch.cat([(torch.cdist(part, a) <= radius).any(1) for part in b.split(1024)]).double().mean())


def _features(**clouds) -> list[np.ndarray]:
    """The clouds, given by name, in float64. Raises ValueError when one is no cloud or they do not go together."""
    found: list[np.ndarray] = []
    for name, rows in clouds.items():
        rows = np.asarray(rows, dtype=np.float64)
        if rows.ndim != 2 or len(rows) < 2:
            raise ValueError(f"{name} must be (rows, dim) with at least two rows, got shape {rows.shape}")
        if not np.isfinite(rows).all():
            broken = int((~np.isfinite(rows).all(1)).sum())
            raise ValueError(f"{name} must be finite, got NaN or infinity in {broken} of {len(rows)} rows")
        if found and rows.shape[1] != found[0].shape[1]:
            raise ValueError(f"{name} must have {next(iter(clouds))}'s width {found[0].shape[1]}, got {rows.shape[1]}")
        found.append(rows)
    return found
