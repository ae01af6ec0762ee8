"""Our gated transformer against Hugging Face's LlamaForCausalLM on random tiny checkpoints read from disk."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from lib.nn import TransformerConfig, TransformerLM

TINY = {
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
}
VARIANTS = {
    "two key-value heads": {},
    "one key-value head": {"num_key_value_heads": 1},
    "as many key-value heads as heads": {"num_key_value_heads": 4},
    "tied embeddings": {"tie_word_embeddings": True},
    "heads wider than their share": {"head_dim": 16},
    "another base of the angles": {"rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0}},
}
TOKENS = torch.randint(0, 60, (3, 17), generator=torch.Generator().manual_seed(0))


def random_checkpoint(folder, max_shard_size="5GB", dtype=torch.float32, **changes) -> LlamaForCausalLM:
    """A random model with weights large enough for the logits to mean something, saved as Hugging Face saves it."""
    torch.manual_seed(0)
    theirs = LlamaForCausalLM(LlamaConfig(**{"tie_word_embeddings": False} | TINY | changes)).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    theirs.to(dtype).save_pretrained(folder, max_shard_size=max_shard_size)
    return theirs


def assert_same_logits(ours, theirs):
    with torch.no_grad():
        expected = theirs(TOKENS).logits
        assert expected.std() > 0.1
        torch.testing.assert_close(ours(TOKENS), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=list(VARIANTS))
def test_logits_are_llamas_in_both_directions(tmp_path, changes):
    theirs = random_checkpoint(tmp_path / "theirs", **changes)
    ours = TransformerLM.from_pretrained(tmp_path / "theirs")
    assert_same_logits(ours, theirs)
    ours.save_pretrained(tmp_path / "ours")
    assert_same_logits(ours, LlamaForCausalLM.from_pretrained(tmp_path / "ours").eval())
    stored, again = (load_file(tmp_path / who / "model.safetensors") for who in ("theirs", "ours"))
    assert stored.keys() == again.keys() and all(torch.equal(stored[name], again[name]) for name in stored)
    assert TransformerLM.from_pretrained(tmp_path / "ours").config == ours.config


def test_shards_and_half_precision_load(tmp_path):
    random_checkpoint(tmp_path, max_shard_size="20KB", dtype=torch.bfloat16)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert_same_logits(
        TransformerLM.from_pretrained(tmp_path), LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "mistral"}, "^model_type must be 'llama', got 'mistral'$"),
        ({"hidden_act": "gelu"}, "^hidden_act must be 'silu', got 'gelu'$"),
        ({"attention_bias": True}, "^attention_bias must be False, got True$"),
        (
            {"rope_parameters": {"rope_type": "llama3", "factor": 8.0}},
            "^rope_parameters must be of rope_type 'default'",
        ),
        ({"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2.0}}, "^rope_parameters must be"),
        ({"intermediate_size": 40}, r"gate_proj.weight must have shape \(40, 32\), got \(48, 32\)$"),
        ({"num_hidden_layers": 3}, "^num_hidden_layers must be the number of layers among the weights, 2, got 3"),
    ],
)
def test_a_field_that_ours_cannot_follow_is_refused(tmp_path, changes, message):
    random_checkpoint(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=message):
        TransformerLM.from_pretrained(tmp_path)


@pytest.mark.parametrize("changes", [{"gated": False}, {"conv_width": 3}, {"rope_theta": None}])
def test_what_is_no_llama_is_not_saved_as_one(tmp_path, changes):
    model = TransformerLM(TransformerConfig(60, 32, 2, **{"gated": True} | changes))
    with pytest.raises(ValueError, match="to be a Llama"):
        model.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())
