"""Where the global random numbers stand, as tensors: torch's, numpy's and Python's, so that a run can go on exactly."""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

_MT19937_WORDS = 624
"""Words of the state of the Mersenne Twister, which is numpy's and Python's global generator."""
_NUMPY_REST = struct.Struct("<qqd")  # position, whether a normal number is left over, that number
_PYTHON_REST = struct.Struct("<q?d")  # the same
_PYTHON_VERSION = 3
"""Of the states of Python's `random`, since 2.6."""


def random_states(device: torch.device) -> dict[str, Tensor]:
    """This process's states, one row of bytes each: "cpu", "numpy", "python", and "cuda" on a GPU.

    Raises ValueError when numpy's global generator is not the Mersenne Twister it is by default.
    """
    states = {"cpu": torch.get_rng_state()[None], "numpy": _numpy_state()[None], "python": _python_state()[None]}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)[None]
    return states


def restore_random_states(states: Mapping[str, Tensor], process: int = 0) -> None:
    """Row `process` of each; a process that the stored run did not have keeps its own, and so does a missing kind.

    Rows are cloned: torch 2.13 crashes on a state that does not start at the beginning of its storage.
    """
    rows = {name: state[process].cpu().clone() for name, state in states.items() if process < len(state)}
    if "cpu" in rows:
        torch.set_rng_state(rows["cpu"])
    if "cuda" in rows and torch.cuda.is_available():
        torch.cuda.set_rng_state(rows["cuda"])
    if "numpy" in rows:
        words, rest = _unpacked(rows["numpy"], _NUMPY_REST)
        np.random.set_state(("MT19937", words, *rest))
    if "python" in rows:
        words, (position, has_normal, normal) = _unpacked(rows["python"], _PYTHON_REST)
        random.setstate((_PYTHON_VERSION, (*words.tolist(), position), normal if has_normal else None))


def _numpy_state() -> Tensor:
    kind = type(np.random.get_bit_generator()).__name__
    if kind != "MT19937":
        raise ValueError(f"numpy's global generator must be MT19937 for its state to be kept, got {kind}")
    _, words, *rest = np.random.get_state()
    return _packed(words, _NUMPY_REST.pack(*rest))


def _python_state() -> Tensor:
    _, (*words, position), normal = random.getstate()
    return _packed(words, _PYTHON_REST.pack(position, normal is not None, normal or 0.0))


def _packed(words: np.ndarray | list[int], rest: bytes) -> Tensor:
    data = np.asarray(words, dtype="<u4").tobytes() + rest
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _unpacked(state: Tensor, form: struct.Struct) -> tuple[np.ndarray, tuple]:
    data = state.numpy().tobytes()
    size = 4 * _MT19937_WORDS
    return np.frombuffer(data[:size], dtype="<u4").astype(np.uint32), form.unpack(data[size:])
