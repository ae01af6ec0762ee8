"""The Mamba mixer is its recurrence written out, starts as the paper says, and carries a state of one size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.nn import MambaMixer
from lib.training import parameter_groups


def by_steps(layer, x):
    """Every equation of the docstring for one token after the other."""
    hidden, gate = layer.in_proj(x).chunk(2, -1)
    batch, length, width = hidden.shape
    padded = F.pad(hidden, (0, 0, layer.d_conv - 1, 0))
    h, rows, A = x.new_zeros(batch, width, layer.d_state), [], -torch.exp(layer.A_log)
    for t in range(length):
        window = padded[:, t : t + layer.d_conv]  # (batch, d_conv, width)
        u = F.silu((window * layer.conv1d.weight[:, 0].T).sum(1) + layer.conv1d.bias)
        low, B, C = layer.x_proj(u).split((layer.dt_rank, layer.d_state, layer.d_state), -1)
        low, B, C = layer.dt_layernorm(low), layer.b_layernorm(B), layer.c_layernorm(C)
        delta = F.softplus(layer.dt_proj(low))
        h = torch.exp(delta[..., None] * A) * h + (delta * u)[..., None] * B[:, None]
        rows.append(((h * C[:, None]).sum(-1) + layer.D * u) * F.silu(gate[:, t]))
    return layer.out_proj(torch.stack(rows, 1))


@pytest.mark.parametrize("inner_norms", [True, False])
def test_values_and_gradients_are_those_of_the_recurrence(inner_norms):
    torch.manual_seed(0)
    layer = MambaMixer(8, d_state=4, d_conv=3, dt_rank=2, inner_norms=inner_norms).double()
    x = torch.randn(2, 11, 8, dtype=torch.float64, requires_grad=True)
    ours, theirs = layer(x), by_steps(layer, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)
    leaves = [x, *layer.parameters()]
    for a, b in zip(*(torch.autograd.grad(y.square().sum(), leaves) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_cut_anywhere_its_state_goes_on_and_keeps_its_size():
    torch.manual_seed(1)
    layer, x = MambaMixer(8, d_state=4), torch.randn(2, 13, 8)
    state, parts, sizes = layer.new_state(), [], set()
    for begin, end in ((0, 1), (1, 2), (2, 8), (8, 9), (9, 13)):
        parts.append(layer(x[:, begin:end], state))
        sizes.add(state.nbytes)
    torch.testing.assert_close(torch.cat(parts, 1), layer(x), rtol=1e-4, atol=1e-5)
    assert sizes == {4 * (2 * 3 * 16 + 2 * 16 * 4)}


def test_padding_on_the_left_leaves_no_trace():
    torch.manual_seed(2)
    layer, x = MambaMixer(8, d_state=4, bias=True), torch.randn(1, 6, 8)
    torch.nn.init.normal_(layer.in_proj.bias)
    padded, mask = torch.cat((torch.full((1, 4, 8), 9.0), x), 1), torch.arange(10)[None] >= 4
    torch.testing.assert_close(layer(padded, None, mask)[:, 4:], layer(x), rtol=1e-4, atol=1e-5)


def test_it_starts_with_memories_of_ten_to_a_thousand_tokens():
    torch.manual_seed(3)
    layer = MambaMixer(256, d_state=8)
    torch.testing.assert_close(torch.exp(layer.A_log), torch.arange(1.0, 9.0).expand(512, 8))
    steps = F.softplus(layer.dt_proj.bias)
    assert steps.min() >= 1e-3 * 0.999 and steps.max() <= 1e-1 * 1.001
    middle = steps.log10().mean().item()
    assert middle == pytest.approx(-2, abs=0.1)  # log-uniform: half lie below a hundredth


def test_the_recurrences_own_parameters_do_not_decay():
    layer = MambaMixer(8)
    spared = [p for group in parameter_groups(layer, 0.1) if group["weight_decay"] == 0 for p in group["params"]]
    assert {id(layer.A_log), id(layer.D)} <= {id(parameter) for parameter in spared}
