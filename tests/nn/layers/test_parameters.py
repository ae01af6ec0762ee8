"""A parameter that must not decay says so itself, and goes on saying so."""

from __future__ import annotations

import copy

import torch
from torch import nn

from lib.nn.layers.parameters import UndecayedParameter
from lib.training import parameter_groups


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = nn.Parameter(torch.ones(3, 3))
        self.marked = UndecayedParameter(torch.ones(3, 3))


def test_a_matrix_that_is_marked_does_not_decay_and_one_that_is_not_does():
    layer = Layer()
    groups = parameter_groups(layer, 0.1)
    decay = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    assert (decay[id(layer.plain)], decay[id(layer.marked)]) == (0.1, 0.0)


def test_the_mark_survives_a_copy_another_type_and_a_reload():
    layer = copy.deepcopy(Layer()).double()
    layer.load_state_dict(Layer().double().state_dict())
    assert layer.marked._no_weight_decay and not hasattr(layer.plain, "_no_weight_decay")
    assert isinstance(layer.marked, nn.Parameter) and layer.marked.requires_grad
