"""The image tokenizer around the multi-scale quantizer: an encoder, a decoder, and images to codes and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.nn.vision.quantizers import MultiScaleQuantizer, Quantized
from lib.nn.vision.released_autoencoder import ReleasedDecoder, ReleasedEncoder
from lib.nn.vision.small_autoencoder import SmallDecoder, SmallEncoder, start_from_principal_components
from lib.nn.weights import load_weights


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
    def from_checkpoint(cls, path: str | Path, **shape: Any) -> VQVAE:
        """`released` with the weights of vae_ch160v4096z32.pth, read without pickle's code.

        Raises FileNotFoundError when there is no such file and ValueError when its weights do not fit.
        """
        model = cls.released(**shape)
        load_weights(model, path)
        return model.eval()

    @torch.no_grad()
    def start_from(self, images: Float[Tensor, "batch 3 height width"], *, seed: int = 0) -> None:
        """Set small networks to the principal components of the images' patches, and the codebook to k-means centres.

        Raises TypeError for other networks than the small ones.
        """
        if not isinstance(self.encoder, SmallEncoder):
            raise TypeError(f"encoder must be a SmallEncoder for start_from, got {type(self.encoder).__name__}")
        if not isinstance(self.decoder, SmallDecoder):
            raise TypeError(f"decoder must be a SmallDecoder for start_from, got {type(self.decoder).__name__}")
        start_from_principal_components(self.encoder, self.decoder, images)
        for convolution in (self.quant_conv, self.post_quant_conv):
            nn.init.dirac_(convolution.weight)
            nn.init.zeros_(convolution.bias)
        self.quantize.start_from(self.latents(images), seed=seed)

    def latents(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels side side"]:
        return self.quant_conv(self.encoder(images))

    @torch.no_grad()
    def encode(self, images: Float[Tensor, "batch 3 height width"]) -> list[Int[Tensor, "batch _rows"]]:
        """The codes of every scale."""
        return self.quantize.encode(self.latents(images))

    def decode(self, f_hat: Float[Tensor, "batch channels side side"]) -> Float[Tensor, "batch 3 height width"]:
        return self.decoder(self.post_quant_conv(f_hat))

    @torch.no_grad()
    def film_strip(self, indices: Sequence[Int[Tensor, "batch _rows"]]) -> list[Float[Tensor, "batch 3 height width"]]:
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
