"""Counting before building: parameters, FLOPs, and the bytes a decoder keeps for one sequence, for every family.

FLOPs are those of the forward pass, a multiply-add counting two: matrix products, and Mamba's scan and convolution.
Embedding look-ups, norms, activations and softmax are left out, as papers do. A training step costs three times that.
"""

from __future__ import annotations

from dataclasses import dataclass

from lib.nn.language.depth import DepthConfig
from lib.nn.language.jamba import JambaConfig
from lib.nn.language.transformer import TransformerConfig
from lib.nn.layers.depth_routing import tokens_taken

GIB = 2**30
Config = JambaConfig | TransformerConfig | DepthConfig


@dataclass(frozen=True)
class ParameterCount:
    """`total` are stored, `active` are used for one token, `experts` sit in mixture-of-experts layers."""

    total: int
    active: int
    experts: int


@dataclass(frozen=True)
class _Layer:
    """What one layer of any family is made of. Exactly one of `kv_dim` (attention) and `state` (Mamba) is set."""

    dim: int
    width: int
    gated: bool
    query_dim: int = 0
    kv_dim: int | None = None
    conv_width: int | None = None
    inner: int = 0
    state: int | None = None
    dt_rank: int = 0
    d_conv: int = 0
    conv_bias: bool = False
    proj_bias: bool = False
    inner_norms: bool = False
    experts: int = 0
    noops: int = 0
    top_k: int = 1
    routed: bool = False
    predictor: bool = False

    def mixer_parameters(self) -> int:
        if self.kv_dim is not None:
            convolution = 0 if self.conv_width is None else (self.conv_width - 1) * self.dim
            return convolution + 2 * self.dim * (self.query_dim + self.kv_dim)
        projections = self.dim * 3 * self.inner + self.inner * (self.dt_rank + 2 * self.state)  # in, out, x
        convolution = self.inner * (self.d_conv + self.conv_bias)
        recurrence = self.inner * (self.dt_rank + 1) + self.inner * (self.state + 1)  # dt_proj; A_log, D
        biases, norms = 2 * self.inner + self.dim, self.dt_rank + 2 * self.state
        return projections + convolution + recurrence + self.proj_bias * biases + self.inner_norms * norms

    def expert_parameters(self) -> int:
        """One expert's, or the dense feed-forward layer's."""
        return (3 if self.gated else 2) * self.dim * self.width

    def router_parameters(self) -> int:
        """What chooses experts, and what chooses tokens where the layer is routed in depth."""
        half = self.dim // 2
        predictor = self.routed * self.predictor * (self.dim * half + 2 * half + 1)
        return self.dim * (self.experts + self.noops) + self.routed * self.dim + predictor

    def mixer_flops(self, tokens: int, causal: bool) -> int:
        if self.kv_dim is None:
            products = 3 * self.dim * self.inner + self.inner * (2 * self.dt_rank + 2 * self.state)
            return tokens * (2 * products + 2 * self.d_conv * self.inner + 6 * self.inner * self.state)
        convolution = 0 if self.conv_width is None else 2 * tokens * (self.conv_width - 1) * self.dim
        projections = 4 * tokens * self.dim * (self.query_dim + self.kv_dim)
        return convolution + projections + attention_flops(tokens, self.query_dim, causal=causal)

    def flops(self, length: int, taken: int, causal: bool) -> int:
        """On one sequence, of which `taken` tokens enter where the layer is routed in depth."""
        tokens = taken if self.routed else length
        total = self.mixer_flops(tokens, causal) + 2 * tokens * self.top_k * self.expert_parameters()
        total += 2 * tokens * self.dim * (self.experts + self.noops)
        return total + self.routed * _depth_router_flops(length, self.dim, self.predictor)


def count_parameters(config: Config) -> ParameterCount:
    """Parameters in closed form, equal to summing over a built model (for Jamba: arXiv 2403.19887, section 3.1)."""
    tables = 1 if getattr(config, "tie_word_embeddings", True) else 2
    total = active = config.vocab_size * config.hidden_size * tables + config.hidden_size
    in_experts = 0
    for layer in _layers(config):
        shared = 2 * layer.dim + layer.mixer_parameters() + layer.router_parameters()
        total += shared + max(1, layer.experts) * layer.expert_parameters()
        active += shared + layer.top_k * layer.expert_parameters()
        in_experts += layer.experts * layer.expert_parameters()
    return ParameterCount(total, active, in_experts)


def forward_flops(config: Config, length: int, *, causal: bool = False) -> int:
    """The whole model on one sequence, forward, logits included; `causal` counts attention's causal half alone.

    Experts are counted as if each token reached `top_k` of them: no-ops and a limited capacity make it less.
    """
    taken = tokens_taken(getattr(config, "capacity", 1.0), length)
    blocks = sum(layer.flops(length, taken, causal) for layer in _layers(config))
    return blocks + 2 * length * config.hidden_size * config.vocab_size


