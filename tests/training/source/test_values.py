"""Values by content: equal ones give equal digests, and what code could tell apart gives different ones."""

from __future__ import annotations

import collections
import dataclasses
import enum
import itertools
import random
import re
import weakref
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch import nn

from lib.nn import FeatureNetwork
from lib.training.source import Undigestible, source_digest


def digest(value: object) -> str:
    return source_digest(value, "value")


class Colour(enum.Enum):
    RED, BLUE = 1, 2


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: tuple = ()


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a):
        self.a = a


def moved(generator, draw):
    draw(generator)
    return generator


MAKERS = {
    "array": [lambda: np.arange(4), lambda: np.arange(4.0), lambda: np.arange(4).reshape(2, 2), lambda: np.ones(4)],
    "records": [lambda: np.zeros(2, [("a", "i4")]), lambda: np.zeros(2, [("b", "i4")]), lambda: np.zeros(2, "i4")],
    "objects": [lambda: np.array([1, "a"], object), lambda: np.array([1, "b"], object)],
    "masked": [lambda: np.ma.array([1, 2], mask=[0, 1]), lambda: np.ma.array([1, 2], mask=[1, 0])],
    "number": [lambda: np.float64(1), lambda: np.float32(1), lambda: 1.0, lambda: 1, lambda: np.array(1.0)],
    "tensor": [lambda: torch.ones(2, 3), lambda: torch.ones(3, 2), lambda: torch.ones(2, 3).bfloat16(),
               lambda: torch.ones(2, 3, requires_grad=True), lambda: nn.Parameter(torch.ones(2, 3)),
               lambda: torch.zeros(2, 3)],
    "sparse": [lambda: torch.eye(3).to_sparse(), lambda: 2 * torch.eye(3).to_sparse(), lambda: torch.eye(3)],
    "generator": [lambda: np.random.default_rng(1), lambda: np.random.default_rng(2),
                  lambda: moved(np.random.default_rng(1), lambda g: g.random()),
                  lambda: moved(np.random.default_rng(1), lambda g: g.spawn(1))],
    "old generator": [lambda: np.random.RandomState(1), lambda: moved(np.random.RandomState(1), lambda g: g.rand())],
    "torch's": [lambda: torch.Generator().manual_seed(1), lambda: torch.Generator().manual_seed(2)],
    "python's": [lambda: random.Random(1), lambda: moved(random.Random(1), lambda g: g.random())],
    "iterator": [lambda: iter([1, 2]), lambda: moved(iter([1, 2]), next), lambda: iter([1, 3]), lambda: iter(range(2))],
    "map": [lambda: map(abs, [1]), lambda: map(len, [1]), lambda: itertools.count(1), lambda: itertools.count(2)],
    "dicts": [lambda: {"a": 1, "b": 2}, lambda: {"b": 2, "a": 1}, lambda: collections.OrderedDict(a=1, b=2),
              lambda: collections.defaultdict(int, a=1, b=2), lambda: collections.Counter(a=1, b=2)],
    "objects of classes": [lambda: Point(1), lambda: Point(2), lambda: Point(1, (2,)), lambda: Slotted(1),
                           lambda: Slotted(2)],
    "enum": [lambda: Colour.RED, lambda: Colour.BLUE, lambda: Colour],
    "pattern": [lambda: re.compile("a"), lambda: re.compile("b"), lambda: re.compile("a", re.I)],
    "torch's names": [lambda: torch.float32, lambda: torch.half, lambda: torch.device("cpu"), lambda: torch.Size([1])],
    "functions in C": [lambda: np.add, lambda: np.multiply, lambda: np.concatenate, lambda: torch.rand,
                       lambda: torch.randn, lambda: len, lambda: [1].count, lambda: [2].count, lambda: str.upper,
                       lambda: dict.fromkeys],
    "view": [lambda: MappingProxyType({"a": 1}), lambda: MappingProxyType({"a": 2})],
}  # fmt: skip


@pytest.mark.parametrize("kind", MAKERS)
def test_equal_values_have_equal_digests_and_others_others(kind):
    once, again = [[digest(make()) for make in MAKERS[kind]] for _ in range(2)]
    assert once == again
    assert len(set(once)) == len(once)


def test_a_model_is_its_class_its_attributes_and_its_weights():
    def model(seed=0, **change):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(2, 2), nn.GRU(2, 2), FeatureNetwork(2, 8))
        for name, value in change.items():
            setattr(net, name, value)
        return net

    assert digest(model()) == digest(model())
    others = [model(1), model().eval(), model(heads=2), model(heads=3), nn.Sequential(*model())]
    assert len({digest(net) for net in (model(), *others[:-1])}) == 5 and digest(others[-1]) == digest(model())
    decayed = model()
    decayed[0].weight._no_weight_decay = True
    assert digest(decayed) != digest(model())


def test_a_hook_counts_by_what_it_does_and_not_by_its_number():
    def hooked(factor):
        net = nn.Linear(1, 1, bias=False)
        net.weight.data.fill_(1.0)
        net.register_forward_hook(lambda module, inputs, output: factor * output)
        return net

    assert digest(hooked(2)) == digest(hooked(2)) != digest(hooked(3))


def test_a_parametrized_layer_counts_with_its_parametrization():
    class Scaled(nn.Module):
        def __init__(self, by):
            super().__init__()
            self.by = by

        def forward(self, weight):
            return self.by * weight

    class Mine(nn.Linear):
        def forward(self, x):
            return x

    def layer(by, kind=nn.Linear):
        torch.manual_seed(0)
        return nn.utils.parametrize.register_parametrization(kind(2, 2), "weight", Scaled(by))

    assert digest(layer(2)) == digest(layer(2))
    assert len({digest(layer(2)), digest(layer(3)), digest(layer(2, Mine))}) == 3
    assert digest(nn.utils.parametrizations.orthogonal(nn.Linear(2, 2))) != digest(nn.Linear(2, 2))


def test_what_a_cached_property_remembers_is_left_out():
    class Corpus:
        def __init__(self, text):
            self.text = text

        @cached_property
        def length(self):
            return len(self.text)

    corpus = Corpus("abc")
    before = digest(corpus)
    assert corpus.length == 3 and digest(corpus) == before != digest(Corpus("abd"))


def test_global_generators_count_by_name():
    before = digest([random.random, np.random.rand])
    random.random(), np.random.rand()
    assert digest([random.random, np.random.rand]) == before
    assert digest(random.Random(3).random) != digest(random.Random(4).random)


def test_a_weak_reference_counts_as_what_it_refers_to():
    one, two = torch.ones(1), torch.zeros(1)
    assert digest(weakref.ref(one)) != digest(weakref.ref(two))
    two += 1
    assert digest(weakref.ref(one)) == digest(weakref.ref(two))


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_a_tensor_of_another_layout_is_refused():
    with pytest.raises(
        Undigestible, match=r"^value is an object of type torch.Tensor, whose state cannot be compared$"
    ):
        digest(torch.eye(2).to_sparse_csr())
