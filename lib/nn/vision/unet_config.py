"""Sizes of a latent-diffusion U-Net, by the field names that diffusers writes into config.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lib.nn.language.config_fields import check_type

DOWN = ("DownBlock2D", "CrossAttnDownBlock2D")
UP = ("UpBlock2D", "CrossAttnUpBlock2D")
PER_LEVEL = ("layers_per_block", "attention_head_dim")
"""Fields that hold one number for all levels or one for each."""

REQUIRED = {
    "center_input_sample": False,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "only_cross_attention": False,
    "mid_block_only_cross_attention": False,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "dropout": 0.0,
    "dual_cross_attention": False,
    "num_attention_heads": None,
    "reverse_transformer_layers_per_block": None,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "class_embed_type": None,
    "num_class_embeds": None,
    "projection_class_embeddings_input_dim": None,
    "class_embeddings_concat": False,
    "addition_embed_type": None,
    "addition_time_embed_dim": None,
    "resnet_time_scale_shift": "default",
    "resnet_skip_time_act": False,
    "resnet_out_scale_factor": 1.0,
    "time_embedding_type": "positional",
    "time_embedding_act_fn": None,
    "timestep_post_act": None,
    "time_cond_proj_dim": None,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "attention_type": "default",
    "cross_attention_norm": None,
}
"""Fields that shape the model and the one value that ours can follow, which is also what their absence means."""
PASSED_OVER = ("addition_embed_type_num_heads",)
"""Fields that change nothing while the fields above have their one value."""


@dataclass(frozen=True)
class UNetConfig:
    """Sizes, with diffusers' defaults, which are those of Stable Diffusion 1.5 but for its cross_attention_dim of 768.

    A trap of the names: `attention_head_dim` is the *number* of heads, for all levels or one for each, and has been
    since the first release. `layers_per_block` counts res-blocks on the way down; the way up has one more.
    `upcast_attention` takes the softmax of attention maps in float32 when the weights are half precision.
    `sample_size` is what the model was trained for; any size goes in.
    """

    sample_size: int | tuple[int, ...] | None = None
    in_channels: int = 4
    out_channels: int = 4
    flip_sin_to_cos: bool = True
    freq_shift: int = 0
    down_block_types: tuple[str, ...] = (DOWN[1], DOWN[1], DOWN[1], DOWN[0])
    up_block_types: tuple[str, ...] = (UP[0], UP[1], UP[1], UP[1])
    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int | tuple[int, ...] = 2
    act_fn: str = "silu"
    norm_num_groups: int = 32
    norm_eps: float = 1e-5
    cross_attention_dim: int = 1280
    transformer_layers_per_block: int = 1
    attention_head_dim: int | tuple[int, ...] = 8
    use_linear_projection: bool = False
    upcast_attention: bool = False
    time_embedding_dim: int | None = None

    def __post_init__(self):
        levels = len(self.block_out_channels)
        if not levels:
            raise ValueError("block_out_channels must hold at least one width, got none")
        for name, known in (("down_block_types", DOWN), ("up_block_types", UP)):
            kinds = getattr(self, name)
            if len(kinds) != levels or not set(kinds) <= set(known):
                raise ValueError(f"{name} must be {levels} of {' and '.join(known)}, one a level, got {kinds}")
        for name in PER_LEVEL:
            value = getattr(self, name)
            if not isinstance(value, int) and len(value) != levels:
                raise ValueError(f"{name} must be one number or {levels}, one a level, got {value}")
        for channels, heads in zip(self.block_out_channels, self.heads, strict=True):
            if channels % self.norm_num_groups:
                raise ValueError(
                    f"block_out_channels must be multiples of norm_num_groups ({self.norm_num_groups}), got {channels}"
                )
            if channels % heads:
                raise ValueError(
                    f"attention_head_dim, the number of heads, must divide a level's width, got {heads} for {channels}"
                )
        if self.act_fn not in ("silu", "swish"):
            raise ValueError(f"act_fn must be 'silu' or its other name 'swish', got {self.act_fn!r}")

    @property
    def heads(self) -> tuple[int, ...]:
        """The number of attention heads of each level."""
        return self._per_level(self.attention_head_dim)

    @property
    def layers(self) -> tuple[int, ...]:
        """The number of res-blocks of each level on the way down."""
        return self._per_level(self.layers_per_block)

    @property
    def time_width(self) -> int:
        """The width of the time's embedding, four times that of the first level unless it is given."""
        return self.time_embedding_dim or 4 * self.block_out_channels[0]

    def _per_level(self, value: int | tuple[int, ...]) -> tuple[int, ...]:
        return (value,) * len(self.block_out_channels) if isinstance(value, int) else value

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> UNetConfig:
        """From the config.json of a `UNet2DConditionModel`; a null stands for the default.

        Raises ValueError, which names the field, for one of a wrong type, and for one that ours cannot follow.
        """
        if values.get("_class_name", "UNet2DConditionModel") != "UNet2DConditionModel":
            raise ValueError(f"_class_name must be 'UNet2DConditionModel', got {values['_class_name']!r}")
        types = {field.name: str(field.type) for field in dataclasses.fields(cls)}
        found = {}
        for name, value in values.items():
            if value is None or name.startswith("_") or name in PASSED_OVER:
                continue
            if name in types:
                found[name] = _checked(name, value, types[name])
            elif name not in REQUIRED:
                raise ValueError(f"{name} is not among the fields that are known of a U-Net, got {value!r}")
        for name, needed in REQUIRED.items():
            value = values.get(name, needed)
            if value != needed and not (value is None and needed is False):
                raise ValueError(f"{name} must be {needed!r}, got {value!r}")
        return cls(**found)

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, and diffusers too."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}
        return {"_class_name": "UNet2DConditionModel", **values}


def _checked(name: str, value: Any, kind: str) -> Any:
    """`value` as the field's annotation `kind` has it, lists as tuples. Raises ValueError when it does not fit."""
    if "tuple" not in kind:
        if name == "freq_shift":
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"freq_shift must be a whole number of at least 0, got {value!r}")
            return value
        check_type(name, value, kind)
        return value
    if isinstance(value, list | tuple):
        for entry in value:
            check_type(name, entry, "str" if "tuple[str" in kind else "int")
        return tuple(value)
    if "int" not in kind.split(" | "):
        raise ValueError(f"{name} must be a list, one entry a level, got {value!r}")
    check_type(name, value, "int")
    return value
