"""Attention with rotary positions, RMSNorm and the gated MLP against Hugging Face's Llama."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaMLP, LlamaRMSNorm, LlamaRotaryEmbedding

from lib.nn import Attention, GatedMLP, RMSNorm


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (6, 1)])
def test_attention_with_rotary_equals_llama(heads, kv_heads):
    config = LlamaConfig(hidden_size=48, num_attention_heads=heads, num_key_value_heads=kv_heads)
    config._attn_implementation = "sdpa"
    torch.manual_seed(0)
    theirs, ours = LlamaAttention(config, layer_idx=0), Attention(48, heads, kv_heads, rope_theta=10_000.0)
    ours.load_state_dict(theirs.state_dict())
    x, positions = torch.randn(2, 11, 48), torch.arange(11)[None]
    expected = theirs(x, LlamaRotaryEmbedding(config)(x, positions), attention_mask=None)[0]
    torch.testing.assert_close(ours(x), expected, rtol=1e-5, atol=1e-6)


def test_norm_and_mlp_equal_llama():
    torch.manual_seed(0)
    x = torch.randn(3, 5, 16)
    norm = LlamaRMSNorm(16, eps=1e-6)
    torch.nn.init.normal_(norm.weight)
    ours = RMSNorm(16)
    ours.load_state_dict(norm.state_dict())
    torch.testing.assert_close(ours(x), norm(x))
    torch.testing.assert_close(ours.bfloat16()(x.bfloat16()), norm.bfloat16()(x.bfloat16()), rtol=0, atol=0)
    mlp = LlamaMLP(LlamaConfig(hidden_size=16, intermediate_size=24, num_attention_heads=2))
    gated = GatedMLP(16, 24)
    gated.load_state_dict(mlp.state_dict())
    torch.testing.assert_close(gated(x), mlp(x))
