"""Sizes, patterns, initialisation and the paper's own arithmetic."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.nn import JambaConfig, JambaLM, MambaMixer, cache_bytes, count_parameters, kv_cache_bytes
from lib.nn.language.accounting import GIB, recurrent_state_bytes

SMALL = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "mamba_d_state": 4,
    "num_experts": 4,
}


def test_released_model_has_51_570_323_328_parameters_and_12_1_billion_active():
    count = count_parameters(JambaConfig())
    assert count.total == 51_570_323_328
    assert round(count.active / 1e9, 1) == 12.1
    assert 0.87 < count.experts / count.total < 0.88


def test_table_1_kv_caches_at_256k():
    tokens = 256 * 1024
    assert cache_bytes(JambaConfig(), tokens) == 4 * GIB
    assert kv_cache_bytes(32, 8, 128, tokens) == 32 * GIB  # Mistral 7B and Mixtral 8x7B
    assert kv_cache_bytes(32, 32, 128, tokens) == 128 * GIB  # Llama-2 6.7B
    assert kv_cache_bytes(9, 8, 128, tokens) == 9 * GIB  # Jamba-1.5-Large


def test_released_pattern_attends_in_layers_4_12_20_28_and_never_there_with_experts():
    config = JambaConfig()
    assert [i for i in range(32) if config.attends(i)] == [4, 12, 20, 28]
    assert [i for i in range(8) if config.has_experts(i)] == [1, 3, 5, 7]


@pytest.mark.parametrize("pattern", ["AAAA", "MMMM", "MMAM", "MMMMAMMM", "MAMA", "A", "M", "AMMM"])
@pytest.mark.parametrize("experts", [False, True])
@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": True, "mamba_inner_norms": False}])
def test_count_equals_a_built_model(pattern, experts, changes):
    config = JambaConfig.from_pattern(pattern, experts=experts, expert_intermediate_size=20, **SMALL, **changes)
    assert config.pattern == pattern
    assert count_parameters(config).total == sum(p.numel() for p in JambaLM(config).parameters())


def test_cache_bytes_equal_the_bytes_really_held():
    config = JambaConfig.from_pattern("MMAM", **SMALL)
    model = JambaLM(config).eval()
    for length in (1, 7, 30):
        states = model.new_states()
        with torch.no_grad():
            model(torch.zeros(1, length, dtype=torch.long), states)
        held = [state.nbytes for state in states]
        assert held[2] == cache_bytes(config, length, bytes_per_value=4)
        assert sum(held) - held[2] == recurrent_state_bytes(config, bytes_per_value=4)


def test_building_a_model_keeps_the_mixers_step_sizes():
    for mixer in (m for m in JambaLM(JambaConfig.from_pattern("MMAM", **SMALL)).modules() if isinstance(m, MambaMixer)):
        steps = F.softplus(mixer.dt_proj.bias)
        assert steps.min() >= 1e-3 * 0.99 and steps.max() <= 1e-1 * 1.01
        torch.testing.assert_close(mixer.A_log.exp(), torch.arange(1.0, 5.0).expand_as(mixer.A_log))


@pytest.mark.parametrize("pattern", ["AAAA", "MMMM", "MMAM"])
def test_a_changed_future_never_changes_the_past(pattern):
    torch.manual_seed(0)
    model = JambaLM(JambaConfig.from_pattern(pattern, experts=True, **SMALL)).eval()
    tokens = torch.randint(0, 50, (1, 20))
    other = tokens.clone()
    other[:, 12:] = (other[:, 12:] + 1) % 50
    with torch.no_grad():
        torch.testing.assert_close(model(tokens)[:, :12], model(other)[:, :12], rtol=0, atol=1e-6)


def test_config_rejects_what_cannot_be():
    with pytest.raises(ValueError, match=r"attn_layer_offset must be in 0\.\.7"):
        JambaConfig(attn_layer_offset=8)
    with pytest.raises(ValueError, match="letters A and M"):
        JambaConfig.from_pattern("MXM")
    with pytest.raises(ValueError, match="one period"):
        JambaConfig.from_pattern("AMMAMA")
    with pytest.raises(ValueError, match="num_kv_heads"):
        JambaLM(JambaConfig.from_pattern("A", **SMALL | {"num_key_value_heads": 3}))
