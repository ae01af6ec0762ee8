"""Which parameters decay."""

from __future__ import annotations

import copy

import torch
from torch import nn

from lib.nn import MambaMixer
from lib.nn.layers.parameters import UndecayedParameter
from lib.training import adamw, parameter_groups


class Parts(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.linear = nn.Linear(4, 4)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.conv = nn.Conv1d(4, 4, 3, bias=False)
        self.A_log, self.D = UndecayedParameter(torch.ones(4, 2)), nn.Parameter(torch.ones(4, 2))
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight


def names(model, group):
    chosen = {id(parameter) for parameter in group["params"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in chosen}


def test_only_matrices_decay_and_neither_embeddings_nor_what_says_so_itself():
    model = Parts()
    decayed, rest = parameter_groups(model, 0.1)
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
    assert names(model, decayed) == {"linear.weight", "conv.weight", "D"}  # a name says nothing
    assert names(model, rest) == {"linear.bias", "embed.weight", "A_log"}


def test_mambas_states_do_not_decay_and_a_copy_of_the_model_keeps_that():
    mixer = copy.deepcopy(MambaMixer(8, d_state=4)).double()
    _, rest = parameter_groups(mixer, 0.1)
    assert {"A_log", "D"} <= names(mixer, rest)


def test_a_zero_gradient_moves_decayed_parameters_only():
    model = Parts()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    optimizer = adamw(model, lr=0.5, weight_decay=0.2)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        shrink = 0.9 if name in ("linear.weight", "conv.weight", "D") else 1.0
        torch.testing.assert_close(parameter, before[name] * shrink)
