"""How alike two layers see the same inputs: centred kernel alignment (Kornblith et al., arXiv 1905.00414)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def linear_cka(
    first: Float[np.ndarray, "rows p"], second: Float[np.ndarray, "rows q"], *, unbiased: bool = False
) -> float:
    """Linear CKA of two layers' activations on the same inputs, columns centred:

        |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F) = HSIC(X X^T, Y Y^T) / sqrt(HSIC(X X^T, X X^T) HSIC(Y Y^T, Y Y^T))

    1 for layers equal up to a rotation and one common scale, 0 for uncorrelated ones; an invertible matrix that is no
    rotation changes it. With fewer rows than columns even unrelated layers come out near 1. `unbiased` takes the
    estimator of HSIC without that bias (Song et al., JMLR 2012; Nguyen et al., arXiv 2010.15327), whose CKA is near 0
    for unrelated layers of any width, and may be below it.
    Raises ValueError when the rows differ in number or are fewer than two (unbiased: four), a number is not finite,
    and for a layer that says the same of every input (unbiased: or whose estimate of its own HSIC is not positive).
    """
    x, y = _centred("first", first), _centred("second", second)
    if len(x) != len(y):
        raise ValueError(f"second must have first's rows, {len(x)}, got {len(y)}")
    if not unbiased:
        return float(((y.T @ x) ** 2).sum() / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))
    if len(x) < 4:
        raise ValueError(f"rows must be at least 4 for the unbiased estimator, got {len(x)}")
    own = [_hsic(x, x), _hsic(y, y)]
    if min(own) <= 0:
        raise ValueError(f"first and second must vary enough for the unbiased estimator, got an HSIC of {min(own):.3g}")
    return float(_hsic(x, y) / np.sqrt(own[0] * own[1]))


def _hsic(x: np.ndarray, y: np.ndarray) -> float:
    """HSIC_1 of Song et al., times n (n - 3): K and L with empty diagonals,
    tr(K L) + sum(K) sum(L) / ((n - 1)(n - 2)) - 2 / (n - 2) sum(K L)."""
    n = len(x)
    k, l = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    return float((k * l).sum() + k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k.sum(0) @ l.sum(0)))


def _centred(name: str, rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"{name} must be (rows, width) with at least two rows, got shape {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    if (rows == rows[0]).all():
        raise ValueError(f"{name} must vary over its rows, got the same row {len(rows)} times")
    return rows - rows.mean(0)
