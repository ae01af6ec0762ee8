"""RMS normalisation, forward and backward, each in one kernel.

A program holds whole rows in registers: several short ones, or one long one, 4096 numbers in all where they fit.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

PROGRAMS = 512
"""Most programs of the backward, each with its own sum for the weight's gradient; a constant, so that the order of
summation, and with it every bit of the gradient, does not depend on the card."""


@triton.jit
def forward_kernel(
    x_ptr, weight_ptr, y_ptr, inverse_ptr, rows, dim, x_row_stride, eps,
    UNIT_OFFSET: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program i: rows i BLOCK_R .. (i + 1) BLOCK_R. Reads x once; writes y and 1 / rms."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    d = tl.arange(0, BLOCK_D)
    real = (row < rows)[:, None] & (d < dim)[None, :]

    x = tl.load(x_ptr + row[:, None] * x_row_stride + d[None, :], mask=real, other=0.0).to(tl.float32)
    inverse = 1.0 / tl.sqrt(tl.sum(x * x, axis=1) / dim + eps)
    tl.store(inverse_ptr + row, inverse, mask=row < rows)

    gain = tl.load(weight_ptr + d, mask=d < dim, other=0.0).to(tl.float32)
    unit = x * inverse[:, None]
    if UNIT_OFFSET:
        gain += 1.0
    else:
        unit = unit.to(y_ptr.dtype.element_ty).to(tl.float32)
    tl.store(y_ptr + row[:, None] * dim + d[None, :], unit * gain[None, :], mask=real)


@triton.jit
def backward_kernel(
    grad_y_ptr, x_ptr, weight_ptr, inverse_ptr, grad_x_ptr, grad_weight_ptr, rows, dim, x_row_stride,
    UNIT_OFFSET: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program i: blocks of rows i, i + programs, i + 2 programs ... Writes their gradients and its share of dw."""
    d = tl.arange(0, BLOCK_D)
    gain = tl.load(weight_ptr + d, mask=d < dim, other=0.0).to(tl.float32)
    if UNIT_OFFSET:
        gain += 1.0
    share = tl.zeros((BLOCK_D,), tl.float32)
    for block in range(tl.program_id(0), tl.cdiv(rows, BLOCK_R), tl.num_programs(0)):
        row = tl.cast(block, tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
        real = (row < rows)[:, None] & (d < dim)[None, :]
        inverse = tl.load(inverse_ptr + row, mask=row < rows, other=0.0)[:, None]
        x = tl.load(x_ptr + row[:, None] * x_row_stride + d[None, :], mask=real, other=0.0).to(tl.float32)
        unit = x * inverse
        grad = tl.load(grad_y_ptr + row[:, None] * dim + d[None, :], mask=real, other=0.0).to(tl.float32)

        share += tl.sum(grad * unit, axis=0)
        grad *= gain[None, :]
        grad_x = inverse * (grad - unit * (tl.sum(grad * unit, axis=1) / dim)[:, None])
        tl.store(grad_x_ptr + row[:, None] * dim + d[None, :], grad_x, mask=real)
    tl.store(grad_weight_ptr + tl.program_id(0) * dim + d, share, mask=d < dim)


class TritonRMSNorm(torch.autograd.Function):
    """x: (..., dim) with any strides, at least one row."""

    @staticmethod
    def forward(ctx, x, weight, eps, unit_offset):
        dim = x.shape[-1]
        rows, weight = _as_rows(x), weight.contiguous()
        block_r, block_d, warps = _tile(dim)
        ctx.flags = {"UNIT_OFFSET": unit_offset, "BLOCK_R": block_r, "BLOCK_D": block_d, "num_warps": warps}
        y = x.new_empty(x.shape)
        inverse = x.new_empty(len(rows), dtype=torch.float32)
        forward_kernel[(triton.cdiv(len(rows), block_r),)](
            rows, weight, y, inverse, len(rows), dim, rows.stride(0), float(eps), **ctx.flags
        )
        ctx.save_for_backward(rows, weight, inverse)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y):
        rows, weight, inverse = ctx.saved_tensors
        dim = rows.shape[1]
        programs = min(PROGRAMS, triton.cdiv(len(rows), ctx.flags["BLOCK_R"]))
        grad_x = torch.empty_like(grad_y, memory_format=torch.contiguous_format)
        shares = weight.new_empty(programs, dim, dtype=torch.float32)
        backward_kernel[(programs,)](
            grad_y.contiguous(), rows, weight, inverse, grad_x, shares, len(rows), dim, rows.stride(0), **ctx.flags
        )
        return grad_x, shares.sum(0).to(weight.dtype), None, None


def _as_rows(x: Tensor) -> Tensor:
    """(..., dim) -> (rows, dim), each row contiguous; no copy where there is none to make."""
    rows = x.reshape(-1, x.shape[-1])
    return rows if rows.stride(1) == 1 else rows.contiguous()


def _tile(dim: int) -> tuple[int, int, int]:
    """Rows and columns of one program's tile, and its warps: 16 to 32 numbers a thread."""
    block_d = triton.next_power_of_2(dim)
    block_r = max(1, 4096 // block_d)
    return block_r, block_d, min(16, max(4, block_d // 1024))
