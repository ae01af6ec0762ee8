"""Where a Triton kernel is tested: in the interpreter on a machine without a GPU, natively with `pytest -m gpu`."""

from __future__ import annotations

import pytest
import torch

from kernels import dispatch


@pytest.fixture(params=["interpreter", pytest.param("cuda", marks=pytest.mark.gpu)])
def triton_device(request, monkeypatch) -> torch.device:
    """The device on which, during this test, every kernel takes its Triton form."""
    if not dispatch.HAS_TRITON:
        pytest.skip("needs triton")
    if request.param == "interpreter" and not dispatch.interpreted():
        pytest.skip("a GPU is here: the same test runs natively")
    monkeypatch.setenv("WORKBENCH_KERNELS", "triton")
    return torch.device("cpu" if request.param == "interpreter" else "cuda")


def _everything(function, arguments: dict, dtype: torch.dtype | None = None, **flags) -> dict[str, torch.Tensor]:
    """Each output of a function and the gradient of every floating-point argument, under one random cotangent.

    `dtype` casts the arguments first: torch.float64 makes a reference of a plain function.
    """
    values = {
        name: t.detach().to(dtype or t.dtype).requires_grad_() if t.is_floating_point() else t
        for name, t in arguments.items()
    }
    outputs = function(**values, **flags)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    generator = torch.Generator().manual_seed(0)
    loss = sum((t * torch.randn(t.shape, generator=generator).to(t)).sum(dtype=torch.float64) for t in outputs)
    leaves = {name: t for name, t in values.items() if t.requires_grad}
    grads = torch.autograd.grad(loss, list(leaves.values()))
    named = {f"output {i}": t for i, t in enumerate(outputs)}
    return named | {f"grad_{name}": grad for name, grad in zip(leaves, grads, strict=True)}


def _assert_close(ours: dict, exact: dict, tolerance: dict) -> None:
    """Every entry within a tolerance relative to the exact tensor's largest entry (or to 1)."""
    assert ours.keys() == exact.keys()
    for name, expected in exact.items():
        scale = max(1.0, expected.abs().max().item()) if expected.numel() else 1.0
        got = ours[name].double().cpu() / scale
        torch.testing.assert_close(
            got, expected.cpu() / scale, **tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.fixture
def everything():
    return _everything


@pytest.fixture
def assert_close():
    return _assert_close
