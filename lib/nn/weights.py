"""Weights from files, without pickle's code: .safetensors, and PyTorch's .pth through its restricted loader."""

from __future__ import annotations

import contextlib
import os
import pickle
import secrets
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

PREFIXES = {"module.": "DistributedDataParallel", "_orig_mod.": "torch.compile"}
"""What wrappers put before every name of the model that they wrap."""


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU.

    A name that does not end in .safetensors is read as PyTorch's own format, tensors and plain containers only.
    Raises FileNotFoundError when there is no such file, and ValueError when it holds anything else than named tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path.name!r}")
    kind = "safetensors" if path.suffix == ".safetensors" else "PyTorch"
    try:
        weights = load_file(path) if kind == "safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name!r} is no {kind} file of plain tensors: {_one_line(error)}") from None
    except pickle.UnpicklingError:
        raise ValueError(f"{path.name!r} is no PyTorch file of plain tensors: it holds more, or is damaged") from None
    except (RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError) as error:
        reason = _one_line(error) or type(error).__name__
        raise ValueError(f"{path.name!r} is no {kind} file of plain tensors: {reason}") from None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        held = f" of {', '.join(map(str, list(weights)[:3]))}" if isinstance(weights, dict) else ""
        raise ValueError(f"{path.name!r} must hold tensors by name, got {type(weights).__name__}{held}")
    return weights


def write_weights(path: str | Path, weights: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """A safetensors file, whole or not at all, flushed to the disk and readable by whom the umask lets read.

    Tensors that share memory are written apart. Raises OSError, with the old file untouched and no remains, when the
    disk does not take it.
    """
    path = Path(path)
    data = save(_apart(weights), metadata=dict(metadata or {"format": "pt"}))
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:  # safetensors' own writer leaves hidden files when killed, all private
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _apart(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, none sharing memory with another, which a safetensors file refuses."""
    apart: dict[str, Tensor] = {}
    memory: set[int] = set()
    for name, tensor in weights.items():
        tensor = tensor.detach().cpu().contiguous()
        start = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if start in memory else tensor
        memory.add(start)
    return apart


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Put a file's weights into `model`, every name and shape as the model has them.

    Raises as `read_weights` does, and ValueError when they do not fit.
    """
    weights = read_weights(path)
    for prefix, wrapper in PREFIXES.items():
        if weights and all(name.startswith(prefix) for name in weights):
            raise ValueError(
                f"weights of {Path(path).name!r} must be saved without {wrapper}, whose {prefix!r} is before every name"
            )
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"weights of {Path(path).name!r} do not fit the model: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
