"""Feed-forward layers are their equations, and know the weights whose scale is that of their output."""

from __future__ import annotations

import torch

from lib.nn import MLP, GatedMLP


def test_the_gated_layer_is_swiglu():
    torch.manual_seed(0)
    layer, x = GatedMLP(6, 10), torch.randn(3, 4, 6)
    gate, up = x @ layer.gate_proj.weight.T, x @ layer.up_proj.weight.T
    torch.testing.assert_close(layer(x), (gate * torch.sigmoid(gate) * up) @ layer.down_proj.weight.T)
    assert sum(parameter.numel() for parameter in layer.parameters()) == 3 * 6 * 10


def test_the_plain_layer_is_gelu_between_two_maps():
    torch.manual_seed(0)
    layer, x = MLP(6, 10), torch.randn(3, 4, 6)
    up = x @ layer.up_proj.weight.T
    gelu = up * (1 + torch.erf(up / 2**0.5)) / 2
    torch.testing.assert_close(layer(x), gelu @ layer.down_proj.weight.T)
    assert layer.residual_weights()[0] is layer.down_proj.weight
