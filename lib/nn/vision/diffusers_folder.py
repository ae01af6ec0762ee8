"""The weights of one model of a diffusers pipeline: config.json beside safetensors, whole, in shards, or a variant."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor

from lib.nn.weights import read_weights

STEM = "diffusion_pytorch_model"


def read_diffusers_weights(folder: str | Path, variant: str | None = None) -> dict[str, Tensor]:
    """All tensors of diffusion_pytorch_model.safetensors, or where there is none of the shards that its index names.

    `variant` is the part of the names that tells one stored precision from another, such as "fp16".
    Raises FileNotFoundError for a file that is not there, ValueError for one that is damaged, that lies outside of the
    folder, or that holds a weight which another one holds too.
    """
    folder = Path(folder)
    name = f"{STEM}.{variant}.safetensors" if variant else f"{STEM}.safetensors"
    index = folder / (f"{STEM}.safetensors.index.{variant}.json" if variant else f"{STEM}.safetensors.index.json")
    names = [name]
    if not (folder / name).is_file() and index.is_file():
        names = _shards(index)
    weights: dict[str, Tensor] = {}
    for name in names:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"folder must hold {name}, found no such file in {folder.name!r}")
        part = read_weights(folder / name)
        if twice := sorted(part.keys() & weights.keys()):
            raise ValueError(f"every weight must lie in one file, {twice[0]} lies in {name!r} and in another")
        weights.update(part)
    return weights


def _shards(index: Path) -> list[str]:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(places.values()))
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise ValueError(f"{index.name} must be JSON with a weight_map, the file of each weight") from None
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or Path(name).suffix != ".safetensors":
            raise ValueError(f"weight_map must name safetensors files in the folder itself, got {name!r}")
    if not names:
        raise ValueError(f"{index.name} must name the file of at least one weight, got none")
    return names
