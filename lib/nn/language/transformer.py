"""A plain pre-norm transformer language model; gated and with rotary positions it is Llama (arXiv 2302.13971)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.nn.language import gguf_file, hugging_face
from lib.nn.language.decoder import Decoder, DecoderLayer, DecoderLM
from lib.nn.language.gguf_file import GGUFFile
from lib.nn.layers.attention import Attention
from lib.nn.layers.feedforward import MLP, GatedMLP
from lib.nn.layers.short_conv import ConvolvedAttention


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes, by Hugging Face's names. `gated` chooses SwiGLU over the plain MLP, `rope_theta` None no positions.

    `conv_width` puts a short convolution over so many tokens before each attention (`lib.nn.layers.short_conv`).
    `head_dim` is hidden_size / num_attention_heads unless it is given.
    """

    vocab_size: int
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int | None = None
    intermediate_size: int = 512
    gated: bool = False
    rope_theta: float | None = 10_000.0
    tie_word_embeddings: bool = True
    conv_width: int | None = None
    head_dim: int | None = None
    rms_norm_eps: float = 1e-6

    @classmethod
    def from_dict(cls, values: dict) -> TransformerConfig:
        """From the `config.json` of a Llama. Raises ValueError for a field that ours cannot follow."""
        return cls(gated=True, **hugging_face.read_llama_config(cls, values))

    def to_dict(self) -> dict:
        """As the `config.json` of a Llama. Raises ValueError where no Llama is like this."""
        if not self.gated or self.rope_theta is None or self.conv_width is not None:
            raise ValueError(f"config must be gated, with rope_theta and without conv_width to be a Llama, got {self}")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size must be a multiple of num_attention_heads ({self.num_attention_heads}) to be a Llama, "
                f"got {self.hidden_size}"
            )
        return hugging_face.llama_config(self)


EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


class TransformerLM(DecoderLM):
    """The language model: tokens (batch, length) -> logits (batch, length, vocab)."""

    def __init__(self, config: TransformerConfig):
        layers = [_layer(config) for _ in range(config.num_hidden_layers)]
        super().__init__(Decoder(config.vocab_size, config.hidden_size, layers, config.rms_norm_eps))
        self.config = config
        nn.init.normal_(self.model.embed_tokens.weight, std=config.hidden_size**-0.5)
        self.lm_head = None
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
            nn.init.normal_(self.lm_head.weight, std=config.hidden_size**-0.5)
        self.shrink_residual_branches()

    @property
    def output_weight(self) -> Float[Tensor, "vocab dim"]:
        return super().output_weight if self.lm_head is None else self.lm_head.weight

    def num_parameters(self, *, embeddings: bool = True) -> int:
        """Parameters; without `embeddings`, those of the blocks and norms, as papers on scaling count them."""
        total = sum(parameter.numel() for parameter in self.parameters())
        if embeddings:
            return total
        heads = 1 if self.lm_head is None else 2
        return total - heads * self.model.embed_tokens.weight.numel()

    @classmethod
    def from_pretrained(cls, folder: str | Path, dtype: torch.dtype = torch.float32) -> TransformerLM:
        """Read a Hugging Face Llama folder: config.json and safetensors, sharded or not, in any precision.

        Raises FileNotFoundError or ValueError with one sentence when a file, a field or a weight does not fit.
        """
        config = TransformerConfig.from_dict(hugging_face.read_config(folder))
        weights = hugging_face.from_llama(hugging_face.read_folder(folder))
        hugging_face.require_layers(weights, config.num_hidden_layers)
        if config.tie_word_embeddings and hugging_face.untied(weights, EMBEDDING, HEAD):
            config = replace(config, tie_word_embeddings=False)
        if config.tie_word_embeddings and HEAD in weights:
            weights.setdefault(EMBEDDING, weights.pop(HEAD))
        return hugging_face.filled(lambda: cls(config), weights, dtype)

    @classmethod
    def from_gguf(cls, file: str | Path | GGUFFile, dtype: torch.dtype = torch.float32) -> TransformerLM:
        """Read a Llama from llama.cpp's GGUF file, in any quantisation that the package `gguf` knows.

        Raises as `GGUFFile` does, and ValueError with one sentence when a field or a weight does not fit.
        """
        file = file if isinstance(file, GGUFFile) else GGUFFile(file)
        fields, weights = gguf_file.llama_config_of(file.fields), file.weights()
        fields["tie_word_embeddings"] = "output.weight" not in weights
        config = TransformerConfig.from_dict(fields)
        weights = hugging_face.from_llama(gguf_file.llama_weights_of(weights, fields))
        hugging_face.require_layers(weights, config.num_hidden_layers, "llama.block_count")
        return hugging_face.filled(lambda: cls(config), weights, dtype, source="the file's fields")

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors as a Llama's.

        Raises ValueError where no Llama is like this, and for a model whose adapters are not merged.
        """
        config = self.config.to_dict()
        weights = hugging_face.own_weights(self, lambda: type(self)(self.config))
        hugging_face.write_folder(folder, config, hugging_face.to_llama(weights))


def _layer(config: TransformerConfig) -> DecoderLayer:
    heads = config.hidden_size, config.num_attention_heads, config.num_key_value_heads, config.head_dim
    if config.conv_width is None:
        attention = Attention(*heads, rope_theta=config.rope_theta)
    else:
        attention = ConvolvedAttention(*heads, width=config.conv_width, rope_theta=config.rope_theta)
    feed_forward = (GatedMLP if config.gated else MLP)(config.hidden_size, config.intermediate_size)
    return DecoderLayer(config.hidden_size, attention, feed_forward, config.rms_norm_eps)
