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
    if request.param == "interpreter" and not dispatch.INTERPRETED:
        pytest.skip("a GPU is here: the same test runs natively")
    monkeypatch.setenv("WORKBENCH_KERNELS", "triton")
    return torch.device("cpu" if request.param == "interpreter" else "cuda")
