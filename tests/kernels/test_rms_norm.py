"""RMS normalisation: both forms against the operations one by one in float64, values and every gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import rms_norm, rms_norm_reference

TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.bfloat16: {"rtol": 2e-2, "atol": 2e-2},  # of the largest entry; rows are rounded to 8 bits, twice
}
SHAPES = [(1, 1), (3, 7), (2, 5, 64), (4, 1030), (70, 33)]


def inputs(shape, dtype, device="cpu"):
    generator = torch.Generator().manual_seed(shape[-1])
    names = {"x": shape, "weight": shape[-1:]}
    return {name: torch.randn(size, generator=generator).to(device, dtype) for name, size in names.items()}


@pytest.mark.parametrize("unit_offset", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_triton_equals_the_reference(shape, dtype, unit_offset, triton_device, everything, assert_close):
    made = inputs(shape, dtype, triton_device)
    ours = everything(rms_norm, made, unit_offset=unit_offset)
    assert all(value.dtype == dtype for value in ours.values())
    exact = everything(rms_norm_reference, made, torch.float64, unit_offset=unit_offset)
    assert_close(ours, exact, TOLERANCE[dtype])


@pytest.mark.parametrize("unit_offset", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pytorch_form_equals_the_reference(shape, dtype, unit_offset, everything, assert_close, monkeypatch):
    monkeypatch.setenv("WORKBENCH_KERNELS", "torch")
    made = inputs(shape, dtype)
    ours = everything(rms_norm, made, unit_offset=unit_offset)
    exact = everything(rms_norm_reference, made, torch.float64, unit_offset=unit_offset)
    assert_close(ours, exact, TOLERANCE[dtype])


def test_without_a_gradient_the_bits_are_the_same():
    made = inputs((70, 33), torch.float32)
    with_gradient = rms_norm(**made | {"weight": made["weight"].clone().requires_grad_()})
    plain = rms_norm(**made)
    assert not plain.requires_grad and torch.equal(plain, with_gradient)


@pytest.mark.parametrize("unit_offset", [True, False])
def test_gradcheck(unit_offset):
    leaves = [t.requires_grad_() for t in inputs((3, 5), torch.float64).values()]
    assert torch.autograd.gradcheck(lambda x, w: rms_norm(x, w, 1e-6, unit_offset), leaves)


@settings(max_examples=30, deadline=None)
@given(dim=st.integers(1, 40), exponent=st.floats(-2, 6), rows=st.integers(1, 5))
def test_scaling_a_row_changes_nothing_and_its_mean_square_is_one(dim, exponent, rows):
    x = torch.randn(rows, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(dim)) + 2
    unit = torch.ones(dim, dtype=torch.float64)
    y = rms_norm(x, unit, eps=0.0)
    torch.testing.assert_close(rms_norm(x * 10**exponent, unit, eps=0.0), y)
    torch.testing.assert_close(y.square().mean(-1), torch.ones(rows, dtype=torch.float64))


def test_any_strides_will_do_and_the_bits_are_the_same_from_run_to_run(triton_device, everything):
    made = inputs((6, 5, 12), torch.float32, triton_device)
    expected = everything(rms_norm, made)
    strided = {name: torch.stack((t, t), dim=-1)[..., 0] for name, t in made.items()}
    swapped = {name: t.transpose(0, 1).contiguous().transpose(0, 1) if t.ndim == 3 else t for name, t in made.items()}
    sliced = {name: torch.cat((t, t), dim=-1)[..., : t.shape[-1]] for name, t in made.items()}
    for variant in (made, strided, swapped, sliced):
        for name, value in everything(rms_norm, variant).items():
            assert torch.equal(value, expected[name]), name


def test_a_zero_row_and_a_huge_one_stay_finite(triton_device, everything):
    made = inputs((3, 16), torch.float32, triton_device)
    made["x"][0] = 0
    made["x"][1] *= 1e15
    assert all(torch.isfinite(value).all() for value in everything(rms_norm, made).values())


def test_no_rows_give_no_rows(triton_device, everything):
    made = everything(rms_norm, inputs((0, 8), torch.float32, triton_device))
    assert made["output 0"].shape == (0, 8)
    assert torch.equal(made["grad_weight"].cpu(), torch.zeros(8))


@pytest.mark.wrong_arguments
def test_bad_input_is_named_in_one_sentence():
    x = torch.zeros(2, 4)
    with pytest.raises(ValueError, match=r"^weight must have shape \(4,\), got \(5,\)$"):
        rms_norm(x, torch.ones(5))
    with pytest.raises(ValueError, match=r"^x must have at least one axis, got a scalar$"):
        rms_norm(torch.tensor(1.0), torch.ones(4))
    with pytest.raises(TypeError, match=r"^x must be float32, bfloat16, float16 or float64, got int64$"):
        rms_norm(x.long(), torch.ones(4))
