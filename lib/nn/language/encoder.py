"""BERT's encoder (Devlin et al., arXiv 1810.04805) and one vector a text: the mean over its tokens, of length one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.language import hugging_face
from lib.nn.language.config_fields import read_fields

REQUIRED = {"hidden_act": "gelu", "position_embedding_type": "absolute"}
"""Fields that shape a BERT and the one value that ours can follow, which is also what their absence means."""
NAMES = {
    "embeddings.word_embeddings.": "embed_tokens.",
    "embeddings.position_embeddings.": "embed_positions.",
    "embeddings.token_type_embeddings.": "embed_token_types.",
    "embeddings.LayerNorm.": "embed_layernorm.",
    "encoder.layer.": "layers.",
    ".attention.self.query.": ".attention.q_proj.",
    ".attention.self.key.": ".attention.k_proj.",
    ".attention.self.value.": ".attention.v_proj.",
    ".attention.output.dense.": ".attention.o_proj.",
    ".attention.output.LayerNorm.": ".attention_layernorm.",
    ".intermediate.dense.": ".up_proj.",
    ".output.dense.": ".down_proj.",
    ".output.LayerNorm.": ".output_layernorm.",
}
"""Hugging Face's parts of a BERT's names, and ours; longer ones stand before those that they contain."""


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes, by Hugging Face's names and with its values for BERT-base."""

    vocab_size: int = 30_522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12

    def __post_init__(self):
        if self.num_attention_heads < 1 or self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size must be a multiple of num_attention_heads ({self.num_attention_heads}), "
                f"got {self.hidden_size}"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EncoderConfig:
        """From the `config.json` of a BERT. Raises ValueError for a field that ours cannot follow."""
        return cls(**read_fields(cls, values, "bert", REQUIRED, read=("tie_word_embeddings",)))

    def to_dict(self) -> dict[str, Any]:
        return {"model_type": "bert", "architectures": ["BertModel"], **asdict(self), "hidden_act": "gelu"}


class SelfAttention(nn.Module):
    """softmax(Q K^T / sqrt(head_dim)) V, every token seeing every other, with biases. (batch, length, dim) both."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(dim, dim) for _ in range(4))

    def forward(
        self, x: Float[Tensor, "batch length dim"], mask: Bool[Tensor, "batch length"] | None = None
    ) -> Float[Tensor, "batch length dim"]:
        queries, keys, values = (
            project(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (batch, heads, length, head_dim)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        visible = None if mask is None else mask[:, None, None, :].bool()
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=visible)
        return self.o_proj(attended.transpose(1, 2).flatten(2))


class EncoderLayer(nn.Module):
    """u = norm(x + attention(x));  y = norm(u + W_down gelu(W_up u)): sums are normalised, not what a branch reads."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        dim, eps = config.hidden_size, config.layer_norm_eps
        self.attention = SelfAttention(dim, config.num_attention_heads)
        self.attention_layernorm, self.output_layernorm = nn.LayerNorm(dim, eps), nn.LayerNorm(dim, eps)
        self.up_proj = nn.Linear(dim, config.intermediate_size)
        self.down_proj = nn.Linear(config.intermediate_size, dim)

    def forward(
        self, x: Float[Tensor, "batch length dim"], mask: Bool[Tensor, "batch length"] | None = None
    ) -> Float[Tensor, "batch length dim"]:
        x = self.attention_layernorm(x + self.attention(x, mask))
        return self.output_layernorm(x + self.down_proj(F.gelu(self.up_proj(x))))


class TextEncoder(nn.Module):
    """Tokens (batch, length) -> hidden states (batch, length, dim); `embed` gives one vector a text.

    Every token is of the first type: texts are encoded one by one, not in pairs. Nothing drops out.
    """

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        dim = config.hidden_size
        self.embed_tokens = nn.Embedding(config.vocab_size, dim)
        self.embed_positions = nn.Embedding(config.max_position_embeddings, dim)
        self.embed_token_types = nn.Embedding(config.type_vocab_size, dim)
        self.embed_layernorm = nn.LayerNorm(dim, config.layer_norm_eps)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))
        for table in (self.embed_tokens, self.embed_positions, self.embed_token_types):
            nn.init.normal_(table.weight, std=dim**-0.5)

    def forward(
        self, tokens: Int[Tensor, "batch length"], mask: Bool[Tensor, "batch length"] | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """`mask` is True at real tokens, which padding is hidden from. Raises ValueError for too long a text."""
        length, longest = tokens.shape[1], self.config.max_position_embeddings
        if length > longest:
            raise ValueError(f"tokens must be at most max_position_embeddings ({longest}) long, got {length}")
        x = self.embed_tokens(tokens) + self.embed_positions.weight[:length] + self.embed_token_types.weight[0]
        x = self.embed_layernorm(x)
        for layer in self.layers:
            x = layer(x, mask)
        return x

    def embed(
        self, tokens: Int[Tensor, "batch length"], mask: Bool[Tensor, "batch length"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        """m / |m|, m the mean of the hidden states of a text's real tokens: a dot product is then the cosine.

        Raises ValueError for a text without a real token.
        """
        mask = torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask.bool()
        if not mask.any(1).all():
            raise ValueError("mask must leave at least one real token of every text")
        weights = mask[..., None].to(self.embed_tokens.weight.dtype)  # (batch, length, 1)
        mean = (self(tokens, mask) * weights).sum(1) / weights.sum(1)
        return F.normalize(mean, dim=-1)

    @classmethod
    def from_pretrained(cls, folder: str | Path, dtype: torch.dtype = torch.float32) -> TextEncoder:
        """Read a Hugging Face BERT folder: config.json and safetensors. The pooler, a head of its own, is left out.

        Raises FileNotFoundError or ValueError with one sentence when a file, a field or a weight does not fit.
        """
        config = EncoderConfig.from_dict(hugging_face.read_config(folder))
        weights = hugging_face.named(hugging_face.read_folder(folder), lambda name: name.removeprefix("bert."))
        unread = ("pooler.", "cls.", "embeddings.position_ids")
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith(unread)}
        ours = hugging_face.named(weights, lambda name: hugging_face.renamed(name, NAMES))
        hugging_face.require_layers(ours, config.num_hidden_layers)
        return hugging_face.filled(lambda: cls(config), ours, dtype)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors as a BertModel's without pooler.

        Raises ValueError for a model whose adapters are not merged.
        """
        back = {ours: theirs for theirs, ours in NAMES.items()}
        weights = hugging_face.own_weights(self, lambda: type(self)(self.config))
        theirs = hugging_face.named(weights, lambda name: hugging_face.renamed(name, back))
        hugging_face.write_folder(folder, self.config.to_dict(), theirs)
