"""A transformer language model whose blocks may be routed in depth (Raposo et al., arXiv 2404.02258)."""

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
    """Sizes of the model, by Hugging Face's names.

    Every `every`-th block is routed (2: the second, fourth ...; 1: all; 0: none, a dense model).

    `num_experts` > 1 gives every block a mixture of experts; `num_noops` adds experts that do nothing to its choice
    (integrated MoDE), `expert_capacity` limits an expert to that multiple of an even load and drops the rest.
    """

    vocab_size: int
    hidden_size: int = 64
    num_hidden_layers: int = 6
    num_attention_heads: int = 4
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
        return sum(self.is_routed(layer) for layer in range(self.num_hidden_layers))


class DepthLM(DecoderLM):
    """The language model: tokens (batch, length) -> logits (batch, length, vocab); embeddings are tied."""

    def __init__(self, config: DepthConfig):
        layers = [_layer(config, index) for index in range(config.num_hidden_layers)]
        super().__init__(Decoder(config.vocab_size, config.hidden_size, layers))
        self.config = config
        nn.init.normal_(self.model.embed_tokens.weight, std=config.hidden_size**-0.5)
        self.shrink_residual_branches()


def _layer(config: DepthConfig, index: int) -> DecoderLayer | RoutedLayer:
    dim, width = config.hidden_size, config.intermediate_size
    if config.num_experts > 1:
        feed_forward = MixtureOfExperts(
            dim, width, config.num_experts, 1, num_noops=config.num_noops, capacity=config.expert_capacity
        )
    else:
        feed_forward = MLP(dim, width)
    block = DecoderLayer(dim, Attention(dim, config.num_attention_heads, rope_theta=config.rope_theta), feed_forward)
    if not config.is_routed(index):
        return block
    return RoutedLayer(block, config.capacity, gate=config.gate, scores=config.scores, predictor=config.predictor)
