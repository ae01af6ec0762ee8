"""The causal convolution against PyTorch's own, values and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import causal_conv, causal_conv_reference

TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.bfloat16: {"rtol": 2e-2, "atol": 2e-2},  # of the largest entry; outputs are rounded to 8 bits
}


@pytest.mark.parametrize("length", [1, 2, 7, 20])
@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("past", [True, False])
def test_values_and_gradients_equal_a_grouped_convolution(length, width, bias, past):
    torch.manual_seed(0)
    leaves = [torch.randn(length, 2, 5), torch.randn(5, width)]
    leaves.append(torch.randn(5) if bias else None)
    leaves.append(torch.randn(width - 1, 2, 5) if past else None)
    leaves = [None if t is None else t.double().requires_grad_() for t in leaves]
    ours, theirs = causal_conv(*leaves), causal_conv_reference(*leaves)
    torch.testing.assert_close(ours, theirs)
    present = [t for t in leaves if t is not None and t.numel()]
    cotangent = torch.randn_like(ours)
    for a, b in zip(*(torch.autograd.grad((y * cotangent).sum(), present) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)


def inputs(length, batch, dim, width, dtype=torch.float32, device="cpu", full=True):
    generator = torch.Generator().manual_seed(length)
    shapes = {"x": (length, batch, dim), "weight": (dim, width)}
    if full:
        shapes |= {"bias": (dim,), "past": (width - 1, batch, dim)}
    return {name: torch.randn(shape, generator=generator).to(device, dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("full", [True, False], ids=["bias and past", "neither"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", [(1, 1, 1, 1), (1, 2, 5, 4), (7, 2, 70, 2), (34, 1, 3, 4)], ids=str)  # tiles of 32
def test_triton_equals_the_reference(size, dtype, full, triton_device, everything, assert_close):
    made = inputs(*size, dtype, triton_device, full)
    ours = everything(causal_conv, made)
    assert all(value.dtype == dtype for value in ours.values())
    assert_close(ours, everything(causal_conv_reference, made, torch.float64), TOLERANCE[dtype])


def test_any_strides_will_do_and_the_bits_are_the_same_from_run_to_run(triton_device, everything):
    made = inputs(9, 3, 6, 4, device=triton_device)
    expected = everything(causal_conv, made)
    strided = {name: torch.stack((t, t), dim=-1)[..., 0] for name, t in made.items()}
    turned = {name: t.transpose(0, -1).contiguous().transpose(0, -1) for name, t in made.items()}
    for variant in (made, strided, turned):
        for name, value in everything(causal_conv, variant).items():
            assert torch.equal(value, expected[name]), name


@settings(max_examples=20, deadline=None)
@given(length=st.integers(2, 20), width=st.integers(2, 5), data=st.data())
def test_cutting_a_sequence_and_carrying_its_last_inputs_equals_one_pass(length, width, data):
    cut = data.draw(st.integers(1, length - 1))
    made = inputs(length, 2, 3, width, torch.float64)
    padded = torch.cat((made["past"], made["x"]))
    first = causal_conv(**made | {"x": made["x"][:cut]})
    second = causal_conv(**made | {"x": made["x"][cut:], "past": padded[cut : cut + width - 1]})
    torch.testing.assert_close(torch.cat((first, second)), causal_conv(**made))


def test_gradcheck():
    leaves = [t.requires_grad_() for t in inputs(5, 2, 3, 4, torch.float64).values()]
    assert torch.autograd.gradcheck(causal_conv, leaves)


@pytest.mark.wrong_arguments
def test_a_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"^x must be \(length, batch, dim\) and not empty, got \(0, 2, 3\)$"):
        causal_conv(torch.zeros(0, 2, 3), torch.zeros(3, 4))
    with pytest.raises(ValueError, match=r"^weight must"):
        causal_conv(torch.zeros(4, 2, 3), torch.zeros(5, 4))
    with pytest.raises(ValueError, match=r"^past must"):
        causal_conv(torch.zeros(4, 2, 3), torch.zeros(3, 4), past=torch.zeros(2, 2, 3))


@pytest.mark.parametrize("form", ["torch", "triton"])
def test_the_result_has_xs_type_whatever_the_weights_have(form, monkeypatch):
    if form == "triton":
        pytest.importorskip("triton")
    monkeypatch.setenv("WORKBENCH_KERNELS", form)
    x, weight, bias = torch.randn(6, 2, 5).bfloat16(), torch.randn(5, 4), torch.randn(5)
    y = causal_conv(x, weight, bias)
    assert y.dtype == torch.bfloat16
    exact = causal_conv_reference(x.double(), weight.double(), bias.double())
    torch.testing.assert_close(y.double(), exact, rtol=2e-2, atol=2e-2)
