"""The U-Net of latent diffusion (Rombach et al., arXiv 2112.10752): what noise is in x_t, given the time and a text.

Structure and names are those of diffusers' `UNet2DConditionModel`, so that its weights load as they are. Convolutions
run with the channels last, where a picture's rows are a transformer's tokens without a copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.language import hugging_face
from lib.nn.vision.cross_attention import CrossAttention, KeysValues
from lib.nn.vision.diffusers_folder import read_diffusers_weights
from lib.nn.vision.unet_blocks import DownBlock, GroupNorm, MidBlock, ResnetBlock2D, UpBlock
from lib.nn.vision.unet_config import UNetConfig


class PreparedContext(NamedTuple):
    """A text as the U-Net's layers read it, from `UNet.prepare`: it does not change over the steps of a sampler."""

    layers: tuple[KeysValues, ...]


class PreparedTime(NamedTuple):
    """One time as the U-Net's res-blocks read it, from `UNet.prepare_times`."""

    shifts: tuple[Float[Tensor, "times channels"], ...]


class UNet(nn.Module):
    """Noisy latents x_t, times t and a text's states -> noise, velocity or x_0, whichever it was trained for.

    A text may be given as its states (batch, tokens, cross_attention_dim) or prepared, a time as numbers or prepared.
    Sizes need no common factor: the way up takes the sizes of the way down.
    """

    def __init__(self, config: UNetConfig):
        super().__init__()
        self.config = config
        widths, heads, layers = config.block_out_channels, config.heads, config.layers
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(widths[0], config.time_width)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        skips, width = [widths[0]], widths[0]  # channels of what the way up will take
        for level, kind in enumerate(config.down_block_types):
            ins, last = [width, *[widths[level]] * (layers[level] - 1)], level == len(widths) - 1
            width = widths[level]
            skips += [width] * (layers[level] + (not last))
            self.down_blocks.append(DownBlock(ins, width, _heads_if(kind, heads[level]), config, last))
        self.mid_block = MidBlock(width, heads[-1], config)
        for level, kind in zip(reversed(range(len(widths))), config.up_block_types, strict=True):
            ins = []
            for _ in range(layers[level] + 1):
                ins.append(width + skips.pop())
                width = widths[level]
            self.up_blocks.append(UpBlock(ins, width, _heads_if(kind, heads[level]), config, level == 0))
        self.conv_norm_out = GroupNorm(config.norm_num_groups, width, config.norm_eps)
        self.conv_out = nn.Conv2d(width, config.out_channels, 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(
        self,
        x: Float[Tensor, "batch in_channels height width"],
        t: Int[Tensor, "#batch"] | Float[Tensor, "#batch"] | int | PreparedTime,
        context: Float[Tensor, "texts tokens context_dim"] | PreparedContext,
        context_mask: Bool[Tensor, "texts tokens"] | None = None,
    ) -> Float[Tensor, "texts out_channels height width"]:
        """`context_mask` is True at tokens that may be seen; with a prepared context it is given to `prepare`.

        There may be k times as many texts as pictures, all pictures' first, second ... text in turn, as guidance asks
        for: what comes before the first look at a text is then computed once. Every text has its output.
        Raises ValueError for another number of channels, texts or context features, and as `prepare` does.
        """
        if x.shape[1] != self.config.in_channels:
            raise ValueError(f"x must have in_channels ({self.config.in_channels}) channels, got {x.shape[1]}")
        if not isinstance(context, PreparedContext):
            context = self.prepare(context, context_mask)
        elif context_mask is not None:
            raise ValueError("context_mask must be given to prepare, not beside a prepared context")
        texts = len(context.layers[0].keys)
        if not len(x) or texts % len(x):
            raise ValueError(
                f"context must hold as many texts as x pictures ({len(x)}), or k times as many, got {texts}"
            )
        if not isinstance(t, PreparedTime):
            times = t if isinstance(t, Tensor) else torch.tensor([t], device=x.device)
            t = PreparedTime(self._shifts(times))
        shifts, texts = iter(t.shifts), iter(context.layers)
        x = self.conv_in(x.contiguous(memory_format=torch.channels_last))
        skips = [x]
        for down in self.down_blocks:
            x = down(x, shifts, texts, skips)
        x = self.mid_block(x, shifts, texts)
        for up in self.up_blocks:
            x = up(x, shifts, texts, skips)
        return self.conv_out(F.silu(self.conv_norm_out(x))).contiguous()

    def prepare(
        self,
        context: Float[Tensor, "batch tokens context_dim"],
        context_mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> PreparedContext:
        """The keys and values of a text in every layer, which are the same at every step. A mask that hides nothing is
        left out.

        Raises ValueError for another number of features, a mask of another size, and one that hides a whole text.
        """
        if context.shape[-1] != self.config.cross_attention_dim:
            wanted = self.config.cross_attention_dim
            raise ValueError(f"context must have cross_attention_dim ({wanted}) features, got {context.shape[-1]}")
        mask = None
        if context_mask is not None:
            if context_mask.shape != context.shape[:2]:
                shape = tuple(context.shape[:2])
                raise ValueError(f"context_mask must have the context's shape {shape}, got {tuple(context_mask.shape)}")
            context_mask = context_mask.bool()
            if not context_mask.any(1).all():
                raise ValueError("context_mask must leave at least one token of every text")
            if not context_mask.all():
                hidden = ~context_mask[:, None, None, :]
                mask = torch.zeros_like(hidden, dtype=context.dtype).masked_fill_(hidden, -torch.inf)
        return PreparedContext(tuple(layer.keys_values(context, mask) for layer in self._text_layers()))

    def prepare_times(self, t: Sequence[int] | Int[Tensor, " times"]) -> list[PreparedTime]:
        """All times of a sampler at once, in their order: one product a res-block instead of one a step."""
        times = torch.as_tensor(t, device=self.conv_in.weight.device)
        rows = zip(*(shift.split(1) for shift in self._shifts(times)), strict=True)
        return [PreparedTime(row) for row in rows]

    def _shifts(self, times: Tensor) -> tuple[Tensor, ...]:
        """W_t silu(embedding) of every res-block in the order in which they run."""
        config = self.config
        waves = timestep_waves(times, config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift)
        time = F.silu(self.time_embedding(waves.to(self.conv_in.weight.dtype)))
        return tuple(resnet.time_emb_proj(time) for resnet in self._resnets())

    def _levels(self) -> list[nn.Module]:
        return [*self.down_blocks, self.mid_block, *self.up_blocks]

    def _resnets(self) -> list[ResnetBlock2D]:
        return [resnet for level in self._levels() for resnet in level.resnets]

    def _text_layers(self) -> list[CrossAttention]:
        attentions = [one for level in self._levels() for one in level.attentions or ()]
        return [block.attn2 for one in attentions for block in one.transformer_blocks]

    @classmethod
    def from_diffusers(cls, folder: str | Path, dtype: torch.dtype = torch.float32, variant: str | None = None) -> UNet:
        """Read a folder of diffusers' `UNet2DConditionModel`: config.json and safetensors, in eval mode.

        `variant` is that of the file names, such as "fp16"; what is stored in any precision becomes `dtype`.
        Raises FileNotFoundError or ValueError with one sentence when a file, a field or a weight does not fit.
        """
        config = UNetConfig.from_dict(hugging_face.read_config(folder))
        model = hugging_face.filled(lambda: cls(config), read_diffusers_weights(folder, variant), dtype)
        return model.to(memory_format=torch.channels_last)


class TimestepEmbedding(nn.Module):
    """W_2 silu(W_1 waves): (batch, waves) -> (batch, dim)."""

    def __init__(self, waves: int, dim: int):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(waves, dim), nn.Linear(dim, dim)

    def forward(self, waves: Float[Tensor, "batch waves"]) -> Float[Tensor, "batch dim"]:
        return self.linear_2(F.silu(self.linear_1(waves)))


def timestep_waves(
    t: Int[Tensor, " batch"] | Float[Tensor, " batch"], dim: int, cosine_first: bool = True, freq_shift: int = 0
) -> Float[Tensor, "batch dim"]:
    """sin and cos of t * 10000^(-i / (dim / 2 - freq_shift)), i = 0 .. dim / 2 - 1 (Ho et al., arXiv 2006.11239).

    An odd `dim` ends in a zero.
    """
    half = dim // 2
    steps = torch.arange(half, dtype=torch.float32, device=t.device)
    angles = t[:, None].float() * torch.exp(-math.log(10_000) / (half - freq_shift) * steps)
    waves = (angles.cos(), angles.sin()) if cosine_first else (angles.sin(), angles.cos())
    return F.pad(torch.cat(waves, 1), (0, dim % 2))


def _heads_if(kind: str, heads: int) -> int | None:
    """The heads of a level whose kind has cross-attention, None of one without."""
    return heads if kind.startswith("CrossAttn") else None
