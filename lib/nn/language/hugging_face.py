"""Folders as Hugging Face writes them, config.json beside safetensors, to our models and back: Jamba and Llama.

Only files inside the folder are read, and none but safetensors for weights. A field that shapes the model is taken or
refused with a sentence that names it (`lib.nn.language.config_fields`). What is saved is what is loaded, here and by
transformers; a model that their layout cannot express is not written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lib.nn.language.config_fields import check_type, read_fields
from lib.nn.weights import read_weights, write_weights

Model = TypeVar("Model", bound=nn.Module)

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")

JAMBA_REQUIRED = {"hidden_act": "silu", "mamba_inner_layernorms": True, "sliding_window": None}
LLAMA_REQUIRED = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "pretraining_tp": 1,
    "rope_interleaved": False,
}
"""Fields that shape the model and the one value that ours can follow, which is also what their absence means."""
LLAMA_READ = ("rope_parameters", "rope_scaling", "rope_theta")
"""Fields that `read_llama_config` takes besides the sizes."""


def read_config(folder: str | Path) -> dict[str, Any]:
    """The folder's config.json. Raises FileNotFoundError where there is none, ValueError where it holds no object."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"folder must hold a config.json, found none in {path.parent.name!r}")
    return _read_object(path)


def read_folder(folder: str | Path) -> dict[str, Tensor]:
    """All tensors of model.safetensors, or where there is none of the shards that its index names.

    Raises FileNotFoundError for a file that is not there, ValueError for one that is damaged, that lies outside of the
    folder, or that holds a weight which another one holds too.
    """
    folder = Path(folder)
    names = [WEIGHTS]
    if not (folder / WEIGHTS).is_file() and (folder / INDEX).is_file():  # the order in which transformers looks
        names = _shards(_read_object(folder / INDEX))
    weights: dict[str, Tensor] = {}
    for name in names:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"folder must hold {name}, found no such file in {folder.name!r}")
        part = read_weights(folder / name)
        if twice := sorted(part.keys() & weights.keys()):
            raise ValueError(f"every weight must lie in one file, {twice[0]} lies in {name!r} and in another")
        weights.update(part)
    return weights


def _shards(index: Mapping[str, Any]) -> list[str]:
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ValueError(f"{INDEX} must hold a weight_map, the file of each weight, got {type(places).__name__}")
    for name in places.values():
        if not isinstance(name, str) or Path(name).name != name or Path(name).suffix != ".safetensors":
            raise ValueError(f"weight_map must name safetensors files in the folder itself, got {name!r}")
    return sorted(set(places.values()))


def write_folder(folder: str | Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Write config.json and model.safetensors, and take away the shards that lay there, which are another model's."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder / WEIGHTS, weights)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / INDEX).unlink(missing_ok=True)
    for path in folder.iterdir():
        if SHARD.fullmatch(path.name):
            path.unlink()


def filled(
    build: Callable[[], Model], weights: Mapping[str, Tensor], dtype: torch.dtype, source: str = "config.json"
) -> Model:
    """The model that `build` makes, with these weights in `dtype` instead of a random start, ready for evaluation.

    Raises ValueError, which names the `source` of the shapes, when a weight is missing, too many, of another shape,
    no floating-point number or not finite.
    """
    model = _fitting(build, weights, source)
    for name, tensor in weights.items():
        if not tensor.is_floating_point():
            raise ValueError(f"{name} must be floating point, got {str(tensor.dtype).removeprefix('torch.')}")
    kinds = {name: type(parameter) for name, parameter in model.named_parameters(remove_duplicate=False)}
    ready = {name: kinds.get(name, Tensor)(tensor.to(dtype)) for name, tensor in weights.items()}
    for name, tensor in ready.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} must be finite in {str(dtype).removeprefix('torch.')}, got infinity or NaN")
    model.load_state_dict(ready, assign=True)  # a parameter keeps its type, and with it what it says of itself
    return model.eval()


