"""The image tokenizer around the multi-scale quantizer: an encoder, a decoder, and images to codes and back.

`ReleasedEncoder` and `ReleasedDecoder` are the f16 autoencoder of latent diffusion (arXiv 2112.10752) under the names
of VAR's released weights; `SmallEncoder` and `SmallDecoder` learn 32 x 32 pixels as 8 x 8 latents in a minute of CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.nn.vision.quantizers import MultiScaleQuantizer, Quantized


def _norm(channels: int, groups: int = 32) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=1e-6)


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), with a 1 x 1 convolution on x where the width changes."""

    def __init__(self, inner: int, outer: int | None = None, groups: int = 32):
        super().__init__()
        outer = outer or inner
        self.norm1, self.conv1 = _norm(inner, groups), nn.Conv2d(inner, outer, 3, padding=1)
        self.norm2, self.conv2 = _norm(outer, groups), nn.Conv2d(outer, outer, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inner, outer, 1) if inner != outer else nn.Identity()

    def forward(self, x: Float[Tensor, "batch inner height width"]) -> Float[Tensor, "batch outer height width"]:
        h = self.conv1(F.silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class SpatialAttention(nn.Module):
    """Single-head attention of every place to every place, scale channels^-1/2, added to x."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm, self.qkv = _norm(channels), nn.Conv2d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        q, k, v = self.qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=-1)
        mixed = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return x + self.proj_out(mixed.transpose(1, 2).unflatten(-1, x.shape[2:]))


class _Downsample(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))  # one column and row more, on the right and below only


class _Upsample(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class _Middle(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.block_1, self.attn_1 = ResidualBlock(channels), SpatialAttention(channels)
        self.block_2 = ResidualBlock(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class _Level(nn.Module):
    """Residual blocks, each followed by attention where `attend`, then a change of resolution."""

    def __init__(self, inner: int, outer: int, blocks: int, attend: bool):
        super().__init__()
        self.block = nn.ModuleList([ResidualBlock(inner if i == 0 else outer, outer) for i in range(blocks)])
        self.attn = nn.ModuleList([SpatialAttention(outer) for _ in range(blocks if attend else 0)])

    def forward(self, x: Tensor) -> Tensor:
        for index, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[index](x)
        return x


class ReleasedEncoder(nn.Module):
    """(batch, 3, H, W) -> (batch, channels, H / 2^m, W / 2^m), m one less than the number of levels."""

    def __init__(
        self, channels: int = 32, ch: int = 160, multipliers: Sequence[int] = (1, 1, 2, 2, 4), blocks: int = 2
    ):
        super().__init__()
        self.conv_in = nn.Conv2d(3, ch, 3, padding=1)
        self.down, inner = nn.ModuleList(), ch
        for index, multiplier in enumerate(multipliers):
            last = index == len(multipliers) - 1
            level = _Level(inner, ch * multiplier, blocks, attend=last)
            if not last:
                level.downsample = _Downsample(ch * multiplier)
            self.down.append(level)
            inner = ch * multiplier
        self.mid = _Middle(inner)
        self.norm_out, self.conv_out = _norm(inner), nn.Conv2d(inner, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_in(x)
        for level in self.down:
            h = level(h)
            if hasattr(level, "downsample"):
                h = level.downsample(h)
        return self.conv_out(F.silu(self.norm_out(self.mid(h))))


class ReleasedDecoder(nn.Module):
    """The way back; one residual block more a level."""

    def __init__(
        self, channels: int = 32, ch: int = 160, multipliers: Sequence[int] = (1, 1, 2, 2, 4), blocks: int = 3
    ):
        super().__init__()
        inner = ch * multipliers[-1]
        self.conv_in, self.mid = nn.Conv2d(channels, inner, 3, padding=1), _Middle(inner)
        levels = []
        for index, multiplier in reversed(list(enumerate(multipliers))):
            level = _Level(inner, ch * multiplier, blocks, attend=index == len(multipliers) - 1)
            if index:
                level.upsample = _Upsample(ch * multiplier)
            levels.append(level)
            inner = ch * multiplier
        self.up = nn.ModuleList(reversed(levels))  # stored fine to coarse, run coarse to fine
        self.norm_out, self.conv_out = _norm(inner), nn.Conv2d(inner, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            h = level(h)
            if hasattr(level, "upsample"):
                h = level.upsample(h)
        return self.conv_out(F.silu(self.norm_out(h)))


class SmallEncoder(nn.Module):
    """(batch, 3, p n, p n) -> (batch, channels, n, n): a linear map of each patch of p x p pixels, plus some blocks.

    The blocks' part starts at zero, and `VQVAE.start_from` sets the linear part to the patches' principal components:
    so the continuous autoencoder is good before the first step, and training is left with the codes (ours; the
    convolutions of the paper's network need thousands of steps to get that far).
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


class VQVAE(nn.Module):
    """Images in [-1, 1] to codes and back: decoder(post_quant_conv(f_hat)), f = quant_conv(encoder(image))."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, quantizer: MultiScaleQuantizer):
        super().__init__()
        channels = quantizer.channels
        self.encoder, self.decoder, self.quantize = encoder, decoder, quantizer
        self.quant_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.post_quant_conv = nn.Conv2d(channels, channels, 3, padding=1)

    @classmethod
    def released(
        cls, ch: int = 160, patch_nums: Sequence[int] = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16), vocab_size: int = 4096
    ) -> VQVAE:
        """The released model's shape, 109 million parameters at ch = 160."""
        quantizer = MultiScaleQuantizer(vocab_size, 32, patch_nums)
        return cls(ReleasedEncoder(32, ch), ReleasedDecoder(32, ch), quantizer)

    @classmethod
    def from_checkpoint(cls, path: str | Path, **shape) -> VQVAE:
        """`released` with the weights of vae_ch160v4096z32.pth, read without pickle's code.

        Raises FileNotFoundError when there is no such file and ValueError when its weights do not fit.
        """
        model = cls.released(**shape)
        load_weights(model, path)
        return model.eval()

    @torch.no_grad()
    def start_from(self, images: Float[Tensor, "batch 3 height width"], *, seed: int = 0) -> None:
        """Set small networks to the principal components of the images' patches, and the codebook to k-means centres.

        Latents get unit variance on average. Raises TypeError for other networks than the small ones.
        """
        if not isinstance(self.encoder, SmallEncoder) or not isinstance(self.decoder, SmallDecoder):
            raise TypeError(f"start_from serves the small networks only, got {type(self.encoder).__name__}")
        layer, channels = self.encoder.patch, self.quantize.channels
        patches = F.unfold(images, layer.kernel_size, stride=layer.stride).transpose(1, 2).flatten(0, 1)
        mean = patches.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov((patches - mean).t()))
        order = values.argsort(descending=True)[:channels]
        scale = values[order].mean().clamp(min=1e-8).sqrt()
        directions = vectors[:, order].t()  # (channels, patch)
        layer.weight.copy_((directions / scale).view_as(layer.weight))
        layer.bias.copy_(-(directions / scale) @ mean)
        self.decoder.linear.weight.copy_((directions.t() * scale)[:, :, None, None])
        self.decoder.linear.bias.copy_(mean)
        for convolution in (self.quant_conv, self.post_quant_conv):
            nn.init.dirac_(convolution.weight)
            nn.init.zeros_(convolution.bias)
        self.quantize.start_from(self.latents(images), seed=seed)

    def latents(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels side side"]:
        return self.quant_conv(self.encoder(images))

    @torch.no_grad()
    def encode(self, images: Float[Tensor, "batch 3 height width"]) -> list[Int[Tensor, "batch tokens"]]:
        """The codes of every scale."""
        return self.quantize.encode(self.latents(images))

    def decode(self, f_hat: Float[Tensor, "batch channels side side"]) -> Float[Tensor, "batch 3 height width"]:
        return self.decoder(self.post_quant_conv(f_hat))

    @torch.no_grad()
    def film_strip(self, indices: Sequence[Int[Tensor, "batch tokens"]]) -> list[Float[Tensor, "batch 3 height width"]]:
        """The image after each scale, clamped to [-1, 1]."""
        return [self.decode(f_hat).clamp(-1, 1) for f_hat in self.quantize.partial_sums(indices)]

    @torch.no_grad()
    def reconstruct(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        f_hat = self.quantize.partial_sums(self.encode(images))[-1]
        return self.decode(f_hat).clamp(-1, 1)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch 3 height width"], Quantized]:
        """Reconstruction with gradients through the codes, and what the quantizer says."""
        quantized = self.quantize(self.latents(images))
        return self.decode(quantized.output), quantized


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Weights of a .pth (read with weights_only) or .safetensors file, strictly."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path.name!r}")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        weights = load_file(path)
    else:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"weights of {path.name!r} do not fit the model: {reason[:300]}") from None
