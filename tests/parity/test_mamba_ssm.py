"""Scan and mixer against mamba-ssm's reference functions, values and all gradients."""

from __future__ import annotations

import importlib

import pytest
import torch

from kernels import selective_scan
from lib.nn import MambaMixer

SIZES = [(1, 1, 1, 1), (2, 3, 5, 7), (2, 8, 16, 16), (3, 5, 1, 33), (1, 16, 4, 50)]


def scan_inputs(batch, dim, state, length, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_()

    return {
        "u": normal(batch, dim, length),
        "delta": normal(batch, dim, length),
        "A": (-3 * torch.rand(dim, state, generator=generator, dtype=dtype)).requires_grad_(),
        "B": normal(batch, state, length),
        "C": normal(batch, state, length),
        "D": normal(dim),
        "z": normal(batch, dim, length),
        "delta_bias": normal(dim),
    }


@pytest.mark.parametrize(("batch", "dim", "state", "length"), SIZES)
def test_scan_equals_mamba_ssm_with_all_gradients(mamba_ssm_reference, monkeypatch, batch, dim, state, length):
    monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor.double())  # the reference computes in .float()
    inputs = scan_inputs(batch, dim, state, length, torch.float64)
    ours, last_ours = selective_scan(**inputs, delta_softplus=True, return_last_state=True)
    theirs, last_theirs = mamba_ssm_reference.selective_scan_ref(**inputs, delta_softplus=True, return_last_state=True)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(last_ours, last_theirs, rtol=1e-10, atol=1e-10)

    cotangent = torch.randn(ours.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    gradients_ours = torch.autograd.grad((ours * cotangent).sum(), list(inputs.values()))
    gradients_theirs = torch.autograd.grad((theirs * cotangent).sum(), list(inputs.values()))
    for name, a, b in zip(inputs, gradients_ours, gradients_theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(("dtype", "rtol", "atol"), [(torch.float32, 1e-5, 1e-5), (torch.bfloat16, 3e-2, 5e-2)])
def test_scan_in_lower_precision_stays_near_mamba_ssm(mamba_ssm_reference, dtype, rtol, atol):
    inputs = {name: tensor.detach() for name, tensor in scan_inputs(2, 8, 16, 50, torch.float32).items()}
    low = {name: tensor if name in ("A", "D", "delta_bias") else tensor.to(dtype) for name, tensor in inputs.items()}
    ours = selective_scan(**low, delta_softplus=True)
    theirs = mamba_ssm_reference.selective_scan_ref(**low, delta_softplus=True)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 17, 40])
def test_mixer_without_inner_norms_equals_mamba_ssm_mamba(mamba_ssm_reference, monkeypatch, length):
    module = importlib.import_module("mamba_ssm.modules.mamba_simple")
    monkeypatch.setattr(module, "selective_scan_fn", mamba_ssm_reference.selective_scan_ref)
    monkeypatch.setattr(module, "causal_conv1d_fn", None)
    torch.manual_seed(length)
    theirs = module.Mamba(24, d_state=8, d_conv=4, expand=2, use_fast_path=False)
    ours = MambaMixer(24, d_state=8, d_conv=4, expand=2, inner_norms=False)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, length, 24, requires_grad=True)
    outputs = ours(x), theirs(x)
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-6)
    gradients = [
        torch.autograd.grad(y.square().sum(), [x, *m.parameters()])
        for y, m in zip(outputs, (ours, theirs), strict=True)
    ]
    names = ["x", *(name for name, _ in ours.named_parameters())]
    theirs_by_name = dict(zip(["x", *(name for name, _ in theirs.named_parameters())], gradients[1], strict=True))
    for name, gradient in zip(names, gradients[0], strict=True):
        torch.testing.assert_close(gradient, theirs_by_name[name], rtol=1e-4, atol=1e-5)


def test_initialisation_has_mamba_ssm_distribution(mamba_ssm_reference):
    module = importlib.import_module("mamba_ssm.modules.mamba_simple")
    torch.manual_seed(0)
    theirs, ours = module.Mamba(512, use_fast_path=False), MambaMixer(512)
    torch.testing.assert_close(ours.A_log, theirs.A_log)
    for mixer in (ours, theirs):
        steps = torch.nn.functional.softplus(mixer.dt_proj.bias)
        assert 0.999e-3 < steps.min() < 1.2e-3 and 0.85e-1 < steps.max() < 1.001e-1
        assert abs(steps.log().mean() - torch.tensor(1e-2).log()) < 0.15


OWN_LENGTHS = [128, 256, 512, *(pytest.param(n, marks=pytest.mark.slow) for n in (1024, 2048, 4096))]
"""Of mamba-ssm's own test of its selective scan, with its sizes: batch 2, dim 4, 8 states."""


def own_case(length, is_variable_B, is_variable_C, groups, seed=0):
    """Its inputs: steps from softplus of small numbers, A about -1/2, a bias, a gate and a skip."""
    generator = torch.Generator().manual_seed(seed)
    batch, dim, state = 2, 4, 8

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def of_tokens(varies):
        if not varies:
            return normal(dim, state)
        return normal(batch, state, length) if groups == 1 else normal(batch, groups, state, length)

    made = {
        "u": normal(batch, dim, length),
        "delta": 0.5 * torch.rand(batch, dim, length, generator=generator).double(),
    }
    made["A"] = -0.5 * torch.rand(dim, state, generator=generator).double()
    made |= {"B": of_tokens(is_variable_B), "C": of_tokens(is_variable_C), "D": normal(dim)}
    made |= {"z": normal(batch, dim, length), "delta_bias": 0.5 * torch.rand(dim, generator=generator).double()}
    return {name: tensor.requires_grad_() for name, tensor in made.items()}


@pytest.mark.parametrize("length", OWN_LENGTHS)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("is_variable_C", [True, False])
@pytest.mark.parametrize("is_variable_B", [True, False])
def test_mamba_ssms_own_grid(mamba_ssm_reference, monkeypatch, is_variable_B, is_variable_C, groups, length):
    monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor.double())
    made = own_case(length, is_variable_B, is_variable_C, groups)
    found = []
    for scan in (selective_scan, mamba_ssm_reference.selective_scan_ref):
        y, last = scan(**made, delta_softplus=True, return_last_state=True)
        cotangent = torch.randn(y.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        gradients = torch.autograd.grad((y * cotangent).sum() + last.sum(), list(made.values()))
        found.append({"y": y, "last": last} | dict(zip(made, gradients, strict=True)))
    ours, theirs = found
    for name, expected in theirs.items():
        torch.testing.assert_close(
            ours[name], expected, rtol=1e-9, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("is_variable_C", [True, False])
@pytest.mark.parametrize("is_variable_B", [True, False])
def test_mamba_ssms_own_cases_in_tritons_interpreter(
    mamba_ssm_reference, monkeypatch, is_variable_B, is_variable_C, groups
):
    pytest.importorskip("triton")
    made = {
        n: t.detach().float().requires_grad_() for n, t in own_case(40, is_variable_B, is_variable_C, groups).items()
    }
    theirs = mamba_ssm_reference.selective_scan_ref(**made, delta_softplus=True)
    expected = torch.autograd.grad(theirs.square().sum(), list(made.values()))
    monkeypatch.setenv("WORKBENCH_KERNELS", "triton")
    ours = selective_scan(**made, delta_softplus=True)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    for name, a, b in zip(made, torch.autograd.grad(ours.square().sum(), list(made.values())), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3, msg=lambda text, name=name: f"{name}: {text}")
