"""Independent implementations to compare with."""

from __future__ import annotations

import importlib
import sys
import types

import pytest


@pytest.fixture(scope="session")
def mamba_ssm_reference():
    """mamba-ssm's `selective_scan_interface`, for its plain PyTorch functions.

    Its import asks for the CUDA extension, so an empty module stands in for it. Hugging Face's Jamba must be imported
    before: it decides once, on import, whether mamba-ssm's CUDA functions are there.
    """
    importlib.import_module("transformers.models.jamba.modeling_jamba")
    if importlib.util.find_spec("mamba_ssm") is None:
        pytest.skip("mamba-ssm is not installed")
    if importlib.util.find_spec("selective_scan_cuda") is None:
        sys.modules.setdefault("selective_scan_cuda", types.ModuleType("selective_scan_cuda"))
    return importlib.import_module("mamba_ssm.ops.selective_scan_interface")
