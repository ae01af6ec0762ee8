"""The Triton scan against the step-by-step reference in float64: values and every gradient."""

from __future__ import annotations

import pytest
import torch

from kernels import dispatch, selective_scan, selective_scan_reference

if not dispatch.HAS_TRITON:
    pytest.skip("needs triton", allow_module_level=True)

from kernels.triton.selective_scan import CHECKPOINT

TOLERANCE = {
    torch.float32: {"rtol": 2e-5, "atol": 2e-5},
    torch.bfloat16: {"rtol": 2e-2, "atol": 2e-2},  # of the largest entry; outputs are rounded to 8 bits
}
SIZES = [  # batch, dim, state, length
    (1, 1, 1, 1),
    (2, 5, 3, 7),
    (1, 33, 16, CHECKPOINT),
    (1, 3, 64, CHECKPOINT + 1),
    (2, 40, 5, 3),
]


def inputs(batch, dim, state, length, dtype, device, full=True):
    """Activations in `dtype`, parameters and states in float32, as a model in mixed precision has them."""
    generator = torch.Generator().manual_seed(length)

    def draw(*shape, dtype=torch.float32):
        return torch.randn(shape, generator=generator).to(device, dtype)

    made = {"u": draw(batch, dim, length, dtype=dtype), "delta": draw(batch, dim, length, dtype=dtype)}
    made["A"] = -draw(dim, state).exp()
    made |= {"B": draw(batch, state, length, dtype=dtype), "C": draw(batch, state, length, dtype=dtype)}
    if full:
        made |= {"D": draw(dim), "z": draw(batch, dim, length, dtype=dtype), "delta_bias": draw(dim)}
        made["initial_state"] = draw(batch, dim, state)
    return made


def scanned(everything, scan, made, dtype=None, **flags):
    return everything(scan, made, dtype, return_last_state=True, **flags)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_values_and_all_gradients_equal_the_reference(size, dtype, triton_device, everything, assert_close):
    made = inputs(*size, dtype, triton_device)
    ours = scanned(everything, selective_scan, made, delta_softplus=True)
    assert ours["output 0"].dtype == ours["grad_u"].dtype == dtype and ours["grad_A"].dtype == torch.float32
    assert_close(
        ours, scanned(everything, selective_scan_reference, made, torch.float64, delta_softplus=True), TOLERANCE[dtype]
    )


@pytest.mark.parametrize("softplus", [False, True])
def test_without_the_optional_arguments(softplus, triton_device, everything, assert_close):
    made = inputs(2, 6, 4, 9, torch.float32, triton_device, full=False)
    made["delta"] = made["delta"].abs()
    ours = scanned(everything, selective_scan, made, delta_softplus=softplus)
    assert_close(
        ours,
        scanned(everything, selective_scan_reference, made, torch.float64, delta_softplus=softplus),
        TOLERANCE[torch.float32],
    )


def test_any_strides_will_do(triton_device, everything):
    made = inputs(2, 6, 4, 9, torch.float32, triton_device)
    strided = {name: torch.stack((t, t), dim=-1)[..., 0] for name, t in made.items()}
    time_major = {
        name: t.permute(2, 0, 1).contiguous().permute(1, 2, 0) if t.ndim == 3 and t.shape[-1] == 9 else t
        for name, t in made.items()
    }
    expected = scanned(everything, selective_scan, made, delta_softplus=True)
    for variant in (strided, time_major):
        for name, value in scanned(everything, selective_scan, variant, delta_softplus=True).items():
            assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("size", [1e-6, 1.0, 50.0, 1e4])
def test_steps_from_tiny_to_huge_stay_finite_and_exact(size, triton_device, everything, assert_close):
    made = inputs(1, 4, 16, 12, torch.float32, triton_device, full=False)
    made["A"] = -torch.arange(1.0, 17.0).expand(4, 16).contiguous().to(triton_device)
    made["delta"] = made["delta"].abs() * size
    ours = scanned(everything, selective_scan, made)
    assert all(torch.isfinite(value).all() for value in ours.values())
    assert_close(ours, scanned(everything, selective_scan_reference, made, torch.float64), TOLERANCE[torch.float32])


def test_softplus_keeps_the_digits_of_small_and_large_steps(triton_device):
    raw = torch.tensor([-80.0, -17.0, -9.0, -2.0, 0.0, 5.0, 19.9, 20.1, 90.0], device=triton_device)
    u = torch.ones(1, len(raw), 1, device=triton_device)
    A, ones = torch.zeros(len(raw), 1, device=triton_device), torch.ones(1, 1, 1, device=triton_device)
    y = selective_scan(u, raw[None, :, None], A, ones, ones, delta_softplus=True)  # A = 0: y is the step itself
    exact = torch.nn.functional.softplus(raw.double())
    torch.testing.assert_close(y.flatten().double(), exact, rtol=1e-6, atol=0)


def test_gradients_are_the_same_bits_from_run_to_run(triton_device, everything):
    made = inputs(2, 40, 5, 9, torch.float32, triton_device)
    first, second = (scanned(everything, selective_scan, made, delta_softplus=True) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.wrong_arguments
def test_a_wrong_type_or_device_is_named(triton_device):
    made = inputs(1, 2, 3, 4, torch.float32, triton_device)
    with pytest.raises(TypeError, match=r"^B must be float32, bfloat16, float16 or float64, got int64$"):
        selective_scan(**made | {"B": made["B"].long()})
    with pytest.raises(ValueError, match=r"^z must lie on u's device"):
        selective_scan(**made | {"z": made["z"].to("meta")})


@pytest.mark.parametrize("kinds", [(1, 2), (2, 2), (0, 1), (1, 0), (0, 0), (0, 3)], ids=str)
def test_grouped_and_fixed_B_and_C_with_all_gradients(kinds, triton_device, everything, assert_close):
    made = inputs(2, 6, 5, 9, torch.float32, triton_device)
    generator = torch.Generator().manual_seed(1)
    for name, kind in zip("BC", kinds, strict=True):
        shape = (6, 5) if kind == 0 else (2, kind, 5, 9)
        made[name] = made[name] if kind == 1 else torch.randn(shape, generator=generator).to(triton_device)
    ours = scanned(everything, selective_scan, made, delta_softplus=True)
    exact = scanned(everything, selective_scan_reference, made, torch.float64, delta_softplus=True)
    assert_close(ours, exact, TOLERANCE[torch.float32])
