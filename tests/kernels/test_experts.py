"""Grouped experts: both forms against a loop over tokens in float64, values and every gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import grouped_experts, grouped_experts_reference

TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.bfloat16: {"rtol": 3e-2, "atol": 3e-2},  # of the largest entry; three products in a row, each rounded
}
SIZES = [  # tokens, dim, width, experts, top_k
    (1, 1, 1, 1, 1),
    (3, 5, 7, 4, 2),
    (20, 33, 18, 3, 2),
    (9, 16, 70, 2, 1),
    (40, 8, 4, 1, 1),
]


def inputs(tokens, dim, width, experts, top_k, dtype=torch.float32, device="cpu", crowded=False):
    """Random routing, or (`crowded`) every token to the first top_k experts."""
    generator = torch.Generator().manual_seed(tokens)

    def draw(*shape):
        return torch.randn(shape, generator=generator).to(device, dtype)

    scores = torch.rand(tokens, experts, generator=generator)
    if crowded:
        scores = torch.arange(experts, 0.0, -1).expand(tokens, experts)
    values, chosen = scores.softmax(-1).topk(top_k)
    return {
        "x": draw(tokens, dim),
        "gate_up_proj": draw(experts, 2 * width, dim) / dim**0.5,
        "down_proj": draw(experts, dim, width) / width**0.5,
        "chosen": chosen.to(device),
        "weights": values.to(device, dtype),
    }


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_triton_equals_the_reference(size, dtype, triton_device, everything, assert_close):
    made = inputs(*size, dtype, triton_device)
    ours = everything(grouped_experts, made)
    assert all(value.dtype == dtype for value in ours.values())
    assert_close(ours, everything(grouped_experts_reference, made, torch.float64), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pytorch_form_equals_the_reference(size, dtype, everything, assert_close, monkeypatch):
    monkeypatch.setenv("WORKBENCH_KERNELS", "torch")
    made = inputs(*size, dtype)
    exact = everything(grouped_experts_reference, made, torch.float64)
    assert_close(everything(grouped_experts, made), exact, TOLERANCE[dtype])


def test_experts_without_tokens_get_a_zero_gradient(triton_device, everything, assert_close):
    made = inputs(6, 5, 4, 5, 2, device=triton_device, crowded=True)
    ours = everything(grouped_experts, made)
    for name in ("grad_gate_up_proj", "grad_down_proj"):
        assert ours[name][:2].abs().sum() > 0 and ours[name][2:].abs().sum() == 0
    assert_close(ours, everything(grouped_experts_reference, made, torch.float64), TOLERANCE[torch.float32])


@pytest.mark.parametrize("form", ["torch", "triton"])
def test_no_tokens_give_no_rows_and_zero_gradients(form, everything, monkeypatch, triton_device):
    monkeypatch.setenv("WORKBENCH_KERNELS", form)
    made = everything(grouped_experts, inputs(0, 5, 4, 3, 2, device=triton_device))
    assert made["output 0"].shape == (0, 5)
    assert made["grad_gate_up_proj"].abs().sum() == made["grad_down_proj"].abs().sum() == 0


def test_any_strides_will_do_and_the_bits_are_the_same_from_run_to_run(triton_device, everything):
    made = inputs(12, 10, 6, 4, 2, device=triton_device)
    expected = everything(grouped_experts, made)
    strided = {name: torch.stack((t, t), dim=-1)[..., 0] for name, t in made.items()}
    turned = {name: t.transpose(0, 1).contiguous().transpose(0, 1) for name, t in made.items()}
    for variant in (made, strided, turned):
        for name, value in everything(grouped_experts, variant).items():
            assert torch.equal(value, expected[name]), name


def test_gradcheck():
    made = inputs(5, 3, 4, 3, 2, torch.float64)
    chosen = made.pop("chosen")
    leaves = [t.requires_grad_() for t in made.values()]
    assert torch.autograd.gradcheck(lambda x, g, d, w: grouped_experts(x, g, d, chosen, w), leaves)


@pytest.mark.parametrize("form", ["torch", "triton"])
def test_under_autocast_it_computes_in_bfloat16_and_keeps_float32_gradients(form, triton_device, monkeypatch):
    monkeypatch.setenv("WORKBENCH_KERNELS", form)
    made = inputs(20, 16, 8, 3, 2, device=triton_device)
    leaves = {name: t.requires_grad_() for name, t in made.items() if t.is_floating_point()}
    with torch.autocast(triton_device.type, torch.bfloat16):
        low = grouped_experts(**made)
    low.float().sum().backward()
    assert low.dtype == torch.bfloat16 and all(t.grad.dtype == torch.float32 for t in leaves.values())
    torch.testing.assert_close(low.float(), grouped_experts(**made), **TOLERANCE[torch.bfloat16])


@settings(max_examples=25, deadline=None)
@given(tokens=st.integers(1, 30), experts=st.integers(1, 6), data=st.data())
def test_a_token_does_not_depend_on_its_neighbours(tokens, experts, data):
    top_k = data.draw(st.integers(1, experts))
    made = inputs(tokens, 6, 5, experts, top_k, torch.float64)
    kept = torch.randperm(tokens, generator=torch.Generator().manual_seed(tokens))[: data.draw(st.integers(1, tokens))]
    some = made | {name: made[name][kept] for name in ("x", "chosen", "weights")}
    torch.testing.assert_close(grouped_experts(**some), grouped_experts(**made)[kept])


@pytest.mark.wrong_arguments
def test_bad_input_is_named_in_one_sentence():
    made = inputs(4, 6, 5, 3, 2)
    for name, shape in (("x", (4,)), ("gate_up_proj", (3, 10, 7)), ("down_proj", (6, 5)), ("weights", (4, 1))):
        with pytest.raises(ValueError, match=f"^{name} must"):
            grouped_experts(**made | {name: torch.zeros(shape)})
    with pytest.raises(ValueError, match=r"^chosen must be in 0\.\.2, got 0\.\.3$"):
        grouped_experts(**made | {"chosen": torch.tensor([[0, 3]] * 4)})
    with pytest.raises(TypeError, match=r"^chosen must be int64 or int32, got float32$"):
        grouped_experts(**made | {"chosen": made["chosen"].float()})
    with pytest.raises(TypeError, match=r"^down_proj must have x's type, float32, got float64$"):
        grouped_experts(**made | {"down_proj": made["down_proj"].double()})
