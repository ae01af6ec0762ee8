"""A plain pre-norm transformer language model: the reader of whatever tokens a notebook gives it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from lib.nn.language.decoder import Decoder, DecoderLayer, DecoderLM
from lib.nn.layers.attention import Attention
from lib.nn.layers.feedforward import MLP, GatedMLP
from lib.nn.layers.short_conv import ConvolvedAttention


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes. `gated` chooses SwiGLU over the plain MLP; embeddings are tied unless `tie_word_embeddings` is False.

    `conv_width` puts a short convolution over so many tokens before each attention (`lib.nn.layers.short_conv`).
    """

    vocab_size: int
    dim: int = 128
    num_layers: int = 2
    num_heads: int = 4
    num_kv_heads: int | None = None
    intermediate_size: int = 512
    gated: bool = False
    rope_theta: float | None = 10_000.0
    tie_word_embeddings: bool = True
    conv_width: int | None = None


class TransformerLM(DecoderLM):
    """The language model: tokens (batch, length) -> logits (batch, length, vocab)."""

    def __init__(self, config: TransformerConfig):
        super().__init__(Decoder(config.vocab_size, config.dim, [_layer(config) for _ in range(config.num_layers)]))
        self.config = config
        nn.init.normal_(self.model.embed_tokens.weight, std=config.dim**-0.5)
        self.lm_head = None
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.dim, config.vocab_size, bias=False)
            nn.init.normal_(self.lm_head.weight, std=config.dim**-0.5)
        self.shrink_residual_branches()

    @property
    def output_weight(self):
        return super().output_weight if self.lm_head is None else self.lm_head.weight

    def num_parameters(self, *, embeddings: bool = True) -> int:
        """Parameters; without `embeddings`, those of the blocks and norms, as papers on scaling count them."""
        total = sum(parameter.numel() for parameter in self.parameters())
        if embeddings:
            return total
        heads = 1 if self.lm_head is None else 2
        return total - heads * self.model.embed_tokens.weight.numel()


def _layer(config: TransformerConfig) -> DecoderLayer:
    heads = config.dim, config.num_heads, config.num_kv_heads
    if config.conv_width is None:
        attention: nn.Module = Attention(*heads, rope_theta=config.rope_theta)
    else:
        attention = ConvolvedAttention(*heads, width=config.conv_width, rope_theta=config.rope_theta)
    feed_forward = (GatedMLP if config.gated else MLP)(config.dim, config.intermediate_size)
    return DecoderLayer(config.dim, attention, feed_forward)
