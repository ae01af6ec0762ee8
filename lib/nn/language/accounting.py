"""Counting before building: parameters, active parameters, and the bytes a decoder keeps per sequence."""

from __future__ import annotations

from dataclasses import dataclass

from lib.nn.language.jamba import JambaConfig

GIB = 2**30


@dataclass(frozen=True)
class ParameterCount:
    """`total` are stored, `active` are used for one token, `experts` sit in mixture-of-experts layers."""

    total: int
    active: int
    experts: int


def count_parameters(config: JambaConfig) -> ParameterCount:
    """Parameters of a Jamba in closed form; equal to summing over a built model (arXiv 2403.19887, section 3.1)."""
    dim, inner, state, rank = (
        config.hidden_size,
        config.mamba_expand * config.hidden_size,
        config.mamba_d_state,
        config.dt_rank,
    )
    attention = 2 * dim * config.head_dim * (config.num_attention_heads + config.num_key_value_heads)
    mamba = (
        2 * dim * inner  # in_proj
        + inner * (config.mamba_d_conv + config.mamba_conv_bias)
        + inner * (rank + 2 * state)  # x_proj
        + inner * (rank + 1)  # dt_proj
        + inner * (state + 1)  # A_log, D
        + inner * dim  # out_proj
        + config.mamba_proj_bias * (2 * inner + dim)
        + config.mamba_inner_norms * (rank + 2 * state)
    )
    dense, expert = 3 * dim * config.intermediate_size, 3 * dim * config.expert_width
    total = active = config.vocab_size * dim * (1 if config.tie_word_embeddings else 2) + dim
    in_experts = 0
    for layer in range(config.num_hidden_layers):
        shared = 2 * dim + (attention if config.attends(layer) else mamba)
        if config.has_experts(layer):
            shared += dim * config.num_experts
            total += shared + config.num_experts * expert
            active += shared + config.num_experts_per_tok * expert
            in_experts += config.num_experts * expert
        else:
            total, active = total + shared + dense, active + shared + dense
    return ParameterCount(total, active, in_experts)


def kv_cache_bytes(
    num_attention_layers: int, num_kv_heads: int, head_dim: int, tokens: int, bytes_per_value: int = 2
) -> int:
    """2 (keys and values) * layers * kv_heads * head_dim * tokens * bytes: the part that grows with the context."""
    return 2 * num_attention_layers * num_kv_heads * head_dim * tokens * bytes_per_value


def jamba_cache_bytes(config: JambaConfig, tokens: int, bytes_per_value: int = 2) -> int:
    """The KV cache of a Jamba's attention layers alone."""
    attending = config.pattern.count("A")
    return kv_cache_bytes(attending, config.num_key_value_heads, config.head_dim, tokens, bytes_per_value)


def recurrent_state_bytes(config: JambaConfig, bytes_per_value: int = 2, bytes_per_state: int = 4) -> int:
    """The Mamba layers' fixed part: inner * d_state states and inner * (d_conv - 1) past inputs a layer."""
    inner = config.mamba_expand * config.hidden_size
    per_layer = config.mamba_d_state * bytes_per_state + (config.mamba_d_conv - 1) * bytes_per_value
    return config.pattern.count("M") * inner * per_layer
