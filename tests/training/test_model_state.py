"""A model's whole state: what it was is what it is after restoring, and what a file cannot hold is named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lib.training.model_state import difference, model_state, restore_model


class Counter(nn.Module):
    """Keeps a count and a table beside its buffers."""

    def __init__(self):
        super().__init__()
        self.count, self.table = 0, {}

    def get_extra_state(self):
        return {"count": self.count, "table": self.table}

    def set_extra_state(self, state):
        self.count, self.table = state["count"], state["table"]


class Rich(nn.Module):
    """Tied weights, buffers that share memory, a repeated one, one that is not persistent, extra state."""

    def __init__(self, start: float = 0.0):
        super().__init__()
        self.embed, self.head = nn.Embedding(4, 3), nn.Linear(3, 4, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("whole", torch.full((6,), start))
        self.register_buffer("part", self.whole[2:4])
        self.register_buffer("same", self.whole)
        self.register_buffer("repeated", torch.full((1, 2), start).expand(3, 2))
        self.register_buffer("grown", None, persistent=False)
        self.counter = Counter()


def rich(start: float) -> Rich:
    model = Rich(start)
    with torch.no_grad():
        model.embed.weight.fill_(start)
    model.grown = torch.full((int(start),), start)
    model.counter.count, model.counter.table = int(start), {"seen": torch.full((2,), start), 3: (1, "a")}
    return model


def test_a_restored_model_is_the_one_that_was_and_shares_what_it_shared():
    model, other = rich(5.0), Rich(1.0)
    tensors, description = model_state(model)
    names = {"embed.weight", "whole", "part", "repeated", "grown"}
    assert {name for name in tensors if name.startswith("model.")} == {f"model.{name}" for name in names}
    restore_model(other, {name: tensor.clone() for name, tensor in tensors.items()}, description)
    assert all(
        torch.equal(tensor, other.state_dict()[name])
        for name, tensor in model.state_dict().items()
        if "extra" not in name
    )
    assert other.head.weight is other.embed.weight and other.same is other.whole
    assert torch.equal(other.grown, model.grown) and torch.equal(other.repeated, model.repeated)
    assert (
        other.counter.count == 5
        and other.counter.table[3] == (1, "a")
        and other.counter.table["seen"].tolist() == [5, 5]
    )
    other.whole[2] = 9.0
    assert other.part[0] == 9.0 and model.part[0] == 5.0  # still one memory, and not the first model's


def test_a_state_of_another_model_is_refused_and_the_model_left_alone():
    tensors, description = model_state(rich(2.0))
    other = Rich()
    other.head = nn.Linear(3, 4)
    words = "its head.weight has shape none, this model's has (4, 3)"
    assert difference(other, tensors) == words
    with pytest.raises(ValueError, match=r"^the state belongs to another model: its head.weight has shape none"):
        restore_model(other, tensors, description)
    assert float(other.whole.sum()) == 0.0
    assert difference(Rich(), tensors) == ""  # a buffer that is not persistent may be missing
    assert difference(rich(3.0), tensors) == ""  # or have another shape


def broken(name: str) -> nn.Module:
    model = Rich()
    match name:
        case "sparse":
            model.register_buffer("rows", torch.eye(2).to_sparse())
        case "meta":
            model.layer = nn.Linear(1, 1, device="meta")
        case "lazy":
            model.layer = nn.LazyLinear(1)
        case "extra":
            model.counter.table = {"function": abs}
        case "tensor in extra":
            model.counter.table = {"rows": torch.eye(2).to_sparse()}
    return model


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sparse", "the tensor rows of the model cannot be kept in a file: it is sparse_coo"),
        ("meta", "the tensor layer.weight of the model cannot be kept in a file: it is on the meta device"),
        ("lazy", "the tensor layer.weight of the model cannot be kept in a file: it is not initialised"),
        ("extra", r"the extra state of counter \(Counter\) cannot be kept: a value of type builtin_function_or_method"),
        ("tensor in extra", "the tensor extra.0 of the model cannot be kept in a file: it is sparse_coo"),
    ],
)
def test_what_a_file_cannot_hold_is_named(name, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        model_state(broken(name))


def test_every_type_that_a_model_trains_in_can_be_kept():
    for dtype in (torch.float64, torch.bfloat16, torch.float16, torch.int8, torch.bool, torch.complex64):
        model = nn.Module()
        model.register_buffer("x", torch.ones(2, dtype=dtype))
        assert model_state(model)[0]["model.x"].dtype == dtype
