"""A small network that says of every pixel of a picture which object, if any, is drawn there.

    p(shape or background | pixel), p(colour | pixel) = softmax of two linear heads on one map of features

Three scales, 1, 1/2 and 1/4, joined on the way back as in a U-Net (Ronneberger et al., arXiv 1505.04597): what shape an
object has is seen at its whole extent, where it ends at single pixels. It takes the place that OWL-ViT has in VISOR
(arXiv 2212.10015). It is never told what a picture should show.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.data.scenes.captions import COLOURS
from lib.data.scenes.detector_pictures import BACKGROUND, UNASKED


class PixelKinds(NamedTuple):
    """Log-probabilities of every pixel: its shape or the background (last), and its colour if there is an object."""

    shape: Float[Tensor, "batch shapes height width"]
    colour: Float[Tensor, "batch colours height width"]


class RenderDetector(nn.Module):
    """Pictures (batch, 3, height, width) in [-1, 1] -> `PixelKinds`; 63,000 parameters at a width of 16.

    The maps have `width`, 2 `width` and 2 `width` channels at full, half and quarter size. Batch norms, so that in eval
    mode what is far away changes nothing. Raises ValueError for a width below 1, and for sides that are no multiple of
    four.
    """

    def __init__(self, width: int = 16):
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        super().__init__()
        self.width = width
        self.fine = nn.Sequential(_convolution(3, width), _convolution(width, width))
        self.middle = nn.Sequential(_convolution(width, 2 * width, stride=2), _convolution(2 * width, 2 * width))
        self.coarse = nn.Sequential(_convolution(2 * width, 2 * width, stride=2), _convolution(2 * width, 2 * width))
        self.to_middle = _convolution(4 * width, 2 * width)
        self.to_fine = nn.Sequential(_convolution(3 * width, width), _convolution(width, width))
        self.shapes, self.colours = nn.Conv2d(width, BACKGROUND + 1, 1), nn.Conv2d(width, len(COLOURS), 1)

    @property
    def num_features(self) -> int:
        """Numbers that `pooled` and `features` give of one picture."""
        return 3 * self.width

    def forward(self, pictures: Float[Tensor, "batch 3 height width"]) -> PixelKinds:
        _, last = self.maps(pictures)
        return PixelKinds(self.shapes(last).log_softmax(1), self.colours(last).log_softmax(1))

    def maps(
        self, pictures: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch coarse small narrow"], Float[Tensor, "batch fine height width"]]:
        """The coarsest features and those that the heads read."""
        if pictures.shape[2] % 4 or pictures.shape[3] % 4:
            raise ValueError(f"pictures must have sides that are multiples of 4, got {tuple(pictures.shape[2:])}")
        pictures = pictures.contiguous(memory_format=torch.channels_last)  # convolutions on a CPU are faster so
        fine = self.fine(pictures)  # (batch, channels, height, width)
        middle = self.middle(fine)  # (batch, 2 channels, height / 2, width / 2)
        coarse = self.coarse(middle)  # (batch, 2 channels, height / 4, width / 4)
        back = self.to_middle(torch.cat((_doubled(coarse), middle), 1))
        return coarse, self.to_fine(torch.cat((_doubled(back), fine), 1))

    def pooled(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        """One vector a picture: means over all places of the coarsest and of the last features."""
        return torch.cat([maps.mean((2, 3)) for maps in self.maps(pictures)], dim=1)

    def loss(
        self,
        pictures: Float[Tensor, "batch 3 height width"],
        shapes: Int[Tensor, "batch height width"],
        colours: Int[Tensor, "batch height width"],
    ) -> Float[Tensor, ""]:
        """Nats: -log p(shape or background), meaned over pixels, plus of objects' pixels -log p(shape | object) and
        -log p(colour), each meaned over those: nine pixels in ten are background and would drown the shapes.

        `shapes` are 0..3, `BACKGROUND` or `UNASKED`, `colours` 0..3 or `UNASKED`. A mean over nothing is 0.
        """
        kinds = self(pictures)
        given = torch.where(shapes == BACKGROUND, UNASKED, shapes)
        asked = ((kinds.shape, shapes), (kinds.shape[:, :BACKGROUND].log_softmax(1), given), (kinds.colour, colours))
        return sum(
            F.nll_loss(said, true, ignore_index=UNASKED, reduction="sum") / (true != UNASKED).sum().clamp(min=1)
            for said, true in asked
        )

    @torch.no_grad()
    def features(
        self, pictures: Float[np.ndarray, "pictures 3 height width"], batch: int = 256
    ) -> Float[np.ndarray, "pictures dim"]:
        """`pooled` of many pictures, in eval mode, as float64: for distances between clouds of pictures."""
        device, training = self.shapes.weight.device, self.training
        self.eval()
        parts = [
            self.pooled(torch.as_tensor(pictures[i : i + batch]).to(device)) for i in range(0, len(pictures), batch)
        ]
        self.train(training)
        return torch.cat(parts).cpu().double().numpy()


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _doubled(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2.0, mode="nearest")
