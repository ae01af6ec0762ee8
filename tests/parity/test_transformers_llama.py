"""Our gated, untied transformer equals Hugging Face's Llama on the same random weights."""

from __future__ import annotations

import pytest
import torch

from lib.nn import TransformerConfig, TransformerLM


@pytest.mark.parametrize("kv_heads", [1, 4])
def test_logits_are_llamas(kv_heads):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(kv_heads)
    config = LlamaConfig(
        vocab_size=60, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=kv_heads, rms_norm_eps=1e-6, tie_word_embeddings=False,
    )  # fmt: skip
    theirs = LlamaForCausalLM(config).eval()
    ours = TransformerLM(TransformerConfig(60, 32, 2, 4, kv_heads, 48, gated=True, tie_word_embeddings=False)).eval()
    renamed = {"self_attn": "mixer", "mlp": "feed_forward", "post_attention_layernorm": "pre_ff_layernorm"}
    weights = {}
    for name, tensor in theirs.state_dict().items():
        for old, new in renamed.items():
            name = name.replace(old, new)
        weights[name.replace("model.norm.", "model.final_layernorm.")] = tensor
    ours.load_state_dict(weights)
    tokens = torch.randint(0, 60, (3, 17))
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=1e-4, atol=1e-4)
