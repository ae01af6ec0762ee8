"""Tiny U-Nets of several kinds, as diffusers' keyword arguments and as ours."""

from __future__ import annotations

import torch

from lib.nn import UNet, UNetConfig

DOWN, CROSS_DOWN, UP, CROSS_UP = "DownBlock2D", "CrossAttnDownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"
COMMON = {"sample_size": 16, "in_channels": 12, "out_channels": 12, "cross_attention_dim": 24, "norm_num_groups": 8}
TWO_LEVELS = {"block_out_channels": [32, 64], "down_block_types": [DOWN, CROSS_DOWN], "up_block_types": [CROSS_UP, UP]}
CONFIGS = {
    "three levels": {
        "block_out_channels": [32, 48, 64],
        "down_block_types": [DOWN, CROSS_DOWN, CROSS_DOWN],
        "up_block_types": [CROSS_UP, CROSS_UP, UP],
        "layers_per_block": 1,
        "attention_head_dim": 4,
    },
    "the course's": {**TWO_LEVELS, "layers_per_block": 1, "attention_head_dim": 4},
    "linear projections": {
        **TWO_LEVELS,
        "layers_per_block": 1,
        "use_linear_projection": True,
        "upcast_attention": True,
    },
    "heads by level": {**TWO_LEVELS, "layers_per_block": 1, "attention_head_dim": [2, 16]},
    "two layers": {**TWO_LEVELS, "layers_per_block": 2, "attention_head_dim": 4},
    "layers by level": {**TWO_LEVELS, "layers_per_block": [2, 1], "attention_head_dim": 4},
    "attention above": {
        "block_out_channels": [16, 24],
        "down_block_types": [CROSS_DOWN, DOWN],
        "up_block_types": [UP, CROSS_UP],
        "layers_per_block": 1,
        "attention_head_dim": 2,
        "transformer_layers_per_block": 2,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "norm_eps": 1e-4,
        "time_embedding_dim": 40,
        "act_fn": "swish",
    },
}


def arguments(name: str) -> dict:
    return {**COMMON, **CONFIGS[name]}


def theirs(name: str):
    """diffusers' model with weights that make every part count."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(**arguments(name)).eval()


def ours(name: str = "the course's") -> UNet:
    torch.manual_seed(0)
    return UNet(UNetConfig.from_dict(arguments(name))).eval()


def inputs(batch: int = 3, height: int = 8, width: int = 8, tokens: int = 7) -> tuple[torch.Tensor, ...]:
    """Latents, times and a text's states."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 12, height, width, generator=generator)
    context = torch.randn(batch, tokens, 24, generator=generator)
    return x, torch.tensor([3, 500, 999])[:batch], context
