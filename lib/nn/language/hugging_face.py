"""Folders as Hugging Face writes them, config.json beside safetensors, to our models and back: Jamba and Llama.

Only files inside the folder are read, and none but safetensors for weights. A field that shapes the model is taken or
refused with a sentence that names it; what concerns training or generation alone is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lib.nn.weights import read_weights

Model = TypeVar("Model", bound=nn.Module)

JAMBA_REQUIRED = {"hidden_act": "silu", "mamba_inner_layernorms": True, "sliding_window": None}
LLAMA_REQUIRED = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "pretraining_tp": 1}
"""Fields that shape the model and the one value that ours can follow, which is also what their absence means."""


def read_config(folder: str | Path) -> dict[str, Any]:
    """The folder's config.json. Raises FileNotFoundError where there is none, ValueError where it holds no object."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"folder must hold a config.json, found none in {path.parent.name!r}")
    return _read_object(path)


def read_folder(folder: str | Path) -> dict[str, Tensor]:
    """All tensors of model.safetensors, or of the shards that its index names."""
    folder = Path(folder)
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.is_file():
        names = sorted(set(_read_object(index)["weight_map"].values()))
    weights: dict[str, Tensor] = {}
    for name in names:
        if Path(name).name != name or Path(name).suffix != ".safetensors":
            raise ValueError(f"weight_map must name safetensors files in the folder itself, got {name!r}")
        if not (folder / name).is_file():
            raise FileNotFoundError(f"folder must hold {name}, found no such file in {folder.name!r}")
        weights.update(read_weights(folder / name))
    return weights


