"""Gather with RMSNorm and weighted addition: both forms against one-hot products in float64, values and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import gather_rms_norm, gather_rms_norm_reference, scatter_add_rows, scatter_add_rows_reference

TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.bfloat16: {"rtol": 2e-2, "atol": 2e-2},  # of the largest entry; rows are rounded to 8 bits
}
SIZES = [(1, 1, 1, 1), (2, 9, 5, 3), (3, 6, 64, 6), (1, 17, 130, 2)]  # batch, length, dim, capacity
FUNCTIONS = {
    "gather": (gather_rms_norm, gather_rms_norm_reference, ("x", "indices", "weight")),
    "scatter": (scatter_add_rows, scatter_add_rows_reference, ("x", "indices", "updates", "gates")),
}


def inputs(batch, length, dim, capacity, dtype=torch.float32, device="cpu", ragged=False):
    generator = torch.Generator().manual_seed(length)

    def draw(*shape):
        return torch.randn(shape, generator=generator).to(device, dtype)

    order = torch.rand(batch, length, generator=generator).argsort(1)
    indices = order[:, :capacity].sort(1).values
    if ragged:  # the last sequence sends nothing, the others one token less
        indices[:, -1] = -1
        indices[-1] = -1
    return {
        "x": draw(batch, length, dim),
        "indices": indices.to(device),
        "weight": draw(dim),
        "updates": draw(batch, capacity, dim),
        "gates": draw(batch, capacity),
    }


def arguments(made, which):
    return {name: made[name] for name in FUNCTIONS[which][2]}


@pytest.mark.parametrize("which", FUNCTIONS)
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_triton_equals_the_reference(size, dtype, ragged, which, triton_device, everything, assert_close):
    made = arguments(inputs(*size, dtype, triton_device, ragged), which)
    function, reference, _ = FUNCTIONS[which]
    ours = everything(function, made)
    assert all(value.dtype == dtype for value in ours.values())
    assert_close(ours, everything(reference, made, torch.float64), TOLERANCE[dtype])


@pytest.mark.parametrize("which", FUNCTIONS)
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pytorch_form_equals_the_reference(size, dtype, ragged, which, everything, assert_close, monkeypatch):
    monkeypatch.setenv("WORKBENCH_KERNELS", "torch")
    made = arguments(inputs(*size, dtype, ragged=ragged), which)
    function, reference, _ = FUNCTIONS[which]
    assert_close(everything(function, made), everything(reference, made, torch.float64), TOLERANCE[dtype])


@pytest.mark.parametrize("form", ["torch", "triton"])
@pytest.mark.parametrize("ragged", [False, True])
def test_rows_without_an_update_keep_every_bit(form, ragged, triton_device, monkeypatch):
    monkeypatch.setenv("WORKBENCH_KERNELS", form)
    made = inputs(3, 9, 5, 4, device=triton_device, ragged=ragged)
    made["x"][0, 0] = -0.0
    made["updates"][:] = float("inf")
    out = scatter_add_rows(**arguments(made, "scatter"))
    for row, sent in enumerate(made["indices"]):
        untouched = [i for i in range(9) if i not in sent]
        assert torch.equal(out[row, untouched].view(torch.int32), made["x"][row, untouched].view(torch.int32))


@pytest.mark.parametrize("form", ["torch", "triton"])
@pytest.mark.parametrize("strided", [False, True])
def test_in_place_equals_the_copy_and_writes_into_x(form, strided, triton_device, monkeypatch):
    monkeypatch.setenv("WORKBENCH_KERNELS", form)
    made = arguments(inputs(3, 9, 5, 4, device=triton_device, ragged=True), "scatter")
    expected = scatter_add_rows(**made)
    if strided:
        made["x"] = made["x"].transpose(0, 1).contiguous().transpose(0, 1)
    out = scatter_add_rows(**made, inplace=True)
    assert out.data_ptr() == made["x"].data_ptr()
    torch.testing.assert_close(made["x"], expected, rtol=0, atol=0)


@pytest.mark.parametrize("which", FUNCTIONS)
def test_any_strides_will_do_and_the_bits_are_the_same_from_run_to_run(which, triton_device, everything):
    made = arguments(inputs(3, 9, 6, 4, device=triton_device, ragged=True), which)
    function = FUNCTIONS[which][0]
    expected = everything(function, made)
    strided = {name: torch.stack((t, t), dim=-1)[..., 0] for name, t in made.items()}
    turned = {name: t.transpose(0, -1).contiguous().transpose(0, -1) for name, t in made.items()}
    for variant in (made, strided, turned):
        for name, value in everything(function, variant).items():
            assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("ragged", [False, True])
def test_gradcheck(ragged):
    made = inputs(2, 5, 3, 2, torch.float64, ragged=ragged)
    indices = made.pop("indices")
    x, weight, updates, gates = (t.requires_grad_() for t in made.values())
    assert torch.autograd.gradcheck(lambda x, w: gather_rms_norm(x, indices, w), (x, weight))
    assert torch.autograd.gradcheck(lambda x, f, g: scatter_add_rows(x, indices, f, g), (x, updates, gates))


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 20), data=st.data())
def test_gathering_everything_and_adding_it_with_gate_one_doubles_x(length, data):
    x = torch.randn(2, length, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(length))
    order = torch.tensor(data.draw(st.permutations(range(length)))).expand(2, length)
    _, rows = gather_rms_norm(x, order, torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(scatter_add_rows(x, order, rows, torch.ones(2, length, dtype=torch.float64)), 2 * x)


@pytest.mark.wrong_arguments
def test_bad_input_is_named_in_one_sentence():
    made = inputs(2, 9, 5, 3)
    gather, scatter = arguments(made, "gather"), arguments(made, "scatter")
    with pytest.raises(ValueError, match=r"^indices must be in -1\.\.8, got 0\.\.9$"):
        gather_rms_norm(**gather | {"indices": torch.tensor([[0, 9], [1, 2]])})
    with pytest.raises(ValueError, match=r"^indices must be \(batch, capacity\) with batch 2, got \(3, 2\)$"):
        gather_rms_norm(**gather | {"indices": torch.zeros(3, 2, dtype=torch.long)})
    with pytest.raises(TypeError, match=r"^indices must be int64 or int32, got float32$"):
        gather_rms_norm(**gather | {"indices": torch.zeros(2, 2)})
    with pytest.raises(ValueError, match=r"^x must be \(batch, length, dim\), got \(4, 5\)$"):
        gather_rms_norm(**gather | {"x": torch.zeros(4, 5)})
    with pytest.raises(ValueError, match=r"^gates must have shape \(2, 3\), got \(2, 4\)$"):
        scatter_add_rows(**scatter | {"gates": torch.zeros(2, 4)})
    with pytest.raises(TypeError, match=r"^updates must have x's type, float32, got float64$"):
        scatter_add_rows(**scatter | {"updates": made["updates"].double()})
    with pytest.raises(ValueError, match=r"^inplace must be False where a gradient is wanted, got True$"):
        scatter_add_rows(**scatter | {"gates": made["gates"].requires_grad_()}, inplace=True)
