"""GGUF, llama.cpp's file of quantised weights with their metadata, read as a Llama's config.json and weights.

The package `gguf` reads the file and computes the weights from their blocks: in Q4_1, 32 weights in a row share a
scale d and a minimum m, w = d q + m with q in 0..15, which is 5 bits a weight.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

LLAMA_FIELDS = {
    "block_count": "num_hidden_layers",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "rope.freq_base": "rope_theta",
    "vocab_size": "vocab_size",
}
"""GGUF's fields that shape a Llama, without their first word `llama.`, and config.json's."""
CHECKED = ("context_length", "rope.dimension_count", "attention.value_length", "rope.scaling.type", "expert_count")
"""Fields that ours passes over, for the first, or can follow at one value alone."""
LLAMA_PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""GGUF's name of a block's part, and Hugging Face's."""
LLAMA_ENDS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
"""The same for what lies before and behind the blocks."""


class GGUFFile:
    """A file's metadata, `fields`, and on request its weights.

    Raises FileNotFoundError where there is none, ModuleNotFoundError without the package `gguf`, and ValueError for a
    file that is damaged or no GGUF.
    """

    def __init__(self, path: str | Path):
        try:
            import gguf
        except ModuleNotFoundError:
            raise ModuleNotFoundError("a GGUF file needs the package gguf, which `make real` installs") from None
        self.name = Path(path).name
        if not Path(path).is_file():
            raise FileNotFoundError(f"path must be a GGUF file, there is no file {self.name!r}")
        try:
            self._reader = gguf.GGUFReader(path)
            self.fields: dict[str, Any] = {name: field.contents() for name, field in self._reader.fields.items()}
        except (ValueError, LookupError, OverflowError, MemoryError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"path must be a GGUF file, {self.name!r} is damaged or none: {reason}") from None

    def weights(self) -> dict[str, Tensor]:
        """Every tensor in float32, by its name in the file, the output dimension first."""
        from gguf import quants

        return {
            tensor.name: torch.from_numpy(quants.dequantize(tensor.data, tensor.tensor_type).copy())
            for tensor in self._reader.tensors
        }


def llama_config_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The config.json that these fields stand for. Raises ValueError for a field that ours cannot follow.

    Whether the output matrix is the embedding is not among the fields: a file without `output.weight` says so.
    """
    architecture = fields.get("general.architecture")
    if architecture != "llama":
        raise ValueError(f"general.architecture must be 'llama', got {architecture!r}")
    values = {name.removeprefix("llama."): value for name, value in fields.items() if name.startswith("llama.")}
    if unknown := sorted(values.keys() - LLAMA_FIELDS.keys() - set(CHECKED)):
        raise ValueError(f"llama's fields must be {', '.join((*LLAMA_FIELDS, *CHECKED))}, got {', '.join(unknown)}")
    config = {ours: values[name] for name, ours in LLAMA_FIELDS.items() if name in values}
    needed = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads")
    if missing := [name for name in needed if name not in config]:
        raise ValueError(f"the fields of a llama must say its {', '.join(missing)}, got {', '.join(sorted(values))}")
    config.setdefault("vocab_size", len(fields.get("tokenizer.ggml.tokens", ())))
    head_dim = config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
    followed = {
        "rope.dimension_count": head_dim,
        "attention.value_length": head_dim,
        "rope.scaling.type": "none",
        "expert_count": 0,
    }
    for name, only in followed.items():
        if values.get(name, only) != only:
            raise ValueError(f"llama.{name} must be {only!r}, got {values[name]!r}")
    return {"model_type": "llama", **config}


def llama_weights_of(weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Hugging Face's names for a Llama's weights, queries and keys in the order of its half-split rotary positions.

    Raises ValueError for a tensor that no such Llama has.
    """
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads", heads)
    theirs = {}
    for name, tensor in weights.items():
        match = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.weight", name)
        part = match and (LLAMA_ENDS if match[1] is None else LLAMA_PARTS).get(match[2])
        if not part:
            raise ValueError(f"tensors must be those of a llama without biases and rescaled positions, got {name!r}")
        if match[2] in ("attn_q", "attn_k"):
            tensor = halves_from_pairs(tensor, heads if match[2] == "attn_q" else kv_heads)
        theirs[f"{part}.weight" if match[1] is None else f"model.layers.{match[1]}.{part}.weight"] = tensor
    return theirs


def halves_from_pairs(weight: Tensor, num_heads: int) -> Tensor:
    """Reorder the rows of each head: llama.cpp turns rows (2i, 2i + 1) by angle i, Hugging Face (i, i + half).

    Row 2i + j of a head becomes row i + j half. Raises ValueError unless the rows are `num_heads` even heads.
    """
    rows = weight.shape[0]
    if num_heads < 1 or rows % (2 * num_heads):
        raise ValueError(f"rows must be {num_heads} heads of even width, got {rows}")
    pairs = weight.reshape(num_heads, rows // num_heads // 2, 2, -1)  # (heads, half, 2, dim)
    return pairs.transpose(1, 2).reshape(weight.shape)
