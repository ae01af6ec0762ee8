"""The U-Net's sizes: every field of a config.json is taken or refused with a sentence that names it."""

from __future__ import annotations

import inspect
import json

import pytest

from lib.nn import UNetConfig
from lib.nn.vision.unet_config import PASSED_OVER, REQUIRED
from tests.nn.vision.tiny_unets import CONFIGS, arguments, theirs


def test_every_field_of_diffusers_is_known():
    from diffusers import UNet2DConditionModel

    fields = set(inspect.signature(UNet2DConditionModel.__init__).parameters) - {"self"}
    assert fields == set(UNetConfig.__dataclass_fields__) | set(REQUIRED) | set(PASSED_OVER)


@pytest.mark.parametrize("name", CONFIGS)
def test_what_diffusers_writes_is_read_and_written_back(name):
    saved = json.loads(theirs(name).to_json_string())
    config = UNetConfig.from_dict(saved)
    written = config.to_dict()
    assert UNetConfig.from_dict(json.loads(json.dumps(written))) == config
    assert {key: saved[key] for key in written} == written


def test_the_defaults_are_diffusers_own():
    from diffusers import UNet2DConditionModel

    defaults = {k: p.default for k, p in inspect.signature(UNet2DConditionModel.__init__).parameters.items()}
    config = UNetConfig()
    assert {name: getattr(config, name) for name in config.__dataclass_fields__} == {
        name: defaults[name] for name in config.__dataclass_fields__
    }
    assert all(defaults[name] == value or (not defaults[name] and not value) for name, value in REQUIRED.items())


def test_attention_head_dim_is_the_number_of_heads():
    assert UNetConfig.from_dict(arguments("the course's")).heads == (4, 4)
    assert UNetConfig.from_dict(arguments("heads by level")).heads == (2, 16)
    assert UNetConfig.from_dict(arguments("layers by level")).layers == (2, 1)
    assert UNetConfig().time_width == 1280 and UNetConfig(time_embedding_dim=7).time_width == 7


@pytest.mark.parametrize(("name", "needed"), REQUIRED.items())
def test_another_value_of_a_field_that_ours_cannot_follow_is_refused(name, needed):
    other = True if needed is False else "other" if needed is None or isinstance(needed, str) else needed + 1
    with pytest.raises(ValueError, match=f"^{name} must be {needed!r}, got {other!r}$"):
        UNetConfig.from_dict({**arguments("the course's"), name: other})
    UNetConfig.from_dict({**arguments("the course's"), name: needed})


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("mid_block_type", None, "mid_block_type must be 'UNetMidBlock2DCrossAttn', got None"),
        ("norm_num_groups", 5, r"block_out_channels must be multiples of norm_num_groups \(5\), got 32"),
        ("norm_num_groups", 0, "norm_num_groups must be a whole number of at least 1, got 0"),
        ("attention_head_dim", 3, "attention_head_dim, the number of heads, must divide a level's width, got 3 for 32"),
        ("attention_head_dim", [2, 2, 2], r"attention_head_dim must be one number or 2, one a level, got \(2, 2, 2\)"),
        ("attention_head_dim", [2, 0], "attention_head_dim must be a whole number of at least 1, got 0"),
        ("layers_per_block", 1.5, "layers_per_block must be a whole number of at least 1, got 1.5"),
        ("block_out_channels", 32, "block_out_channels must be a list, one entry a level, got 32"),
        ("block_out_channels", [], "block_out_channels must hold at least one width, got none"),
        ("down_block_types", ["DownBlock2D"], r"down_block_types must be 2 of .*, one a level, got \('DownBlock2D',\)"),
        ("up_block_types", ["UpBlock2D", "AttnUpBlock2D"], "up_block_types must be 2 of UpBlock2D and CrossAttn.*"),
        ("act_fn", "gelu", "act_fn must be 'silu' or its other name 'swish', got 'gelu'"),
        ("freq_shift", -1, "freq_shift must be a whole number of at least 0, got -1"),
        ("transformer_layers_per_block", [1, 2], r"transformer_layers_per_block must be a whole number.*got \[1, 2\]"),
        ("_class_name", "UNet2DModel", "_class_name must be 'UNet2DConditionModel', got 'UNet2DModel'"),
        ("wings", 2, "wings is not among the fields that are known of a U-Net, got 2"),
    ],
)
def test_a_field_that_does_not_fit_is_named(field, value, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        UNetConfig.from_dict({**arguments("the course's"), field: value})
