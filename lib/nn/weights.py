"""Weights from files, without pickle's code: .safetensors, and PyTorch's .pth through its restricted loader."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU.

    A name that does not end in .safetensors is read as PyTorch's own format, tensors and plain containers only.
    Raises FileNotFoundError when there is no such file, and ValueError when it holds anything else than named tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path.name!r}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        kind = "safetensors" if path.suffix == ".safetensors" else "PyTorch"
        raise ValueError(f"{path.name!r} is no {kind} file of plain tensors: {_one_line(error)}") from None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(f"{path.name!r} must hold tensors by name, got {type(weights).__name__}")
    return weights


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Put a file's weights into `model`, every name and shape as the model has them.

    Raises as `read_weights` does, and ValueError when they do not fit.
    """
    weights = read_weights(path)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"weights of {Path(path).name!r} do not fit the model: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
