"""Tiny Llamas as GGUF files, written by the package `gguf` as llama.cpp's converter does it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DIM, INNER, VOCAB, LAYERS, HEADS, KV_HEADS = 64, 96, 50, 2, 4, 2
FIELDS = {
    "block_count": LAYERS,
    "embedding_length": DIM,
    "feed_forward_length": INNER,
    "attention.head_count": HEADS,
    "attention.head_count_kv": KV_HEADS,
    "attention.layer_norm_rms_epsilon": 1e-5,
    "rope.freq_base": 50_000.0,
    "rope.dimension_count": DIM // HEADS,
    "context_length": 128,
    "vocab_size": VOCAB,
}


def random_weights(seed: int = 0, tied: bool = True) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    kv = DIM // HEADS * KV_HEADS
    shapes = {"token_embd": (VOCAB, DIM), "output_norm": (DIM,)} | ({} if tied else {"output": (VOCAB, DIM)})
    for layer in range(LAYERS):
        part = f"blk.{layer}."
        shapes |= {part + "attn_norm": (DIM,), part + "ffn_norm": (DIM,), part + "attn_output": (DIM, DIM)}
        shapes |= {part + "attn_q": (DIM, DIM), part + "attn_k": (kv, DIM), part + "attn_v": (kv, DIM)}
        shapes |= {part + "ffn_gate": (INNER, DIM), part + "ffn_up": (INNER, DIM), part + "ffn_down": (DIM, INNER)}
    scale = {1: 1.0, 2: DIM**-0.5}
    return {
        f"{name}.weight": (scale[len(shape)] * draw.normal(size=shape) + (len(shape) == 1)).astype(np.float32)
        for name, shape in shapes.items()
    }


def write(path: Path, fields: dict, weights: dict[str, np.ndarray], kind: str = "F32", architecture: str = "llama"):
    """`kind` is the quantisation of the matrices; norms stay in float32, as llama.cpp leaves them."""
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    for name, value in fields.items():
        add = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}[type(value)]
        add(f"{architecture}.{name}", value)
    for name, weight in weights.items():
        kind_of = gguf.GGMLQuantizationType["F32" if weight.ndim == 1 else kind]
        data = weight if kind_of.name == "F32" else gguf.quants.quantize(weight, kind_of)
        writer.add_tensor(name, data, raw_dtype=kind_of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
