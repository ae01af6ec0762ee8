"""A transformer language model whose blocks may be routed in depth, and its bill in FLOPs (arXiv 2404.02258)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from lib.nn.language.decoder import Decoder, DecoderLayer, DecoderLM
from lib.nn.layers.attention import Attention
from lib.nn.layers.depth_routing import RoutedLayer
from lib.nn.layers.experts import MixtureOfExperts
from lib.nn.layers.feedforward import MLP


@dataclass(frozen=True)
class DepthConfig:
    """Sizes of the model. Every `every`-th block is routed (2: the second, fourth ...; 1: all; 0: none, a dense model).

    `num_experts` > 1 gives every block a mixture of experts; `num_noops` adds experts that do nothing to its choice
    (integrated MoDE), `expert_capacity` limits an expert to that multiple of an even load and drops the rest.
    """

    vocab_size: int
    dim: int = 64
    num_layers: int = 6
    num_heads: int = 4
    intermediate_size: int = 256
    every: int = 0
    capacity: float = 0.125
    gate: str = "sigmoid"
    scores: str = "learned"
    predictor: bool = True
    rope_theta: float = 10_000.0
    num_experts: int = 1
    num_noops: int = 0
    expert_capacity: float | None = None

    def __post_init__(self):
        if self.every < 0:
            raise ValueError(f"every must be 0 (dense) or positive, got {self.every}")

    def is_routed(self, layer: int) -> bool:
        return self.every > 0 and layer % self.every == self.every - 1

    @property
    def num_routed(self) -> int:
        return sum(self.is_routed(layer) for layer in range(self.num_layers))


class DepthLM(DecoderLM):
    """The language model: tokens (batch, length) -> logits (batch, length, vocab); embeddings are tied."""

    def __init__(self, config: DepthConfig):
        super().__init__(Decoder(config.vocab_size, config.dim, [_layer(config, i) for i in range(config.num_layers)]))
        self.config = config
        nn.init.normal_(self.model.embed_tokens.weight, std=config.dim**-0.5)
        self.shrink_residual_branches()


def _layer(config: DepthConfig, index: int) -> DecoderLayer | RoutedLayer:
    dim, width = config.dim, config.intermediate_size
    if config.num_experts > 1:
        feed_forward = MixtureOfExperts(
            dim, width, config.num_experts, 1, num_noops=config.num_noops, capacity=config.expert_capacity
        )
    else:
        feed_forward = MLP(dim, width)
    block = DecoderLayer(dim, Attention(dim, config.num_heads, rope_theta=config.rope_theta), feed_forward)
    if not config.is_routed(index):
        return block
    return RoutedLayer(block, config.capacity, gate=config.gate, scores=config.scores, predictor=config.predictor)


def linear_flops(tokens: int, dim: int, width: int, *, gated: bool = False) -> int:
    """A block's projections and MLP, forward, a multiply-add counting two: n (8 d^2 + 4 d m), 6 d m when gated."""
    return tokens * (8 * dim**2 + (6 if gated else 4) * dim * width)


def attention_flops(tokens: int, dim: int, *, causal: bool = False) -> int:
    """QK^T and its product with V, forward: 4 n^2 d for the full square, 2 n (n + 1) d for the causal half."""
    return 2 * tokens * (tokens + 1) * dim if causal else 4 * tokens**2 * dim


def block_flops(length: int, dim: int, width: int, taken: int | None = None, *, predictor: bool = False, **kind) -> int:
    """One block on one sequence, forward; with `taken` tokens it is routed and pays its router (and predictor)."""
    gated, causal = kind.get("gated", False), kind.get("causal", False)
    n = length if taken is None else taken
    total = linear_flops(n, dim, width, gated=gated) + attention_flops(n, dim, causal=causal)
    if taken is not None:
        total += 2 * length * dim
        if predictor:
            total += 2 * length * (dim * (dim // 2) + dim // 2)
    return total


def forward_flops(config: DepthConfig, length: int, **kind) -> int:
    """The whole model on one sequence, forward, logits included. A training step costs three times that."""
    taken = max(1, int(config.capacity * length))
    total = 2 * length * config.dim * config.vocab_size
    for layer in range(config.num_layers):
        routed = config.is_routed(layer)
        total += block_flops(
            length, config.dim, config.intermediate_size, taken if routed else None,
            predictor=config.predictor, **kind,
        )  # fmt: skip
    return total
