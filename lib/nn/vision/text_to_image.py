"""A text-to-image model: a causal text encoder, a U-Net that reads its states, and a noise schedule.

Latents stand where a VAE would put them, and no network makes them: `pixel_unshuffle` lays each square of 2 x 2 pixels
into channels, (3, H, W) -> (12, H / 2, W / 2), and `pixel_shuffle` lays it back. Nothing is lost, nothing learned, and
nothing is saved: as many numbers as before, on a quarter of the positions.

A U-Net of few layers hardly knows where on the picture it is: only the zeros beyond the edges tell it. Where it takes
two channels more than it gives, the coordinates of each place are laid beside the latents (CoordConv; Liu et al., arXiv
1807.03247).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.language.clip_text import ClipTextConfig, ClipTextEncoder
from lib.nn.vision.diffusion_sampling import METHODS, sample_latents
from lib.nn.vision.noise_schedule import NoiseSchedule
from lib.nn.vision.unet import PreparedContext, PreparedTime, UNet
from lib.nn.vision.unet_config import UNetConfig

COORDINATES = 2


def coordinates(x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch 2 height width"]:
    """Of each place from the left and from the top, -1 to 1."""
    down, across = (torch.linspace(-1, 1, side, dtype=x.dtype, device=x.device) for side in x.shape[2:])
    grid = torch.stack((across.expand(len(down), -1), down[:, None].expand(-1, len(across))))
    return grid.expand(len(x), -1, -1, -1)


class TextToImage(nn.Module):
    """Pictures (batch, 3, H, W) in [-1, 1] from tokens (batch, length); the encoder's width is what the U-Net reads.

    Raises ValueError when the two do not fit, and for a U-Net that takes other channels than it gives, or two more.
    """

    def __init__(self, text: ClipTextConfig, unet: UNetConfig, schedule: NoiseSchedule):
        if text.hidden_size != unet.cross_attention_dim:
            raise ValueError(
                f"cross_attention_dim must be the text encoder's hidden_size ({text.hidden_size}), "
                f"got {unet.cross_attention_dim}"
            )
        if unet.in_channels - unet.out_channels not in (0, COORDINATES):
            raise ValueError(
                f"in_channels must be out_channels ({unet.out_channels}) or {COORDINATES} more, got {unet.in_channels}"
            )
        super().__init__()
        self.text_encoder, self.unet, self.schedule = ClipTextEncoder(text), UNet(unet), schedule

    @staticmethod
    def latents(pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 12 half_height half_width"]:
        """2 x 2 pixels into channels. Raises ValueError for an odd height or width."""
        height, width = pictures.shape[2:]
        if height % 2 or width % 2:
            raise ValueError(f"pictures must have an even height and width, got {height} x {width}")
        return F.pixel_unshuffle(pictures, 2)

    @staticmethod
    def pictures(latents: Float[Tensor, "batch 12 half_height half_width"]) -> Float[Tensor, "batch 3 height width"]:
        """The way back."""
        return F.pixel_shuffle(latents, 2)

    def denoise(
        self,
        x: Float[Tensor, "batch channels height width"],
        t: Int[Tensor, "#batch"] | Float[Tensor, "#batch"] | int | PreparedTime,
        context: Float[Tensor, "texts tokens context_dim"] | PreparedContext,
        context_mask: Bool[Tensor, "texts tokens"] | None = None,
    ) -> Float[Tensor, "texts channels height width"]:
        """What the U-Net says of the latents x, which get their coordinates where it takes them; else as `UNet`."""
        if self.unet.config.in_channels > self.unet.config.out_channels:
            x = torch.cat((x, coordinates(x)), 1)
        return self.unet(x, t, context, context_mask)

    def text_states(
        self, tokens: Int[Tensor, "batch length"]
    ) -> tuple[Float[Tensor, "batch length dim"], Bool[Tensor, "batch length"]]:
        """States of every token, and which of them may be seen: those up to the end of the text."""
        return self.text_encoder(tokens), self.text_encoder.until_end(tokens)

    def context(self, tokens: Int[Tensor, "batch length"], guidance: float = 1.0) -> PreparedContext:
        """The prompts as the U-Net reads them, and after them, unless guidance is 1, as many empty ones.

        What `sample_latents` wants of a text, with gradients where they are on. Raises ValueError for a prompt that is
        empty, has no end, holds an unknown token or is longer than the encoder.
        """
        config = self.text_encoder.config
        if not len(tokens):
            raise ValueError("tokens must hold at least one prompt, got none")
        if int(tokens.min()) < 0 or int(tokens.max()) >= config.vocab_size:
            raise ValueError(f"tokens must be in 0..{config.vocab_size - 1}, the vocabulary")
        words = self.text_encoder.ends(tokens) - (tokens[:, 0] == config.bos_token_id).int()
        if empty := (words < 1).nonzero().flatten().tolist():
            raise ValueError(f"tokens must hold at least one word of every prompt, prompt {empty[0]} is empty")
        if guidance == 1:
            return self.unet.prepare(*self.text_states(tokens))
        states, seen = self.text_states(torch.cat((tokens, self._empty(tokens)[:1])))  # the empty one is read once
        count = len(tokens)
        states = torch.cat((states[:count], states[count:].expand(count, -1, -1)))
        return self.unet.prepare(states, torch.cat((seen[:count], seen[count:].expand(count, -1))))

    def draw(
        self,
        tokens: Int[Tensor, "batch length"],
        noise: Float[Tensor, "batch 12 half_height half_width"],
        steps: int = 15,
        guidance: float = 3.0,
        sampler: str = "ddim",
        *,
        eta: float = 0.0,
        spacing: str = "leading",
        offset: int = 1,
        clip: float | None = None,
        generator: torch.Generator | None = None,
        on_step: Callable[[int, Tensor], object] | None = None,
    ) -> Float[Tensor, "batch 3 height width"]:
        """Pictures in [-1, 1] for the prompts, from latents that are all `noise`; without gradients.

        Texts are read once and times embedded at once, before the first step. What `on_step` gets, and attention maps
        that are recorded meanwhile, are torch's inference tensors: to look at, not to train on. Options: see
        `sample_latents`, which raises ValueError for a guidance below 0 and a number of steps that the schedule does
        not have; `context` does so for the tokens, and this for noise of another size and an unknown sampler.
        """
        if sampler not in METHODS:
            raise ValueError(f"sampler must be one of {', '.join(METHODS)}, got {sampler!r}")
        channels = self.unet.config.out_channels
        if noise.ndim != 4 or noise.shape[:2] != (len(tokens), channels):
            shape = tuple(noise.shape)
            raise ValueError(f"noise must be latents ({len(tokens)}, {channels}, height, width), got the shape {shape}")
        with torch.inference_mode():
            context = self.context(tokens, guidance)
            times = self.schedule.timesteps(steps, spacing, offset)
            prepared = dict(zip(times, self.unet.prepare_times(times), strict=True))
            latents = sample_latents(
                lambda x, t: self.denoise(x[: len(tokens)], prepared[int(t[0])], context),  # both halves are the same
                noise, self.schedule, steps, method=sampler, eta=eta, guidance=guidance, spacing=spacing,
                offset=offset, clip=clip, generator=generator, on_step=on_step,
            )  # fmt: skip
            pictures = self.pictures(latents).clamp(-1, 1)
        return pictures.clone()  # outside of inference mode: a tensor like any other

    def _empty(self, tokens: Tensor) -> Tensor:
        """The empty text as often and as long as these: begin, end, padding."""
        config = self.text_encoder.config
        empty = torch.full_like(tokens, config.pad_token_id)
        empty[:, 0], empty[:, 1] = config.bos_token_id, config.eos_token_id
        return empty
