"""Nested values as JSON and tensors, there and back."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from lib.training.packing import pack, unpack


def there_and_back(value):
    tensors = {"other": torch.ones(1)}
    packed = json.loads(json.dumps(pack(value, "extra", tensors)))
    assert all(isinstance(tensor, torch.Tensor) for tensor in tensors.values())
    return unpack(packed, {name: tensor.clone() for name, tensor in tensors.items()})


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 0.1, -math.inf, "tensor", b"\x00\xff", [], (), {}, [1, (2, [3.0])], {"tensor": "a", 3: (None,)},
     {(1, 2): b""}, {"list": [1], "dict": {"array": 2}}],
)  # fmt: skip
def test_plain_values_come_back_with_their_types(value):
    again = there_and_back(value)
    assert again == value and repr(again) == repr(value)


def test_tensors_and_arrays_come_back_with_theirs():
    values = {"a": [torch.ones(2).bfloat16(), torch.tensor(3)], "b": np.arange(3.0), "c": (torch.ones(1),)}
    again = there_and_back(values)
    assert again["a"][0].dtype == torch.bfloat16 and again["a"][1].item() == 3 and again["c"][0].item() == 1
    assert isinstance(again["b"], np.ndarray) and np.array_equal(again["b"], values["b"])


@pytest.mark.parametrize("value", [{1}, object(), [lambda: 1], {"a": torch.float32}, 1j])
def test_what_needs_pickle_is_refused(value):
    with pytest.raises(TypeError, match=r"^a value of type \w+ needs pickle, which is never loaded here$"):
        pack(value, "extra", {})
