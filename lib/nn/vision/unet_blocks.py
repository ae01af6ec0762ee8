"""The levels of a latent-diffusion U-Net: res-blocks told the time, transformers told the text, down and up by two.

Names as in diffusers' `UNet2DConditionModel`. What the layers are told comes as two iterators, `shifts` of the
res-blocks and `texts` of the transformers, of which every layer takes its own, in the order in which the layers run.
Where there are more texts than pictures, the first transformer makes as many rows of x as there are texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lib.nn.vision.cross_attention import BasicTransformerBlock, KeysValues, repeated
from lib.nn.vision.unet_config import UNetConfig

TRANSFORMER_EPS = 1e-6
"""Of the group norm before a transformer, whatever `norm_eps` says; so in diffusers."""


class GroupNorm(nn.GroupNorm):
    """As torch's, without its look at the sizes on every call: a U-Net's groups hold many values."""

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution with the channels last: one product, with a convolution's weights. (batch, ..., channels)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "batch ... channels"]) -> Float[Tensor, "batch ... out_channels"]:
        return F.linear(x, self.weight.flatten(1), self.bias)


class ResnetBlock2D(nn.Module):
    """y = skip(x) + conv(silu(norm(conv(silu(norm x)) + shift))), the shift W_t silu(time) the same at every position.

    `skip` is a 1x1 convolution where the number of channels changes, else nothing.
    """

    def __init__(self, in_channels: int, out_channels: int, config: UNetConfig):
        super().__init__()
        groups, eps = config.norm_num_groups, config.norm_eps
        self.norm1 = GroupNorm(groups, in_channels, eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_emb_proj = nn.Linear(config.time_width, out_channels)
        self.norm2 = GroupNorm(groups, out_channels, eps)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.conv_shortcut = PointwiseConv2d(in_channels, out_channels) if in_channels != out_channels else None

    def forward(
        self, x: Float[Tensor, "batch channels height width"], shift: Float[Tensor, "times out_channels"]
    ) -> Float[Tensor, "batch out_channels height width"]:
        """`shift` is that of each picture, or one for all of them."""
        y = self.conv1(F.silu(self.norm1(x)))
        y = y + (shift if len(shift) == 1 else repeated(shift, y))[:, :, None, None]
        y = self.conv2(F.silu(self.norm2(y)))
        if self.conv_shortcut is not None:
            x = self.conv_shortcut(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return y + x


class Transformer2DModel(nn.Module):
    """x + W_out blocks(W_in norm(x)), every position a token. W: 1x1 convolutions or, in newer models, linear."""

    def __init__(self, channels: int, num_heads: int, config: UNetConfig):
        super().__init__()
        project = nn.Linear if config.use_linear_projection else PointwiseConv2d
        self.norm = GroupNorm(config.norm_num_groups, channels, TRANSFORMER_EPS)
        self.proj_in = project(channels, channels)
        self.transformer_blocks = nn.ModuleList(
            BasicTransformerBlock(channels, num_heads, config.cross_attention_dim, config.upcast_attention)
            for _ in range(config.transformer_layers_per_block)
        )
        self.proj_out = project(channels, channels)

    def forward(
        self, x: Float[Tensor, "batch channels height width"], texts: Iterator[KeysValues]
    ) -> Float[Tensor, "many channels height width"]:
        rows = self.proj_in(self.norm(x).permute(0, 2, 3, 1).flatten(1, 2))  # (batch, height * width, channels)
        for block in self.transformer_blocks:
            rows = block(rows, next(texts))
        return repeated(x, rows) + self.proj_out(rows).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


class Resized(nn.Module):
    """Half or twice the size: a convolution of stride 2, or the nearest neighbour's value and then a convolution."""

    def __init__(self, channels: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride, padding=1)

    def forward(
        self, x: Float[Tensor, "batch channels height width"], size: tuple[int, int] | None = None
    ) -> Float[Tensor, "batch channels new_height new_width"]:
        """`size` is that of the level to go up to, which may be odd; None goes down."""
        if size is None:
            return self.conv(x)
        doubled = size == (2 * x.shape[2], 2 * x.shape[3])
        if x.is_cpu and doubled and x.numel() > 4 * self.conv.weight.numel():
            return F.conv_transpose2d(x, self._doubling(), self.conv.bias, 2, 1)
        return self.conv(F.interpolate(x, size))

    def _doubling(self) -> Tensor:
        """Each value four times and then 3 x 3 weights are one transposed convolution of 4 x 4 weights, their sums over
        2 x 2: 2.25 times fewer products, which pays where there are many values for these weights.
        """
        return F.avg_pool2d(self.conv.weight, 2, 1, 1, divisor_override=1).flip(2, 3).transpose(0, 1)


