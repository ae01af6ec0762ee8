"""Kernels: one idea a file, each beside its plain PyTorch reference. Imports nothing of `lib`.

`kernels/NAME.py` has signature, checks, reference and CPU form, `kernels/triton/NAME.py` the Triton form.
"""

from kernels.causal_conv import causal_conv, causal_conv_reference
from kernels.dispatch import kernel_source
from kernels.experts import grouped_experts, grouped_experts_reference
from kernels.nearest_code import nearest_code, nearest_code_reference
from kernels.rms_norm import rms_norm, rms_norm_reference
from kernels.selective_scan import selective_scan, selective_scan_reference, selective_scan_time_first
from kernels.selective_state_update import selective_state_update
from kernels.token_routing import (
    gather_rms_norm,
    gather_rms_norm_reference,
    scatter_add_rows,
    scatter_add_rows_reference,
)

__all__ = [
    "causal_conv",
    "causal_conv_reference",
    "gather_rms_norm",
    "gather_rms_norm_reference",
    "grouped_experts",
    "grouped_experts_reference",
    "kernel_source",
    "nearest_code",
    "nearest_code_reference",
    "rms_norm",
    "rms_norm_reference",
    "scatter_add_rows",
    "scatter_add_rows_reference",
    "selective_scan",
    "selective_scan_reference",
    "selective_scan_time_first",
    "selective_state_update",
]
