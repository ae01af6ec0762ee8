"""A field that shapes a model is taken or refused; none is passed over."""

from __future__ import annotations

import pytest

from lib.nn.language.config_fields import PASSED_OVER
from lib.nn.language.encoder import EncoderConfig
from lib.nn.language.jamba import JambaConfig
from lib.nn.language.transformer import TransformerConfig

FAMILIES = {"jamba": JambaConfig, "llama": TransformerConfig, "bert": EncoderConfig}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_field_that_nobody_knows_is_refused_unless_it_is_null_or_private(family):
    values = {"model_type": family, "_commit": "abc", "torch_dtype": "bfloat16", "eos_token_id": [2, 7]}
    assert FAMILIES[family].from_dict(values | {"logit_cap": None}) == FAMILIES[family].from_dict({})
    for name, value in {"logit_cap": 30.0, "quantization_config": {"bits": 4}, "is_decoder": True}.items():
        with pytest.raises(ValueError, match=f"^{name} (is not among|must be)"):
            FAMILIES[family].from_dict(values | {name: value})


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("value", "words"),
    [("16", "a whole number"), (16.0, "a whole number"), (0, "at least 1"), (-4, "at least 1"), (True, "a whole")],
)
def test_a_size_is_a_whole_number_above_zero(family, value, words):
    with pytest.raises(ValueError, match=rf"^hidden_size must be .*{words}"):
        FAMILIES[family].from_dict({"hidden_size": value})


@pytest.mark.parametrize("eps", [float("nan"), -1.0, float("inf"), "small", None])
def test_an_epsilon_is_finite_and_not_negative(eps):
    if eps is None:
        assert JambaConfig.from_dict({"rms_norm_eps": None}).rms_norm_eps == 1e-6
        return
    with pytest.raises(ValueError, match=r"^rms_norm_eps must be a finite number of at least 0"):
        JambaConfig.from_dict({"rms_norm_eps": eps})


@pytest.mark.parametrize("value", ["no", "false", 0, 1])
def test_a_flag_is_true_or_false_and_nothing_that_python_takes_for_it(value):
    with pytest.raises(ValueError, match=r"^tie_word_embeddings must be true or false"):
        JambaConfig.from_dict({"tie_word_embeddings": value})


@pytest.mark.parametrize("field", [{"rope_theta": 1e4}, {"mamba_inner_norms": False}, {"expert_intermediate_size": 8}])
def test_fields_of_ours_do_not_come_from_hugging_faces_file(field):
    with pytest.raises(ValueError, match=f"^{next(iter(field))} must not be set, a jamba has no such field"):
        JambaConfig.from_dict(field)
    neutral = {"rope_theta": None, "mamba_inner_norms": True, "expert_intermediate_size": None}
    assert JambaConfig.from_dict(neutral) == JambaConfig()


def test_a_jamba_says_the_same_thing_in_several_ways():
    small = {"num_hidden_layers": 3, "attn_layer_period": 3, "attn_layer_offset": 1}
    said = {"layers_block_type": ["mamba", "attention", "mamba"], "layers_num_experts": [1, 5, 1]}
    config = JambaConfig.from_dict(small | said | {"num_local_experts": 5, "num_key_value_heads": None})
    assert config.pattern == "MAM" and config.num_experts == 5 and config.num_key_value_heads == 32
    for wrong, words in (
        ({"layers_block_type": ["attention", "mamba", "mamba"]}, "must be 'mamba' in layer 0"),
        ({"layer_types": ["linear_attention"] * 2}, r"must be a list of num_hidden_layers \(3\)"),
        ({"num_local_experts": 4, "num_experts": 8}, r"must be num_experts \(8\), got 4"),
        ({"mamba_dt_rank": "large"}, "must be a whole number or 'auto', got 'large'"),
    ):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))} {words}"):
            JambaConfig.from_dict(small | wrong)


@pytest.mark.parametrize(
    "rope",
    [{"rope_type": "llama3", "factor": 8.0}, {"rope_type": "default", "factor": 2.0}, "linear", {"rope_theta": "big"}],
)
def test_positions_that_ours_cannot_turn_are_refused(rope):
    with pytest.raises(ValueError, match=r"^rope_(parameters|theta) must"):
        TransformerConfig.from_dict({"rope_parameters": rope})
    assert TransformerConfig.from_dict({"rope_theta": 500}).rope_theta == 500


def test_what_is_passed_over_shapes_none_of_our_models():
    for config in FAMILIES.values():
        assert not PASSED_OVER & set(config.__dataclass_fields__) - {"initializer_range", "max_position_embeddings"}
