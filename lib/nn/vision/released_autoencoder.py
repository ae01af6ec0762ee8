"""The f16 autoencoder of latent diffusion (Rombach et al., arXiv 2112.10752) under the names of VAR's released weights.

Each level is a few residual blocks, with attention at the lowest resolution, and a change of resolution by two.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def group_norm(channels: int, groups: int = 32) -> nn.GroupNorm:
    """Group norm with the released epsilon."""
    return nn.GroupNorm(groups, channels, eps=1e-6)


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), with a 1 x 1 convolution on x where the width changes."""

    def __init__(self, inner: int, outer: int | None = None, groups: int = 32):
        super().__init__()
        outer = outer or inner
        self.norm1, self.conv1 = group_norm(inner, groups), nn.Conv2d(inner, outer, 3, padding=1)
        self.norm2, self.conv2 = group_norm(outer, groups), nn.Conv2d(outer, outer, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inner, outer, 1) if inner != outer else nn.Identity()

    def forward(self, x: Float[Tensor, "batch inner height width"]) -> Float[Tensor, "batch outer height width"]:
        h = self.conv1(F.silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class SpatialAttention(nn.Module):
    """Single-head attention of every place to every place, scale channels^-1/2, added to x."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm, self.qkv = group_norm(channels), nn.Conv2d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        q, k, v = self.qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=-1)  # (batch, places, channels)
        mixed = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return x + self.proj_out(mixed.transpose(1, 2).unflatten(-1, x.shape[2:]))


class Downsample(nn.Module):
    """A convolution of stride two."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels low narrow"]:
        return self.conv(F.pad(x, (0, 1, 0, 1)))  # one column and row more, on the right and below only


class Upsample(nn.Module):
    """Every place twice in both directions, then a convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels high wide"]:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class Middle(nn.Module):
    """A residual block before and behind an attention, at the lowest resolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.block_1, self.attn_1 = ResidualBlock(channels), SpatialAttention(channels)
        self.block_2 = ResidualBlock(channels)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        return self.block_2(self.attn_1(self.block_1(x)))


class Level(nn.Module):
    """Residual blocks at one resolution, each followed by attention where `attend`."""

    def __init__(self, inner: int, outer: int, blocks: int, *, attend: bool):
        super().__init__()
        self.block = nn.ModuleList([ResidualBlock(inner if i == 0 else outer, outer) for i in range(blocks)])
        self.attn = nn.ModuleList([SpatialAttention(outer) if attend else nn.Identity() for _ in range(blocks)])

    def forward(self, x: Float[Tensor, "batch inner height width"]) -> Float[Tensor, "batch outer height width"]:
        for block, attention in zip(self.block, self.attn, strict=True):
            x = attention(block(x))
        return x


class DownLevel(Level):
    """A level of the encoder, then half the resolution except behind the `last`."""

    def __init__(self, inner: int, outer: int, blocks: int, *, last: bool):
        super().__init__(inner, outer, blocks, attend=last)
        self.downsample = nn.Identity() if last else Downsample(outer)

    def forward(self, x: Float[Tensor, "batch inner height width"]) -> Float[Tensor, "batch outer low narrow"]:
        return self.downsample(super().forward(x))


class UpLevel(Level):
    """A level of the decoder, then twice the resolution except behind the finest; the coarsest attends."""

    def __init__(self, inner: int, outer: int, blocks: int, *, coarsest: bool, finest: bool):
        super().__init__(inner, outer, blocks, attend=coarsest)
        self.upsample = nn.Identity() if finest else Upsample(outer)

    def forward(self, x: Float[Tensor, "batch inner height width"]) -> Float[Tensor, "batch outer high wide"]:
        return self.upsample(super().forward(x))


class ReleasedEncoder(nn.Module):
    """(batch, 3, H, W) -> (batch, channels, H / 2^m, W / 2^m), m one less than the number of levels."""

    def __init__(
        self, channels: int = 32, ch: int = 160, multipliers: Sequence[int] = (1, 1, 2, 2, 4), blocks: int = 2
    ):
        super().__init__()
        self.conv_in = nn.Conv2d(3, ch, 3, padding=1)
        widths, last = [ch, *(ch * multiplier for multiplier in multipliers)], len(multipliers) - 1
        self.down = nn.ModuleList(
            [DownLevel(widths[i], widths[i + 1], blocks, last=i == last) for i in range(len(multipliers))]
        )
        self.mid = Middle(widths[-1])
        self.norm_out, self.conv_out = group_norm(widths[-1]), nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels low narrow"]:
        h = self.conv_in(x)  # (batch, ch, H, W)
        for level in self.down:
            h = level(h)  # half the sides, multiplier * ch channels
        return self.conv_out(F.silu(self.norm_out(self.mid(h))))


class ReleasedDecoder(nn.Module):
    """The way back; one residual block more a level."""

    def __init__(
        self, channels: int = 32, ch: int = 160, multipliers: Sequence[int] = (1, 1, 2, 2, 4), blocks: int = 3
    ):
        super().__init__()
        widths, last = [ch * multiplier for multiplier in multipliers], len(multipliers) - 1
        self.conv_in, self.mid = nn.Conv2d(channels, widths[last], 3, padding=1), Middle(widths[last])
        levels = [
            UpLevel(widths[min(i + 1, last)], widths[i], blocks, coarsest=i == last, finest=i == 0)
            for i in reversed(range(len(multipliers)))
        ]
        self.up = nn.ModuleList(reversed(levels))  # stored fine to coarse, run coarse to fine
        self.norm_out, self.conv_out = group_norm(widths[0]), nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, z: Float[Tensor, "batch channels low narrow"]) -> Float[Tensor, "batch 3 height width"]:
        h = self.mid(self.conv_in(z))  # (batch, widest, h, w)
        for level in reversed(self.up):
            h = level(h)  # twice the sides
        return self.conv_out(F.silu(self.norm_out(h)))
