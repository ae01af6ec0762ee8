"""Attention with rotary positions, RMSNorm and the gated MLP against Hugging Face's Llama."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.jamba.modeling_jamba import JambaRMSNorm
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("theirs", [LlamaRMSNorm, JambaRMSNorm, GemmaRMSNorm])
def test_norm_equals_llama_jamba_and_gemma(theirs, dtype):
    """Within a unit in the last place of float32; in bfloat16, whose rounding shows the order of casts, bit for bit."""
    torch.manual_seed(0)
    norm, ours = theirs(48, eps=1e-6), RMSNorm(48, unit_offset=theirs is GemmaRMSNorm)
    assert torch.equal(norm.weight, ours.weight)
    torch.nn.init.normal_(norm.weight)
    ours.load_state_dict(norm.state_dict())
    x = torch.randn(64, 48, dtype=dtype)
    tolerance = {"rtol": 3e-7, "atol": 1e-7} if dtype == torch.float32 else {"rtol": 0, "atol": 0}
    torch.testing.assert_close(ours.to(dtype)(x), norm.to(dtype)(x), **tolerance)


def test_mlp_equals_llama():
    torch.manual_seed(0)
    x = torch.randn(3, 5, 16)
    mlp = LlamaMLP(LlamaConfig(hidden_size=16, intermediate_size=24, num_attention_heads=2))
    gated = GatedMLP(16, 24)
    gated.load_state_dict(mlp.state_dict())
    torch.testing.assert_close(gated(x), mlp(x))
