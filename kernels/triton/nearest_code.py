"""The nearest code in one kernel: the best value and its place stay in registers while it walks over the codebook.

Products are IEEE float32, for TF32 flips codes that lie close.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def nearest_kernel(
    z_ptr, codebook_ptr, best_ptr, rows, codes, dim, z_row_stride, z_dim_stride, code_row_stride, code_dim_stride,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program i: rows i BLOCK_R .. (i + 1) BLOCK_R of z against all codes, BLOCK_C at a time. Writes an index each."""
    row = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    d = tl.arange(0, BLOCK_D)
    real = (row < rows)[:, None] & (d < dim)[None, :]
    z = tl.load(z_ptr + row.to(tl.int64)[:, None] * z_row_stride + d[None, :] * z_dim_stride, mask=real, other=0.0)
    z = z.to(tl.float32)
    least = tl.full((BLOCK_R,), float("inf"), tl.float32)
    best = tl.zeros((BLOCK_R,), tl.int32)
    for first in range(0, codes, BLOCK_C):
        code = first + tl.arange(0, BLOCK_C)
        real_c = code < codes
        code_ptr = codebook_ptr + code.to(tl.int64)[:, None] * code_row_stride + d[None, :] * code_dim_stride
        tile = tl.load(code_ptr, mask=real_c[:, None] & (d < dim)[None, :], other=0.0).to(tl.float32)
        product = tl.dot(z, tl.trans(tile), input_precision="ieee")
        value = tl.sum(tile * tile, 1)[None, :] - 2.0 * product
        value = tl.where(real_c[None, :], value, float("inf"))
        least_here = tl.min(value, 1)
        best_here = first + tl.argmin(value, 1, tie_break_left=True)
        better = least_here < least  # strictly: of equals the first stays
        best = tl.where(better, best_here, best)
        least = tl.where(better, least_here, least)
    tl.store(best_ptr + row, best.to(tl.int64), mask=row < rows)


def nearest_code_by_triton(z: Tensor, codebook: Tensor) -> Tensor:
    """z: (rows, dim), at least one row; codebook: (codes, dim); any strides."""
    (rows, dim), codes = z.shape, len(codebook)
    best = torch.empty(rows, dtype=torch.long, device=z.device)
    block_r, block_c = 64, max(16, min(64, triton.next_power_of_2(codes)))
    nearest_kernel[(triton.cdiv(rows, block_r),)](
        z, codebook, best, rows, codes, dim, *z.stride(), *codebook.stride(),
        BLOCK_R=block_r, BLOCK_C=block_c, BLOCK_D=max(16, triton.next_power_of_2(dim)),
    )  # fmt: skip
    return best
