"""Every Triton kernel compiles for an H100, also where there is none: what only the interpreter accepts fails here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernels import dispatch

ROOT = Path(__file__).parents[3]
KERNELS = {
    "selective_scan": {"forward_kernel", "backward_kernel"},
    "selective_state_update": {"update_kernel"},
    "rms_norm": {"forward_kernel", "backward_kernel"},
    "experts": {"gate_up_kernel", "rows_kernel", "grad_hidden_kernel", "grad_weight_kernel"},
    "token_routing": {
        "gather_kernel",
        "gather_backward_kernel",
        "scatter_kernel",
        "scatter_backward_kernel",
        "add_kernel",
    },
    "nearest_code": {"nearest_kernel"},
    "causal_conv": {"forward_kernel", "backward_kernel"},
}


def test_every_kernel_module_is_compiled():
    modules = {path.stem for path in (ROOT / "kernels" / "triton").glob("*.py") if "_kernel(" in path.read_text()}
    assert modules == set(KERNELS)


@pytest.mark.skipif(not dispatch.HAS_TRITON, reason="needs triton")
@pytest.mark.parametrize("name", KERNELS)
def test_compiles_for_an_h100_in_float32_and_bfloat16(name, tmp_path):
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("compile_only.py")), name],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert set(done.stdout.split()) == KERNELS[name]