def write_folder(folder: str | Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Write config.json and model.safetensors."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    contiguous = {name: tensor.contiguous() for name, tensor in weights.items()}
    save_file(contiguous, folder / "model.safetensors", metadata={"format": "pt"})


def filled(
    build: Callable[[], Model], weights: Mapping[str, Tensor], dtype: torch.dtype, source: str = "config.json"
) -> Model:
    """The model that `build` makes, with these weights in `dtype` instead of a random start, ready for evaluation.

    Raises ValueError, which names the `source` of the shapes, when a weight is missing, too many or of another shape.
    """
    with torch.device("meta"):
        model = build()
    expected = model.state_dict()
    if expected.keys() != weights.keys():
        missing, extra = sorted(expected.keys() - weights.keys())[:3], sorted(weights.keys() - expected.keys())[:3]
        raise ValueError(f"weights must match {source}: missing {missing}, unexpected {extra}")
    for name, like in expected.items():
        if weights[name].shape != like.shape:
            raise ValueError(f"{name} must have shape {tuple(like.shape)}, got {tuple(weights[name].shape)}")
    kinds = {name: type(parameter) for name, parameter in model.named_parameters(remove_duplicate=False)}
    ready = {name: kinds.get(name, Tensor)(tensor.to(dtype)) for name, tensor in weights.items()}
    model.load_state_dict(ready, assign=True)  # a parameter keeps its type, and with it what it says of itself
    return model.eval()


def require(values: Mapping[str, Any], model_type: str, required: Mapping[str, Any]) -> None:
    """Raise ValueError unless the config is of this family and holds the required values, or none, in their fields."""
    if values.get("model_type", model_type) != model_type:
        raise ValueError(f"model_type must be {model_type!r}, got {values['model_type']!r}")
    for name, needed in required.items():
        if values.get(name, needed) != needed:
            raise ValueError(f"{name} must be {needed!r}, got {values[name]!r}")


def read_llama_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Llama's config.json that shape our `TransformerConfig`, with Hugging Face's defaults."""
    require(values, "llama", LLAMA_REQUIRED)
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default" or rope.get("partial_rotary_factor", 1.0) != 1.0:
        raise ValueError(f"rope_parameters must be of rope_type 'default' and turn whole heads, got {rope}")
    defaults = {
        "vocab_size": 32_000,
        "hidden_size": 4096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": None,
        "head_dim": None,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
    }
    theta = rope.get("rope_theta", values.get("rope_theta", 10_000.0))
    return {"rope_theta": theta} | {name: values.get(name, default) for name, default in defaults.items()}


def llama_config(config: Any) -> dict[str, Any]:
    """The config.json of a gated `TransformerConfig`, for transformers before and after version 5."""
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads if kv_heads is None else kv_heads,
        "head_dim": config.hidden_size // heads if config.head_dim is None else config.head_dim,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "tie_word_embeddings": config.tie_word_embeddings,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
    }


LLAMA_NAMES = {
    ".self_attn.": ".mixer.",
    ".mlp.": ".feed_forward.",
    ".post_attention_layernorm.": ".pre_ff_layernorm.",
    "model.norm.": "model.final_layernorm.",
}
"""Hugging Face's parts of names, and ours."""


def from_llama(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names for a Llama's weights. The rotary frequencies that old files store are computed anew and left out."""
    ours = {name: tensor for name, tensor in weights.items() if not name.endswith("rotary_emb.inv_freq")}
    return {renamed(name, LLAMA_NAMES): tensor for name, tensor in ours.items()}


def to_llama(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `from_llama`."""
    back = {ours: theirs for theirs, ours in LLAMA_NAMES.items()}
    return {renamed(name, back): tensor for name, tensor in weights.items()}


def from_jamba(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names for a Jamba's: one `mixer` for `mamba` and `self_attn`; experts stacked as transformers does in memory.

    Raises ValueError when an expert lacks one of its three matrices.
    """
    ours, experts = {}, {}
    for name, tensor in weights.items():
        name = re.sub(r"\.(mamba|self_attn)\.", ".mixer.", name)
        expert = re.match(r"(.*\.experts)\.(\d+)\.(gate|up|down)_proj\.weight$", name)
        if expert:
            experts.setdefault(expert[1], {})[int(expert[2]), expert[3]] = tensor
        else:
            ours[name] = tensor
    for prefix, parts in experts.items():
        count = 1 + max(index for index, _ in parts)
        if len(parts) != 3 * count:
            raise ValueError(f"weights of {prefix} must hold gate, up and down for each of {count}, got {len(parts)}")
        gate_up = [torch.cat((parts[i, "gate"], parts[i, "up"])) for i in range(count)]  # (2 * width, dim) each
        ours[f"{prefix}.gate_up_proj"] = torch.stack(gate_up)
        ours[f"{prefix}.down_proj"] = torch.stack([parts[i, "down"] for i in range(count)])
    return ours


def to_jamba(weights: Mapping[str, Tensor], pattern: str) -> dict[str, Tensor]:
    """The inverse of `from_jamba`, experts one by one as on disk. `pattern` has an A for each layer that attends."""
    theirs = {}
    for name, tensor in weights.items():
        layer = re.match(r"model\.layers\.(\d+)\.", name)
        if layer:
            kind = "self_attn" if pattern[int(layer[1])] == "A" else "mamba"
            name = name.replace(".mixer.", f".{kind}.")
        if name.endswith("experts.gate_up_proj"):
            for index, (gate, up) in enumerate(expert.chunk(2) for expert in tensor):
                theirs[name.replace("gate_up_proj", f"{index}.gate_proj.weight")] = gate
                theirs[name.replace("gate_up_proj", f"{index}.up_proj.weight")] = up
        elif name.endswith("experts.down_proj"):
            for index, expert in enumerate(tensor):
                theirs[name.replace("down_proj", f"{index}.down_proj.weight")] = expert
        else:
            theirs[name] = tensor
    return theirs


def renamed(name: str, parts: Mapping[str, str]) -> str:
    """`name` with each part that `parts` lists replaced, one after the other."""
    for old, new in parts.items():
        name = name.replace(old, new)
    return name


def _read_object(path: Path) -> dict[str, Any]:
    values = json.loads(path.read_text())
    if not isinstance(values, dict):
        raise ValueError(f"{path.name} must hold an object, got {type(values).__name__}")
    return values
