"""CLIP's text encoder (Radford et al., arXiv 2103.00020, section 2.4): causal, so that a token's state sees only what
stands before it, and a text's one vector is the state at its end. Stable Diffusion reads the states of all tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.language import hugging_face
from lib.nn.language.config_fields import read_fields

LEGACY_EOS = 2
"""The eos_token_id of files older than June 2023, which was wrong: the end is then where the largest number stands."""
TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
PASSED_OVER = (*TOKEN_IDS, "projection_dim", "initializer_factor", "dropout", "tie_word_embeddings")
"""Fields that shape no state of the text, or that `from_dict` takes itself."""


@dataclass(frozen=True)
class ClipTextConfig:
    """Sizes, by Hugging Face's names and with its values for openai/clip-vit-base-patch32.

    A text ends at the first `eos_token_id`; with `legacy_eos` at the largest number in it, as old files need.
    """

    vocab_size: int = 49_408
    hidden_size: int = 512
    intermediate_size: int = 2048
    num_hidden_layers: int = 12
    num_attention_heads: int = 8
    max_position_embeddings: int = 77
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    bos_token_id: int = 49_406
    eos_token_id: int = 49_407
    pad_token_id: int = 1
    legacy_eos: bool = False

    def __post_init__(self):
        if self.num_attention_heads < 1 or self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size must be a multiple of num_attention_heads ({self.num_attention_heads}), "
                f"got {self.hidden_size}"
            )
        if self.hidden_act not in ("quick_gelu", "gelu"):
            raise ValueError(f"hidden_act must be 'quick_gelu' or 'gelu', got {self.hidden_act!r}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ClipTextConfig:
        """From the `config.json` of a CLIPTextModel, with or without projection.

        Raises ValueError for a field that ours cannot follow.
        """
        ours = ("legacy_eos", *TOKEN_IDS)
        sizes = read_fields(cls, values, "clip_text_model", {}, ours=ours, read=PASSED_OVER)
        ids = {name: values[name] for name in TOKEN_IDS if values.get(name) is not None}
        for name, value in ids.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, got {value!r}")
        return cls(**sizes, **ids, legacy_eos=ids.get("eos_token_id") == LEGACY_EOS)


class ClipSelfAttention(nn.Module):
    """softmax over what came before (Q K^T / sqrt(head_dim)) V, with biases. (batch, length, dim) both."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch length dim"]:
        queries, keys, values = (
            project(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (batch, heads, length, head_dim)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class ClipFeedForward(nn.Module):
    """W_2 act(W_1 x), act gelu or its quick approximation x * sigmoid(1.702 x)."""

    def __init__(self, dim: int, inner: int, quick: bool):
        super().__init__()
        self.fc1, self.fc2, self.quick = nn.Linear(dim, inner), nn.Linear(inner, dim), quick

    def forward(self, x: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch length dim"]:
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x) if self.quick else F.gelu(x))


class ClipTextLayer(nn.Module):
    """x += attention(norm x);  x += feed-forward(norm x)."""

    def __init__(self, config: ClipTextConfig):
        super().__init__()
        dim, eps = config.hidden_size, config.layer_norm_eps
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(dim, eps), nn.LayerNorm(dim, eps)
        self.self_attn = ClipSelfAttention(dim, config.num_attention_heads)
        self.mlp = ClipFeedForward(dim, config.intermediate_size, config.hidden_act == "quick_gelu")

    def forward(self, x: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch length dim"]:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class ClipTextEncoder(nn.Module):
    """Tokens (batch, length) -> states (batch, length, dim); `pool` gives one vector a text. Nothing drops out.

    What stands after a text's end changes nothing before it: the encoder needs no mask.
    """

    def __init__(self, config: ClipTextConfig):
        super().__init__()
        self.config = config
        dim = config.hidden_size
        self.embeddings = nn.Module()
        self.embeddings.token_embedding = nn.Embedding(config.vocab_size, dim)
        self.embeddings.position_embedding = nn.Embedding(config.max_position_embeddings, dim)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(ClipTextLayer(config) for _ in range(config.num_hidden_layers))
        self.final_layer_norm = nn.LayerNorm(dim, config.layer_norm_eps)
        for table in (self.embeddings.token_embedding, self.embeddings.position_embedding):
            nn.init.normal_(table.weight, std=dim**-0.5)

    def forward(self, tokens: Int[Tensor, "batch length"], skip_layers: int = 0) -> Float[Tensor, "batch length dim"]:
        """States after the final norm, of all layers but the last `skip_layers`: 1 is the penultimate layer's output,
        which Stable Diffusion 2 was trained on.

        Raises ValueError for a text longer than the encoder, and for fewer or more layers than there are.
        """
        length, longest = tokens.shape[1], self.config.max_position_embeddings
        if not 1 <= length <= longest:
            raise ValueError(f"tokens must be 1 to {longest} (max_position_embeddings) long, got {length}")
        layers = len(self.encoder.layers)
        if not 0 <= skip_layers <= layers:
            raise ValueError(f"skip_layers must be 0 to {layers}, the number of layers, got {skip_layers}")
        x = self.embeddings.token_embedding(tokens) + self.embeddings.position_embedding.weight[:length]
        for layer in self.encoder.layers[: layers - skip_layers]:
            x = layer(x)
        return self.final_layer_norm(x)

    def ends(self, tokens: Int[Tensor, "batch length"]) -> Int[Tensor, " batch"]:
        """Where each text ends. Raises ValueError for one without an end."""
        if self.config.legacy_eos:
            return tokens.argmax(1)
        is_end = tokens == self.config.eos_token_id
        if not is_end.any(1).all():
            raise ValueError(
                f"tokens must hold an end of text, eos_token_id ({self.config.eos_token_id}), in every row"
            )
        return is_end.int().argmax(1)

    def until_end(self, tokens: Int[Tensor, "batch length"]) -> Bool[Tensor, "batch length"]:
        """True at every text's tokens up to its end, False at the padding behind it."""
        return torch.arange(tokens.shape[1], device=tokens.device) <= self.ends(tokens)[:, None]

    def pool(
        self, states: Float[Tensor, "batch length dim"], tokens: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch dim"]:
        """The state at each text's end, which has seen all of it."""
        return states[torch.arange(len(states), device=states.device), self.ends(tokens)]

    @classmethod
    def from_hugging_face(cls, folder: str | Path, dtype: torch.dtype = torch.float32) -> ClipTextEncoder:
        """Read a CLIPTextModel's folder: config.json and safetensors, in eval mode. The projection, a head of its own,
        is left out.

        Raises FileNotFoundError or ValueError with one sentence when a file, a field or a weight does not fit.
        """
        config = ClipTextConfig.from_dict(hugging_face.read_config(folder))
        weights = hugging_face.named(hugging_face.read_folder(folder), lambda name: name.removeprefix("text_model."))
        unread = ("text_projection.", "embeddings.position_ids")
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith(unread)}
        return hugging_face.filled(lambda: cls(config), weights, dtype)
