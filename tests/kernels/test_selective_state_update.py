"""One step of the scan: equal to the scan itself, in place, bad input named."""

from __future__ import annotations

import pytest
import torch

from kernels import selective_scan, selective_state_update

TOLERANCE = {
    torch.float32: {"rtol": 2e-5, "atol": 2e-5},
    torch.bfloat16: {"rtol": 2e-2, "atol": 2e-2},  # of the largest entry; outputs are rounded to 8 bits
    torch.float64: {"rtol": 1e-9, "atol": 1e-9},
}


def inputs(batch, dim, d_state, length, dtype, device="cpu"):
    """A scan's arguments, activations in `dtype`, parameters in float32 or wider, as in mixed precision."""
    generator = torch.Generator().manual_seed(length)
    wide = torch.promote_types(dtype, torch.float32)

    def draw(*shape, dtype=wide):
        return torch.randn(shape, generator=generator).to(device, dtype)

    made = {name: draw(batch, dim, length, dtype=dtype) for name in ("u", "delta", "z")}
    made |= {name: draw(batch, d_state, length, dtype=dtype) for name in ("B", "C")}
    return made | {"A": -draw(dim, d_state).exp(), "D": draw(dim), "delta_bias": draw(dim)}


def steps_equal_the_scan(made, state, tolerance):
    whole, last = selective_scan(**made, delta_softplus=True, return_last_state=True, initial_state=state.clone())
    for t in range(whole.shape[2]):
        args = [made["u"][..., t], made["delta"][..., t], made["A"], made["B"][..., t], made["C"][..., t], made["D"]]
        y = selective_state_update(state, *args, made["z"][..., t], dt_bias=made["delta_bias"], dt_softplus=True)
        torch.testing.assert_close(y, whole[..., t], **tolerance)
    torch.testing.assert_close(state, last, **TOLERANCE[state.dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_single_steps_equal_the_scan(dtype):
    made = inputs(2, 5, 3, 9, dtype)
    steps_equal_the_scan(made, torch.zeros_like(made["A"]).expand(2, 5, 3).contiguous(), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_single_triton_steps_equal_the_triton_scan(dtype, triton_device):
    made = inputs(2, 35, 3, 4, dtype, triton_device)
    steps_equal_the_scan(made, torch.randn(2, 35, 3, device=triton_device), TOLERANCE[dtype])


def test_a_state_that_is_not_contiguous_is_updated_in_place_too(triton_device):
    made = {name: t[..., 0] if t.ndim == 3 else t for name, t in inputs(2, 6, 4, 1, torch.float32).items()}
    step = [made[name].to(triton_device) for name in ("u", "delta", "A", "B", "C")]
    state = torch.ones(2, 6, 4, device=triton_device)
    strided = torch.ones(2, 4, 6, device=triton_device).transpose(1, 2)
    torch.testing.assert_close(selective_state_update(strided, *step), selective_state_update(state, *step))
    torch.testing.assert_close(strided, state)
    assert not torch.equal(state, torch.ones_like(state))


@pytest.mark.parametrize(
    ("name", "shape"), [("x", (2,)), ("A", (4, 3)), ("dt", (2, 4)), ("B", (2, 4)), ("state", (2, 3, 5)), ("D", (3,))]
)
@pytest.mark.wrong_arguments
def test_a_wrong_shape_is_named(name, shape):
    made = {"state": torch.zeros(2, 5, 3), "x": torch.zeros(2, 5), "dt": torch.zeros(2, 5), "A": torch.zeros(5, 3)}
    made |= {"B": torch.zeros(2, 3), "C": torch.zeros(2, 3), "D": torch.zeros(5)}
    with pytest.raises(ValueError, match=f"^{name} must"):
        selective_state_update(**made | {name: torch.zeros(shape)})


@pytest.mark.wrong_arguments
def test_a_wrong_type_is_named():
    x = torch.zeros(2, 5)
    with pytest.raises(TypeError, match=r"^C must be float32, bfloat16, float16 or float64, got int64$"):
        selective_state_update(
            torch.zeros(2, 5, 3), x, x, torch.zeros(5, 3), torch.zeros(2, 3), torch.zeros(2, 3).long()
        )


def test_gradients_pass_from_step_to_step_and_values_are_the_same_bits():
    draw = torch.Generator().manual_seed(0)
    A, steps = -torch.rand(4, 3, generator=draw), [torch.rand(2, 4, generator=draw) for _ in range(5)]
    BC = [torch.randn(2, 2, 3, generator=draw) for _ in steps]
    tracked, plain = torch.zeros(2, 4, 3), torch.zeros(2, 4, 3)
    leaf = A.clone().requires_grad_()
    total, exact = 0, torch.zeros(2, 4, 3, dtype=torch.float64)
    exact_leaf, exact_total = A.double().requires_grad_(), 0
    for x, (B, C) in zip(steps, BC, strict=True):
        y = selective_state_update(tracked, x, x, leaf, B, C)
        with torch.no_grad():
            assert torch.equal(y, selective_state_update(plain, x, x, A, B, C)) and torch.equal(tracked, plain)
        total = total + y.square().sum()
        exact = torch.exp(x.double()[:, :, None] * exact_leaf) * exact
        exact = exact + (x.double().square())[:, :, None] * B.double()[:, None]
        exact_total = exact_total + (exact * C.double()[:, None]).sum(-1).square().sum()
    total.backward()
    exact_total.backward()
    torch.testing.assert_close(leaf.grad.double(), exact_leaf.grad, rtol=1e-4, atol=1e-5)
