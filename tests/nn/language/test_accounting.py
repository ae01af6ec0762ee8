"""Counts before building equal what is there after it, for every family."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lib.nn import (
    DepthConfig,
    DepthLM,
    JambaConfig,
    JambaLM,
    TransformerConfig,
    TransformerLM,
    attention_flops,
    block_flops,
    cache_bytes,
    count_parameters,
    forward_flops,
    recurrent_state_bytes,
    routing_rule,
)

PLAIN = TransformerConfig(40, 32, 2, 4, intermediate_size=48)
DEPTH = DepthConfig(40, 32, 4, 4, 64, every=2, capacity=0.25)
JAMBA = JambaConfig.from_pattern(
    "MA", vocab_size=40, hidden_size=32, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2
)
CONFIGS = {
    "plain": PLAIN,
    "gated, untied, grouped": replace(PLAIN, gated=True, tie_word_embeddings=False, num_key_value_heads=2),
    "wide heads": replace(PLAIN, head_dim=16),
    "short convolutions": replace(PLAIN, conv_width=4),
    "routed in depth": DEPTH,
    "routed without predictor": replace(DEPTH, predictor=False, every=1),
    "experts and no-ops": replace(DEPTH, num_experts=3, num_noops=2),
    "Jamba": JAMBA,
    "Jamba with biases": replace(JAMBA, mamba_proj_bias=True, mamba_inner_norms=False),
}


def build(config):
    return {TransformerConfig: TransformerLM, DepthConfig: DepthLM, JambaConfig: JambaLM}[type(config)](config)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_parameters_equal_a_built_model(config):
    assert count_parameters(config).total == sum(parameter.numel() for parameter in build(config).parameters())


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_bytes_equal_those_really_held(config):
    torch.manual_seed(0)
    model, length = build(config).eval(), 24
    routed = isinstance(config, DepthConfig)
    states = model.new_states()
    with torch.no_grad():
        model(torch.zeros(1, length, dtype=torch.long), states)
    if routed:  # how many tokens a causal rule keeps is the router's choice; the dense layers' part is certain
        states = [state for state, layer in zip(states, model.model.layers, strict=True) if not hasattr(layer, "block")]
        config = replace(config, num_hidden_layers=len(states), every=0)
    held = sum(state.nbytes for state in states)
    assert held == cache_bytes(config, length, 4) + recurrent_state_bytes(config, 4)


def test_a_layer_routed_in_depth_keeps_its_share():
    dense = cache_bytes(replace(DEPTH, every=0), 64)
    assert cache_bytes(DEPTH, 64) == dense / 2 + dense / 2 * DEPTH.capacity


@pytest.mark.parametrize("name", ["plain", "gated, untied, grouped", "wide heads", "routed in depth"])
def test_flops_equal_the_measured(name):
    config = CONFIGS[name]
    model = build(config).eval()
    for layer in model.model.layers:  # the counter knows the products of the plain attention
        getattr(layer, "block", layer).mixer.register_forward_pre_hook(lambda *_: None)
    math = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    with torch.no_grad(), routing_rule(model, "top_k"), FlopCounterMode(display=False) as counter, math:
        model(torch.randint(0, 40, (2, 16)))
    assert counter.get_total_flops() == 2 * forward_flops(config, 16)


def test_a_jambas_flops_are_its_products_and_its_scan():
    model = JambaLM(JAMBA)
    tables = 40 * 32  # the embedding is looked up, the output matrix multiplied
    idle = tables + sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.ndim < 2 or "A_log" in name or "conv1d" in name
    )
    products = sum(parameter.numel() for parameter in model.parameters()) - idle
    scan = 64 * (6 * JAMBA.mamba_d_state + 2 * JAMBA.mamba_d_conv)
    assert forward_flops(JAMBA, 10) == 10 * (2 * products + scan) + attention_flops(10, 32)


def test_causal_attention_costs_the_half():
    saved = forward_flops(PLAIN, 16) - forward_flops(PLAIN, 16, causal=True)
    assert saved == 2 * (attention_flops(16, 32) - attention_flops(16, 32, causal=True))


def test_a_keyword_that_nobody_reads_is_an_error():
    with pytest.raises(TypeError, match="gatd"):
        block_flops(128, 64, 256, gatd=True)
    with pytest.raises(TypeError, match="casual"):
        forward_flops(PLAIN, 16, casual=True)
