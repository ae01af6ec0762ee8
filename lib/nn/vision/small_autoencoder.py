"""A small autoencoder around the quantizer: 32 x 32 pixels as 8 x 8 latents, learned in a minute of CPU (ours)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lib.nn.vision.released_autoencoder import ResidualBlock


class SmallEncoder(nn.Module):
    """(batch, 3, p n, p n) -> (batch, channels, n, n): a linear map of each patch of p x p pixels, plus some blocks.

    The blocks' part starts at zero, and `start_from_principal_components` sets the linear part: so the continuous
    autoencoder is good before the first step, and training is left with the codes (ours; the convolutions of the
    paper's network need thousands of steps to get that far).
    """

    def __init__(self, channels: int = 16, width: int = 64, patch: int = 4, blocks: int = 2):
        super().__init__()
        self.patch = nn.Conv2d(3, channels, patch, stride=patch)
        self.inner = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width, groups=8) for _ in range(blocks)))
        self.outer = _zeroed(nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels side side"]:
        linear = self.patch(images)
        return linear + self.outer(self.blocks(self.inner(linear)))


class SmallDecoder(nn.Module):
    """(batch, channels, n, n) -> (batch, 3, p n, p n), the way back: a linear map to each patch, plus some blocks."""

    def __init__(self, channels: int = 16, width: int = 64, patch: int = 4, blocks: int = 3):
        super().__init__()
        self.linear = nn.Conv2d(channels, 3 * patch**2, 1)
        self.inner = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width, groups=8) for _ in range(blocks)))
        self.outer = _zeroed(nn.Conv2d(width, 3 * patch**2, 3, padding=1))
        self.shuffle = nn.PixelShuffle(patch)

    def forward(self, f_hat: Float[Tensor, "batch channels side side"]) -> Float[Tensor, "batch 3 height width"]:
        return self.shuffle(self.linear(f_hat) + self.outer(self.blocks(self.inner(f_hat))))


def _zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


@torch.no_grad()
def start_from_principal_components(
    encoder: SmallEncoder, decoder: SmallDecoder, images: Float[Tensor, "batch 3 height width"]
) -> None:
    """Set the linear parts to the principal components of the images' patches; latents get unit variance on average."""
    layer = encoder.patch
    patches = F.unfold(images, layer.kernel_size, stride=layer.stride).transpose(1, 2).flatten(0, 1)  # (rows, patch)
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((patches - mean).t()))
    order = values.argsort(descending=True)[: layer.out_channels]
    scale = values[order].mean().clamp(min=1e-8).sqrt()
    directions = vectors[:, order].t()  # (channels, patch)
    layer.weight.copy_((directions / scale).view_as(layer.weight))
    layer.bias.copy_(-(directions / scale) @ mean)
    decoder.linear.weight.copy_((directions.t() * scale)[:, :, None, None])
    decoder.linear.bias.copy_(mean)