def own_weights(model: nn.Module, build: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """The model's state, when it has the names and shapes of what `build` makes.

    Raises ValueError when it does not: an adapter that is not merged would be lost.
    """
    weights = model.state_dict()
    try:
        _fitting(build, weights, "its config")
    except ValueError as error:
        raise ValueError(f"{error}: merge or remove adapters before saving") from None
    return weights


def require_layers(weights: Mapping[str, Tensor], layers: int, field: str = "num_hidden_layers") -> None:
    """Raise ValueError unless the weights, by our names, have so many layers: asked before a layer is built."""
    found = {int(match[1]) for name in weights if (match := re.match(r"(?:model\.)?layers\.(\d+)\.", name))}
    if len(found) != layers:
        raise ValueError(f"{field} must be the number of layers among the weights, {len(found)}, got {layers}")


def untied(weights: Mapping[str, Tensor], embedding: str, head: str) -> bool:
    """Whether the output matrix among the weights is there and is not the embedding: no flag may say otherwise."""
    if head not in weights or embedding not in weights:
        return False
    return not torch.equal(weights[embedding], weights[head])


def named(weights: Mapping[str, Tensor], rename: Callable[[str], str]) -> dict[str, Tensor]:
    """The weights by other names. Raises ValueError when two would get the same."""
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if rename(name) in found:
            raise ValueError(f"weights must differ in their names, two of them stand for {rename(name)}")
        found[rename(name)] = tensor
    return found


def _fitting(build: Callable[[], Model], weights: Mapping[str, Tensor], source: str) -> Model:
    """What `build` makes, without memory. Raises ValueError unless it has the names and shapes of these weights."""
    try:
        with torch.device("meta"):
            model = build()
    except (RuntimeError, OverflowError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{source} must describe a model that can be built, this one cannot: {reason}") from None
    expected = model.state_dict()
    if expected.keys() != weights.keys():
        missing, extra = sorted(expected.keys() - weights.keys())[:3], sorted(weights.keys() - expected.keys())[:3]
        raise ValueError(f"weights must match {source}: missing {missing}, unexpected {extra}")
    for name, like in expected.items():
        if weights[name].shape != like.shape:
            raise ValueError(f"{name} must have shape {tuple(like.shape)}, got {tuple(weights[name].shape)}")
    return model


def read_llama_config(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Llama's config.json that shape our `TransformerConfig`, with Hugging Face's defaults."""
    ours = ("gated", "conv_width")
    found = read_fields(kind, values, "llama", LLAMA_REQUIRED, ours=ours, read=LLAMA_READ)
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    usual = {"rope_type": "default", "type": "default", "partial_rotary_factor": 1.0}
    if not isinstance(rope, dict) or any(usual.get(name, value) != value for name, value in rope.items()):
        raise ValueError(f"rope_parameters must be of rope_type 'default' and turn whole heads, got {rope}")
    if unknown := sorted(rope.keys() - usual.keys() - {"rope_theta"}):
        raise ValueError(f"rope_parameters must hold rope_type and rope_theta alone, got {', '.join(unknown)} too")
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
    theta = rope.get("rope_theta", found.get("rope_theta", 10_000.0))
    check_type("rope_theta", theta, "float")
    return defaults | found | {"rope_theta": theta}


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
    return named(ours, lambda name: renamed(name, LLAMA_NAMES))


def to_llama(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `from_llama`."""
    back = {ours: theirs for theirs, ours in LLAMA_NAMES.items()}
    return named(weights, lambda name: renamed(name, back))


def from_jamba(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names for a Jamba's: one `mixer` for `mamba` and `self_attn`; experts stacked as transformers does in memory.

    Raises ValueError when an expert lacks one of its three matrices, or a weight is there under two names.
    """
    ours, experts = {}, {}
    for name, tensor in named(weights, lambda name: re.sub(r"\.(mamba|self_attn)\.", ".mixer.", name)).items():
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
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError among them
        raise ValueError(f"{path.name} must hold JSON in UTF-8, it is damaged or something else: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path.name} must hold an object, got {type(values).__name__}")
    return values
