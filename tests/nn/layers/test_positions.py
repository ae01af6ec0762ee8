"""Rotary positions turn pairs by their angle: lengths stay, products depend on the distance alone."""

from __future__ import annotations

import pytest
import torch

from lib.nn import apply_rotary, rotary_angles


def turned(x, angles):
    """Each pair (x_i, x_{i + half}) as a complex number times e^{i angle}."""
    half = x.shape[-1] // 2
    whole = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat((whole.real, whole.imag), -1)


def test_angles_are_the_papers():
    angles = rotary_angles(torch.tensor([0, 1, 5]), 6, theta=100.0)
    wanted = torch.tensor([[p * 100.0 ** (-2 * i / 6) for i in range(3)] for p in (0, 1, 5)])
    torch.testing.assert_close(angles, wanted)


def test_values_and_gradients_are_those_of_complex_multiplication():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 8, dtype=torch.float64, requires_grad=True)
    angles = rotary_angles(torch.arange(5), 8).double()
    ours, theirs = apply_rotary(x, angles), turned(x, angles)
    torch.testing.assert_close(ours, theirs)
    upstream = torch.randn_like(x)
    torch.testing.assert_close(*(torch.autograd.grad((y * upstream).sum(), x)[0] for y in (ours, theirs)))


def test_products_depend_on_the_distance_alone():
    torch.manual_seed(1)
    q, k = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 1, 16)

    def product(at, seen):
        places = (rotary_angles(torch.tensor([place]), 16) for place in (at, seen))
        return (apply_rotary(q, next(places)) * apply_rotary(k, next(places))).sum().item()

    assert product(7, 3) == pytest.approx(product(104, 100), abs=1e-4)
    assert product(7, 3) != pytest.approx(product(7, 4), abs=1e-2)
    torch.testing.assert_close(apply_rotary(q, rotary_angles(torch.tensor([999]), 16)).norm(), q.norm())


def test_rows_may_have_positions_of_their_own():
    torch.manual_seed(2)
    x, positions = torch.randn(2, 3, 4, 6), torch.tensor([[0, 1, 2, 3], [7, 7, 9, 2]])
    whole = apply_rotary(x, rotary_angles(positions, 6))
    for row in range(2):
        torch.testing.assert_close(whole[row], apply_rotary(x[row : row + 1], rotary_angles(positions[row], 6))[0])


def test_an_odd_head_is_named():
    with pytest.raises(ValueError, match=r"^head_dim must be even for rotary positions, got 5$"):
        rotary_angles(torch.arange(3), 5)