class Level(nn.Module):
    """Res-blocks of one size, `widths` the channels that each takes, and with `heads` a transformer after each.

    The levels of the way down, of the middle and of the way up differ in how they run them.
    """

    def __init__(self, widths: Sequence[int], out_channels: int, heads: int | None, config: UNetConfig):
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock2D(width, out_channels, config) for width in widths)
        self.attentions = None
        if heads is not None:
            self.attentions = nn.ModuleList(Transformer2DModel(out_channels, heads, config) for _ in widths)

    def layers(self) -> Iterator[tuple[ResnetBlock2D, Transformer2DModel | None]]:
        """Res-blocks and the transformers after them."""
        return zip_longest(self.resnets, self.attentions or ())


class DownBlock(Level):
    """A level of the way down; what the way up will need is appended to `skips`."""

    def __init__(self, widths: Sequence[int], out_channels: int, heads: int | None, config: UNetConfig, last: bool):
        super().__init__(widths, out_channels, heads, config)
        self.downsamplers = None if last else nn.ModuleList((Resized(out_channels, 2),))

    def forward(
        self,
        x: Float[Tensor, "batch channels height width"],
        shifts: Iterator[Tensor],
        texts: Iterator[KeysValues],
        skips: list[Tensor],
    ) -> Float[Tensor, "many out_channels new_height new_width"]:
        for resnet, attention in self.layers():
            x = resnet(x, next(shifts))
            if attention is not None:
                x = attention(x, texts)
            skips.append(x)
        if self.downsamplers is not None:
            x = self.downsamplers[0](x)
            skips.append(x)
        return x


class MidBlock(Level):
    """The lowest level: res-block, transformer, res-block."""

    def __init__(self, channels: int, heads: int, config: UNetConfig):
        super().__init__((channels,), channels, heads, config)
        self.resnets.append(ResnetBlock2D(channels, channels, config))

    def forward(
        self, x: Float[Tensor, "batch channels height width"], shifts: Iterator[Tensor], texts: Iterator[KeysValues]
    ) -> Float[Tensor, "many channels height width"]:
        for resnet, attention in self.layers():
            x = resnet(x, next(shifts))
            if attention is not None:
                x = attention(x, texts)
        return x


class UpBlock(Level):
    """A level of the way up: every res-block takes the last of the `skips` beside its input."""

    def __init__(self, widths: Sequence[int], out_channels: int, heads: int | None, config: UNetConfig, last: bool):
        super().__init__(widths, out_channels, heads, config)
        self.upsamplers = None if last else nn.ModuleList((Resized(out_channels),))

    def forward(
        self,
        x: Float[Tensor, "batch channels height width"],
        shifts: Iterator[Tensor],
        texts: Iterator[KeysValues],
        skips: list[Tensor],
    ) -> Float[Tensor, "many out_channels new_height new_width"]:
        for resnet, attention in self.layers():
            x = resnet(torch.cat((x, repeated(skips.pop(), x)), 1), next(shifts))
            if attention is not None:
                x = attention(x, texts)
        if self.upsamplers is not None:
            height, width = skips[-1].shape[2:]
            x = self.upsamplers[0](x, (height, width))
        return x
