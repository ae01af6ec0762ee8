"""How near generated pictures are to real ones, in the features of a network: Frechet distance, precision, recall.

A distance is no better than its features. Print the floor (real against other real pictures) and, for a generator
behind a tokenizer, the tokenizer's own reconstructions beside it; neither compares with figures from another network.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def frechet_distance(real: Float[np.ndarray, "a dim"], other: Float[np.ndarray, "b dim"]) -> float:
    """|m - m'|^2 + tr(S + S' - 2 (S S')^{1/2}) of two clouds of features (Heusel et al., arXiv 1706.08500).

    In float64; the root's trace is the sum of the roots of the eigenvalues of S^{1/2} S' S^{1/2}, those below zero
    by rounding taken as zero. Raises ValueError when a cloud has fewer than two rows or the widths differ.
    """
    real, other = _features(real), _features(other)
    if real.shape[1] != other.shape[1]:
        raise ValueError(f"other must have real's width {real.shape[1]}, got {other.shape[1]}")
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
    recall: the same with the roles exchanged. Raises ValueError unless both have more than k rows.
    """
    real, other = _features(real), _features(other)
    if min(len(real), len(other)) <= neighbours or neighbours < 1:
        raise ValueError(f"neighbours must be at least 1 and below the number of rows, got {neighbours}")
    return _inside(real, other, neighbours), _inside(other, real, neighbours)


def _inside(centres: np.ndarray, points: np.ndarray, neighbours: int) -> float:
    a, b = torch.from_numpy(centres), torch.from_numpy(points)
    radius = torch.cat([torch.cdist(part, a).kthvalue(neighbours + 1, dim=1).values for part in a.split(1024)])
    return float(torch.cat([(torch.cdist(part, a) <= radius).any(1) for part in b.split(1024)]).double().mean())


def _features(rows) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"features must be (rows, dim) with at least two rows, got shape {rows.shape}")
    return rows


class FeatureNetwork(nn.Module):
    """A small CNN that tells class and within-class factors apart; its last hidden layer gives the features.

    Three convolutions with batch norm, no pooling over all places: where a thing lies has to be seen. Beside the class
    it is asked for `numbers` factors and `kinds` of stripes, so that its features carry more than the class. Train it
    on real pictures only, with a seed of its own, look at its accuracy, and never use it in a loss.
    """

    def __init__(self, num_classes: int, size: int = 32, *, numbers: int = 7, kinds: int = 3, dim: int = 64):
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 96, 3, padding=1, bias=False), nn.BatchNorm2d(96), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.hidden = nn.Linear(96 * (size // 8) ** 2, dim)
        self.classes, self.numbers, self.kinds = (
            nn.Linear(dim, num_classes),
            nn.Linear(dim, numbers),
            nn.Linear(dim, kinds),
        )

    def forward(self, images: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch dim"]:
        """The features themselves, before the last nonlinearity."""
        return self.hidden(self.convolutions(images).flatten(1))

    def loss(self, images: Tensor, labels: Tensor, numbers: Tensor, kinds: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of class and stripes, and the squared error of the numbers (scaled to unit variance)."""
        features = F.silu(self(images))
        parts = {
            "classes": F.cross_entropy(self.classes(features), labels),
            "numbers": F.mse_loss(self.numbers(features), numbers),
            "kinds": F.cross_entropy(self.kinds(features), kinds),
        }
        return {"loss": parts["classes"] + 0.7 * parts["numbers"] + 0.3 * parts["kinds"], **parts}

    @torch.no_grad()
    def features(self, images: Float[np.ndarray, "pictures 3 size size"], batch: int = 512) -> np.ndarray:
        """Features of many pictures, in eval mode, as float64."""
        device, training = self.hidden.weight.device, self.training
        self.eval()
        parts = [self(torch.as_tensor(images[i : i + batch]).to(device)) for i in range(0, len(images), batch)]
        self.train(training)
        return torch.cat(parts).cpu().double().numpy()

    @torch.no_grad()
    def predict(self, images: Float[np.ndarray, "pictures 3 size size"], batch: int = 512) -> np.ndarray:
        """The likeliest class of many pictures, in eval mode."""
        device, training = self.hidden.weight.device, self.training
        self.eval()
        parts = [
            self.classes(F.silu(self(torch.as_tensor(images[i : i + batch]).to(device)))).argmax(1)
            for i in range(0, len(images), batch)
        ]
        self.train(training)
        return torch.cat(parts).cpu().numpy()