def linear_flops(tokens: int, dim: int, width: int, *, gated: bool = False) -> int:
    """A block's projections and MLP: n (8 d^2 + 4 d m), 6 d m when gated, with as many key-value heads as heads."""
    return tokens * (8 * dim**2 + (6 if gated else 4) * dim * width)


def attention_flops(tokens: int, dim: int, *, causal: bool = False) -> int:
    """QK^T and its product with V: 4 n^2 d for the full square, 2 n (n + 1) d for the causal half."""
    return 2 * tokens * (tokens + 1) * dim if causal else 4 * tokens**2 * dim


def block_flops(
    length: int,
    dim: int,
    width: int,
    taken: int | None = None,
    *,
    predictor: bool = False,
    gated: bool = False,
    causal: bool = False,
) -> int:
    """One block on one sequence; with `taken` tokens it is routed in depth and pays its router (and predictor)."""
    tokens = length if taken is None else taken
    total = linear_flops(tokens, dim, width, gated=gated) + attention_flops(tokens, dim, causal=causal)
    return total if taken is None else total + _depth_router_flops(length, dim, predictor)


def kv_cache_bytes(
    num_attention_layers: int, num_kv_heads: int, head_dim: int, tokens: int, bytes_per_value: int = 2
) -> int:
    """2 (keys and values) * layers * kv_heads * head_dim * tokens * bytes: the part that grows with the context."""
    return 2 * num_attention_layers * num_kv_heads * head_dim * tokens * bytes_per_value


def cache_bytes(config: Config, tokens: int, bytes_per_value: int = 2) -> int:
    """The KV caches of a model's attention layers; a layer routed in depth is taken to keep its capacity's share."""
    taken = tokens_taken(getattr(config, "capacity", 1.0), tokens)
    attending = [layer for layer in _layers(config) if layer.kv_dim is not None]
    return sum(kv_cache_bytes(1, 1, a.kv_dim, taken if a.routed else tokens, bytes_per_value) for a in attending)


def recurrent_state_bytes(config: Config, bytes_per_value: int = 2, bytes_per_state: int = 4) -> int:
    """The part of one size at any length: Mamba's inner * d_state states, and the past inputs of all convolutions."""
    total = 0
    for layer in _layers(config):
        if layer.state is not None:
            total += layer.inner * (layer.state * bytes_per_state + (layer.d_conv - 1) * bytes_per_value)
        if layer.conv_width is not None:
            total += (layer.conv_width - 1) * layer.dim * bytes_per_value
    return total


def _depth_router_flops(length: int, dim: int, predictor: bool) -> int:
    return 2 * length * dim + predictor * 2 * length * (dim * (dim // 2) + dim // 2)


def _layers(config: Config) -> list[_Layer]:
    make = {JambaConfig: _jamba_layer, TransformerConfig: _transformer_layer, DepthConfig: _depth_layer}[type(config)]
    return [make(config, index) for index in range(config.num_hidden_layers)]


def _transformer_layer(config: TransformerConfig, index: int) -> _Layer:
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    head_dim = config.hidden_size // heads if config.head_dim is None else config.head_dim
    return _Layer(
        config.hidden_size,
        config.intermediate_size,
        config.gated,
        query_dim=heads * head_dim,
        kv_dim=(heads if kv_heads is None else kv_heads) * head_dim,
        conv_width=config.conv_width,
    )


def _depth_layer(config: DepthConfig, index: int) -> _Layer:
    dim, mixture = config.hidden_size, config.num_experts > 1
    return _Layer(
        dim,
        config.intermediate_size,
        gated=mixture,
        query_dim=dim,
        kv_dim=dim,
        experts=config.num_experts if mixture else 0,
        noops=config.num_noops if mixture else 0,
        routed=config.is_routed(index),
        predictor=config.predictor,
    )


def _jamba_layer(config: JambaConfig, index: int) -> _Layer:
    mixture = config.has_experts(index)
    parts: dict[str, int | bool] = {}
    if mixture:
        parts |= {"experts": config.num_experts, "top_k": config.num_experts_per_tok}
    if config.attends(index):
        parts |= {"query_dim": config.num_attention_heads * config.head_dim}
        parts |= {"kv_dim": config.num_key_value_heads * config.head_dim}
    else:
        parts |= {"inner": config.mamba_expand * config.hidden_size, "state": config.mamba_d_state}
        parts |= {"dt_rank": config.dt_rank, "d_conv": config.mamba_d_conv, "conv_bias": config.mamba_conv_bias}
        parts |= {"proj_bias": config.mamba_proj_bias, "inner_norms": config.mamba_inner_norms}
    width = config.expert_width if mixture else config.intermediate_size
    return _Layer(config.hidden_size, width, gated=True, **parts)
