"""A small network whose features tell how near generated pictures are to real ones (`lib.evaluation.images`)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


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
        self.classes, self.numbers = nn.Linear(dim, num_classes), nn.Linear(dim, numbers)
        self.kinds = nn.Linear(dim, kinds)

    def forward(self, images: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch dim"]:
        """The features themselves, before the last nonlinearity."""
        maps = self.convolutions(images)  # (batch, 96, size / 8, size / 8)
        return self.hidden(maps.flatten(1))

    def loss(
        self,
        images: Float[Tensor, "batch 3 size size"],
        labels: Int[Tensor, " batch"],
        numbers: Float[Tensor, "batch numbers"],
        kinds: Int[Tensor, " batch"],
    ) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropy of class and stripes, and the squared error of the numbers (scaled to unit variance)."""
        features = F.silu(self(images))
        parts = {
            "classes": F.cross_entropy(self.classes(features), labels),
            "numbers": F.mse_loss(self.numbers(features), numbers),
            "kinds": F.cross_entropy(self.kinds(features), kinds),
        }
        return {"loss": parts["classes"] + 0.7 * parts["numbers"] + 0.3 * parts["kinds"], **parts}

    def features(
        self, images: Float[np.ndarray, "pictures 3 size size"], batch: int = 512
    ) -> Float[np.ndarray, "pictures dim"]:
        """Features of many pictures, in eval mode, as float64."""
        return self._in_parts(images, batch).cpu().double().numpy()

    @torch.no_grad()
    def predict(
        self, images: Float[np.ndarray, "pictures 3 size size"], batch: int = 512
    ) -> Int[np.ndarray, " pictures"]:
        """The likeliest class of many pictures, in eval mode."""
        return self.classes(F.silu(self._in_parts(images, batch))).argmax(1).cpu().numpy()

    @torch.no_grad()
    def _in_parts(self, images: np.ndarray, batch: int) -> Float[Tensor, "pictures dim"]:
        device, training = self.hidden.weight.device, self.training
        self.eval()
        parts = [self(torch.as_tensor(images[i : i + batch]).to(device)) for i in range(0, len(images), batch)]
        self.train(training)
        return torch.cat(parts)
