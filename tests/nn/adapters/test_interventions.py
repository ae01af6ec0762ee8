"""The formulas of interventions: the paper's invariants, closed-form gradients, counts of parameters."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lib.nn import INTERVENTIONS, RED, ActivationAddition, ConsReFT, DiReFT, LobiReFT, LoReFT


def test_loreft_overwrites_coordinates_and_nothing_else():
    torch.manual_seed(0)
    phi, h = LoReFT(24, 5), torch.randn(7, 24)
    rows, changed = phi.rows(), phi(h)
    torch.testing.assert_close(rows @ rows.t(), torch.eye(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(changed @ rows.t(), phi.source(h), atol=1e-5, rtol=0)
    outside = (changed - h) - (changed - h) @ rows.t() @ rows
    assert outside.abs().max() < 1e-5 and (changed - h).abs().max() > 0.1
    torch.testing.assert_close(LoReFT(24, 5, identity=True)(h), h, atol=1e-6, rtol=0)
    assert not dict(phi.named_buffers())  # no dim x dim matrix is kept
    half = phi(h, torch.tensor([1.0, 1, 0, 0, 0]))
    torch.testing.assert_close((half @ rows.t())[:, :2], phi.source(h)[:, :2], atol=1e-5, rtol=0)
    torch.testing.assert_close((half @ rows.t())[:, 2:], (h @ rows.t())[:, 2:], atol=1e-5, rtol=0)
    assert torch.isfinite(LoReFT(24, 5).bfloat16()(h.bfloat16())).all()


def test_the_start_is_the_matrix_itself():
    weight = nn.init.orthogonal_(torch.empty(16, 4))
    phi = LoReFT(16, 4)
    phi.rows.weight = weight
    torch.testing.assert_close(phi.rows(), weight.t(), atol=1e-6, rtol=0)  # signs and all


def test_rows_stay_orthonormal_while_they_are_trained():
    torch.manual_seed(0)
    phi, h, target = LoReFT(16, 4), torch.randn(32, 16), torch.randn(32, 16)
    optimizer = torch.optim.AdamW(phi.parameters(), lr=0.05)
    first = F.mse_loss(phi(h), target).item()
    for _ in range(60):
        optimizer.zero_grad()
        F.mse_loss(phi(h), target).backward()
        optimizer.step()
    torch.testing.assert_close(phi.rows() @ phi.rows().t(), torch.eye(4), atol=1e-5, rtol=0)
    assert F.mse_loss(phi(h), target).item() < 0.9 * first


def test_gradients_are_the_closed_form():
    torch.manual_seed(0)
    phi, h, g = (
        LoReFT(10, 3).double(),
        torch.randn(6, 10, dtype=torch.float64, requires_grad=True),
        torch.randn(6, 10).double(),
    )
    (phi(h) * g).sum().backward()
    rows = phi.rows().detach()
    v = g @ rows.t()
    free = rows.clone().requires_grad_()
    explicit = (h.detach() + (phi.source(h.detach()) - h.detach() @ free.t()) @ free) * g
    u = (phi.source(h.detach()) - h.detach() @ rows.t()).detach()
    torch.testing.assert_close(torch.autograd.grad(explicit.sum(), free)[0], u.t() @ g - v.t() @ h.detach())
    torch.testing.assert_close(h.grad, g + v @ (phi.source.weight - rows).detach())
    torch.testing.assert_close(phi.source.weight.grad, v.t() @ h.detach())
    torch.testing.assert_close(phi.source.bias.grad, v.sum(0))


@pytest.mark.parametrize("kind", list(INTERVENTIONS))
def test_every_kind_is_its_formula(kind):
    torch.manual_seed(1)
    phi, h = INTERVENTIONS[kind](12, 3), torch.randn(5, 12)
    with torch.no_grad():
        for parameter in phi.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    expected = {
        "LoReFT": lambda: h + (phi.source(h) - h @ phi.rows().t()) @ phi.rows(),
        "DiReFT": lambda: h + phi.source(h) @ phi.target,
        "NoReFT": lambda: h + (phi.source(h) - h @ phi.target.t()) @ phi.target,
        "OrthogonalDiReFT": lambda: h + phi.source(h) @ phi.rows(),
        "ConsReFT": lambda: h + (phi.constant - h @ phi.rows().t()) @ phi.rows(),
        "LobiReFT": lambda: h + phi.constant @ phi.rows(),
        "RED": lambda: phi.scale * h + phi.shift,
        "ActivationAddition": lambda: h + phi.direction,
    }
    torch.testing.assert_close(phi(h), expected[kind](), atol=1e-5, rtol=0)
    assert phi(h).shape == h.shape
    with pytest.raises(ValueError, match=r"^rank must be 1..dim = 12, got 13$"):
        INTERVENTIONS[kind](12, 13)


def test_constants_do_not_depend_on_the_input():
    torch.manual_seed(0)
    a, b = torch.randn(2, 1, 12)
    added, set_to = LobiReFT(12, 2), ConsReFT(12, 2)
    nn.init.ones_(added.constant)
    torch.testing.assert_close(added.edit(a), added.edit(b))
    torch.testing.assert_close(set_to(a) @ set_to.rows().t(), set_to(b) @ set_to.rows().t(), atol=1e-6, rtol=0)
    steer = ActivationAddition(12)
    steer.direction.copy_(a[0])
    torch.testing.assert_close(steer(b), a + b)


def test_kinds_that_start_as_the_identity():
    h = torch.randn(3, 12)
    for phi in (DiReFT(12, 2), LobiReFT(12, 2), RED(12), ActivationAddition(12), LoReFT(12, 2, identity=True)):
        torch.testing.assert_close(phi(h), h, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", list(INTERVENTIONS))
@pytest.mark.parametrize("rank", [1, 5])
def test_each_kind_counts_its_parameters_without_making_them(kind, rank):
    phi = INTERVENTIONS[kind](12, rank)
    assert INTERVENTIONS[kind].parameter_count(12, rank) == sum(parameter.numel() for parameter in phi.parameters())
