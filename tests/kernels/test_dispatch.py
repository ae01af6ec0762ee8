"""Which form of a kernel runs."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import kernels
from kernels import dispatch, kernel_source
from kernels.dispatch import check_floating, takes_triton

x = torch.zeros(2)


def test_a_cpu_takes_pytorch_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("WORKBENCH_KERNELS", raising=False)
    assert not takes_triton(x)
    monkeypatch.setenv("WORKBENCH_KERNELS", "torch")
    assert not takes_triton(x)


@pytest.mark.skipif(not dispatch.interpreted(), reason="needs the interpreter")
def test_triton_on_a_cpu_means_its_interpreter_and_float64_stays_with_pytorch(monkeypatch):
    monkeypatch.setenv("WORKBENCH_KERNELS", "triton")
    assert takes_triton(x, None)
    assert not takes_triton(x.double())


def test_triton_without_its_interpreter_says_what_to_set(monkeypatch):
    monkeypatch.setenv("WORKBENCH_KERNELS", "triton")
    monkeypatch.setattr(dispatch, "interpreted", lambda: False)
    with pytest.raises(RuntimeError, match="TRITON_INTERPRET=1"):
        takes_triton(x)
    monkeypatch.setattr(dispatch, "HAS_TRITON", False)
    with pytest.raises(RuntimeError, match="needs the package triton"):
        takes_triton(x)


def test_an_unknown_choice_a_wrong_type_and_a_second_device_are_named(monkeypatch):
    with pytest.raises(TypeError, match=r"^index must be float32.*got int64$"):
        check_floating(x=x, absent=None, index=torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"^y must lie on x's device, cpu, got meta$"):
        check_floating(x=x, y=torch.zeros(2, device="meta"))
    monkeypatch.setenv("WORKBENCH_KERNELS", "cuda")
    with pytest.raises(ValueError, match="must be one of auto, triton, torch, got 'cuda'"):
        takes_triton(x)


def test_every_kernel_imports_and_runs_without_triton():
    script = (
        "import sys; sys.modules['triton'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'triton' else find(name, *rest)\n"
        "import torch, kernels\n"
        "x = torch.rand(1, 2, 3)\n"
        "assert kernels.selective_scan(x, x, -torch.rand(2, 4), *torch.rand(2, 1, 4, 3)).shape == x.shape\n"
        "assert kernels.causal_conv(x, torch.rand(3, 4)).shape == x.shape\n"
        "assert kernels.rms_norm(x, torch.rand(3)).shape == x.shape\n"
        "experts = torch.rand(4, 10, 3), torch.rand(4, 3, 5), torch.tensor([[0, 3], [1, 0]]), torch.rand(2, 2)\n"
        "assert kernels.grouped_experts(x[0], *experts).shape == x[0].shape\n"
        "assert 'tl.load' in kernels.kernel_source('rms_norm', 'forward_kernel')\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)


@pytest.mark.parametrize("form", ["auto", "torch"])
def test_triton_is_not_imported_before_a_kernel_takes_it(form):
    script = (
        "import sys, torch, kernels\n"
        "x = torch.rand(1, 2, 3, requires_grad=True)\n"
        "kernels.selective_scan(x, x, -torch.rand(2, 4), *torch.rand(2, 1, 4, 3)).sum().backward()\n"
        "kernels.rms_norm(x, torch.rand(3)).sum().backward()\n"
        "assert not [name for name in sys.modules if name.split('.')[:2] == ['kernels', 'triton']]\n"
        "assert 'triton' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], env=os.environ | {"WORKBENCH_KERNELS": form}, check=True)


def test_the_source_of_a_kernel_is_shown_without_its_decorator():
    source = kernel_source("selective_scan", "forward_kernel")
    assert source.startswith("def forward_kernel(") and "for step in range(length):" in source
    with pytest.raises(ValueError, match=r"^module must be one of causal_conv, .*, got 'scan'$"):
        kernel_source("scan", "forward_kernel")
    with pytest.raises(ValueError, match=r"^kernel must be one of forward_kernel, .*, got 'forwards'$"):
        kernel_source("selective_scan", "forwards")


@pytest.mark.skipif(not dispatch.interpreted(), reason="needs the interpreter")
def test_triton_imported_too_early_gives_the_sentence_not_a_riddle():
    script = (
        "import triton, torch, kernels\n"
        "x = torch.rand(1, 2, 3)\n"
        "try: kernels.selective_scan(x, x, -torch.rand(2, 4), *torch.rand(2, 1, 4, 3))\n"
        "except RuntimeError as error: print(error)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {"WORKBENCH_KERNELS": "triton"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert "needs TRITON_INTERPRET=1 set before Triton is first imported" in done.stdout


CALLS = {
    "causal_conv": (lambda t: kernels.causal_conv(t, t), "x"),
    "rms_norm": (lambda t: kernels.rms_norm(t, t), "x"),
    "selective_scan": (lambda t: kernels.selective_scan(t, t, t, t, t), "u"),
    "selective_scan_time_first": (lambda t: kernels.selective_scan_time_first(t, t, t, t, t), "u"),
    "selective_state_update": (lambda t: kernels.selective_state_update(t, t, t, t, t, t), "state"),
    "nearest_code": (lambda t: kernels.nearest_code(t, t), "z"),
    "gather_rms_norm": (lambda t: kernels.gather_rms_norm(t, t, t), "x"),
    "scatter_add_rows": (lambda t: kernels.scatter_add_rows(t, t, t, t), "x"),
    "grouped_experts": (lambda t: kernels.grouped_experts(t, t, t, t, t), "x"),
}


@pytest.mark.wrong_arguments
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("value", [[1.0], None, "x", 3.0, np.zeros((2, 2, 2))], ids=lambda value: type(value).__name__)
def test_what_is_no_tensor_is_named(name, value):
    call, first = CALLS[name]
    with pytest.raises(TypeError, match=f"^{first} must be a tensor, got {type(value).__name__}$"):
        call(value)


@pytest.mark.wrong_arguments
def test_sparse_and_eight_bit_tensors_and_odd_options_are_named():
    weight = torch.ones(4)
    with pytest.raises(TypeError, match=r"^x must be a dense tensor, got sparse_coo$"):
        kernels.rms_norm(torch.ones(3, 4).to_sparse(), weight)
    with pytest.raises(TypeError, match=r"^x must be float32, bfloat16, float16 or float64, got float8_e4m3fn$"):
        kernels.rms_norm(torch.ones(3, 4).to(torch.float8_e4m3fn), weight)
    for eps in (float("nan"), -1.0, float("inf")):
        with pytest.raises(ValueError, match=r"^eps must be a finite number of at least 0"):
            kernels.rms_norm(torch.ones(3, 4), weight, eps)
    with pytest.raises(TypeError, match=r"^bias must be a tensor, got list$"):
        kernels.causal_conv(torch.ones(2, 1, 4), torch.ones(4, 2), [0.0] * 4)
    with pytest.raises(ValueError, match=r"^chosen must be \(tokens, top_k\) with top_k at least 1, got \(3, 0\)$"):
        experts = torch.ones(2, 4, 4), torch.ones(2, 4, 2)
        kernels.grouped_experts(torch.ones(3, 4), *experts, torch.zeros(3, 0, dtype=torch.long), torch.ones(3, 0))
