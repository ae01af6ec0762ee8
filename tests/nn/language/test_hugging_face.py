"""What a folder may not do, and what loading must not lose (logits lie in tests/parity)."""

from __future__ import annotations

import json

import pytest
import torch

from lib.nn import JambaConfig, JambaLM, TransformerConfig, TransformerLM
from lib.nn.language.hugging_face import read_config, read_folder
from lib.training import parameter_groups


@pytest.fixture
def folder(tmp_path):
    TransformerLM(TransformerConfig(20, 16, 1, 2, intermediate_size=24, gated=True)).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_nothing_outside_the_folder_is_read(folder):
    (folder / "model.safetensors").rename(folder.parent / "elsewhere.safetensors")
    index = {"weight_map": {"model.norm.weight": "../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"^weight_map must name safetensors files in the folder itself, got '\.\./"):
        read_folder(folder)


def test_a_config_that_is_no_object_is_named(folder):
    (folder / "config.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"^config.json must hold an object, got list$"):
        read_config(folder)


def test_what_was_saved_is_what_is_loaded(folder):
    torch.manual_seed(0)
    model = TransformerLM(TransformerConfig(20, 16, 1, 2, 1, 24, gated=True, tie_word_embeddings=False, head_dim=4))
    model.save_pretrained(folder)
    again = TransformerLM.from_pretrained(folder)
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_loaded_jamba_still_says_which_parameters_must_not_decay(tmp_path):
    config = JambaConfig.from_pattern(
        "MA", vocab_size=20, hidden_size=16, intermediate_size=24, num_attention_heads=2, num_key_value_heads=1
    )
    model = JambaLM(config)
    model.save_pretrained(tmp_path)
    fresh, loaded = (parameter_groups(m, 0.1) for m in (model, JambaLM.from_pretrained(tmp_path)))
    assert [len(group["params"]) for group in loaded] == [len(group["params"]) for group in fresh]


@pytest.mark.parametrize("field", [{"hidden_act": "gelu"}, {"sliding_window": 128}])
def test_a_jamba_that_ours_cannot_follow_is_refused(field):
    with pytest.raises(ValueError, match=f"^{next(iter(field))} must be"):
        JambaConfig.from_dict({"model_type": "jamba"} | field)
