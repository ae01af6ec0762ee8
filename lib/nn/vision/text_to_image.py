"""A text-to-image model: a causal text encoder, a U-Net that reads its states, and a noise schedule.

Latents stand where a VAE would put them, and no network makes them: `pixel_unshuffle` lays each square of 2 x 2 pixels
into channels, (3, H, W) -> (12, H / 2, W / 2), and `pixel_shuffle` lays it back. Nothing is lost, nothing learned.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.language.clip_text import ClipTextConfig, ClipTextEncoder
from lib.nn.vision.noise_schedule import NoiseSchedule
from lib.nn.vision.unet import UNet
from lib.nn.vision.unet_config import UNetConfig


class TextToImage(nn.Module):
    """Pictures (batch, 3, H, W) in [-1, 1] from tokens (batch, length); the encoder's width is what the U-Net reads.

    Raises ValueError when the two do not fit.
    """

    def __init__(self, text: ClipTextConfig, unet: UNetConfig, schedule: NoiseSchedule):
        if text.hidden_size != unet.cross_attention_dim:
            raise ValueError(
                f"cross_attention_dim must be the text encoder's hidden_size ({text.hidden_size}), "
                f"got {unet.cross_attention_dim}"
            )
        super().__init__()
        self.text_encoder, self.unet, self.schedule = ClipTextEncoder(text), UNet(unet), schedule

    @staticmethod
    def latents(pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 12 half_height half_width"]:
        """2 x 2 pixels into channels."""
        return F.pixel_unshuffle(pictures, 2)

    @staticmethod
    def pictures(latents: Float[Tensor, "batch 12 half_height half_width"]) -> Float[Tensor, "batch 3 height width"]:
        """The way back."""
        return F.pixel_shuffle(latents, 2)

    def text_states(
        self, tokens: Int[Tensor, "batch length"]
    ) -> tuple[Float[Tensor, "batch length dim"], Bool[Tensor, "batch length"]]:
        """States of every token, and which of them may be seen: those up to the end of the text."""
        return self.text_encoder(tokens), self.text_encoder.until_end(tokens)
