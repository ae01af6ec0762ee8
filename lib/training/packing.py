"""Nested Python values as JSON and tensors, so that a file without pickle holds them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def pack(value: object, place: str, tensors: dict[str, Tensor]) -> object:
    """`value` as JSON; its tensors and arrays go to `tensors`, under `place` and a number.

    Raises TypeError for anything but numbers, text, bytes, tensors, arrays, None, and lists, tuples and dicts of them.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Tensor | np.ndarray):
        name = f"{place}.{len(tensors)}"
        tensors[name] = torch.as_tensor(value)
        return {"tensor" if isinstance(value, Tensor) else "array": name}
    if type(value) is bytes:
        return {"bytes": value.hex()}
    if type(value) in (list, tuple):
        return {type(value).__name__: [pack(part, place, tensors) for part in value]}
    if isinstance(value, Mapping):
        return {"dict": [[pack(part, place, tensors) for part in pair] for pair in value.items()]}
    raise TypeError(f"a value of type {type(value).__name__} needs pickle, which is never loaded here")


def unpack(packed: object, tensors: Mapping[str, Tensor]) -> object:
    """What `pack` was given; every mapping comes back as a dict."""
    if not isinstance(packed, Mapping):
        return packed
    ((kind, content),) = packed.items()
    match kind:
        case "tensor":
            return tensors[content].clone()
        case "array":
            return tensors[content].clone().numpy()
        case "bytes":
            return bytes.fromhex(content)
        case "dict":
            return {unpack(name, tensors): unpack(value, tensors) for name, value in content}
        case "tuple":
            return tuple(unpack(part, tensors) for part in content)
        case _:
            return [unpack(part, tensors) for part in content]
