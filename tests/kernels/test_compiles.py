"""Every Triton kernel compiles for an H100, also where there is none: what only the interpreter accepts fails here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernels import dispatch

ROOT = Path(__file__).parents[2]
KERNELS = {
    "selective_scan": {"_forward_kernel", "_backward_kernel", "_update_kernel"},
    "rms_norm": {"_forward_kernel", "_backward_kernel"},
    "experts": {"_gate_up_kernel", "_rows_kernel", "_grad_hidden_kernel", "_grad_weight_kernel"},
    "token_routing": {
        "_gather_kernel",
        "_gather_backward_kernel",
        "_scatter_kernel",
        "_scatter_backward_kernel",
        "_add_kernel",
    },
    "nearest_code": {"_nearest_kernel"},
    "causal_conv": {"_forward_kernel", "_backward_kernel"},
}


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
