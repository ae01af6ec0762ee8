"""Root-mean-square normalisation (Zhang and Sennrich, arXiv 1910.07467), with the residual addition before it.

    s = x + residual,      y = s / sqrt(mean(s^2) + eps) * weight

One read of x and residual, one write of s and y; the naive chain of operations reads and writes a row eight times.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from kernels.dispatch import check_shapes, check_types, jit, takes_triton, tl, triton

PROGRAMS = 512
"""Most programs of the Triton backward, each with its own sum for the weight's gradient; a constant, so that the
order of summation, and with it every bit of the gradient, does not depend on the card."""


def rms_norm(
    x: Float[Tensor, "... dim"],
    weight: Float[Tensor, " dim"],
    eps: float = 1e-6,
    residual: Float[Tensor, "... dim"] | None = None,
    unit_offset: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Normalise each row by its root mean square; with `residual`, add it first and return (y, x + residual).

    Statistics are float32 (float64 stays float64). The row is cast back to x's type before the gain, as in Llama and
    Jamba; with `unit_offset` the gain is 1 + weight and comes before the cast, as in Gemma. y has x's type.
    Raises ValueError when a shape or a device does not fit, TypeError when an argument is not floating point.
    """
    if x.ndim == 0:
        raise ValueError("x must have at least one axis, got a scalar")
    check_shapes(weight=(weight, x.shape[-1:]), residual=(residual, tuple(x.shape)))
    check_types(x, residual=residual)
    if takes_triton(x=x, weight=weight, residual=residual) and x.numel():
        y, summed = _TritonRMSNorm.apply(x, weight, residual, eps, unit_offset)
    else:
        summed = x if residual is None else x + residual
        differentiated = torch.is_grad_enabled() and (summed.requires_grad or weight.requires_grad)
        if differentiated or unit_offset or x.dtype not in (torch.float32, torch.float64):
            y = _RMSNorm.apply(summed, weight, eps, unit_offset)
        else:  # the same to the bit where the casts do nothing
            y = F.rms_norm(summed, weight.shape, weight.to(x.dtype), eps)
    return y if residual is None else (y, summed)


def rms_norm_reference(
    x: Tensor, weight: Tensor, eps: float = 1e-6, residual: Tensor | None = None, unit_offset: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """The same, one operation a line, differentiated by autograd."""
    summed = x if residual is None else x + residual
    wide = summed.to(torch.promote_types(x.dtype, torch.float32))
    unit = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    y = (unit * (1 + weight.to(unit.dtype))).to(x.dtype) if unit_offset else (weight * unit.to(x.dtype)).to(x.dtype)
    return y if residual is None else (y, summed)


class _RMSNorm(torch.autograd.Function):
    """Keeps x and one number a row; autograd through the chain of operations would keep three rows."""

    @staticmethod
    def forward(ctx, x, weight, eps, unit_offset):
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        inverse = wide.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        ctx.unit_offset = unit_offset
        unit = wide * inverse
        if unit_offset:
            return unit.mul_(1 + weight.to(unit.dtype)).to(x.dtype)
        return unit.to(x.dtype).mul_(weight)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        """With r = 1 / rms and unit = r x:  dx = r (g w - unit mean(g w unit)),  dw = sum over rows of g unit."""
        x, weight, inverse = ctx.saved_tensors
        unit = x * inverse
        gain = weight.to(unit.dtype)
        if ctx.unit_offset:
            gain = 1 + gain
        product = unit * grad
        dim = x.shape[-1]
        grad_weight = product.reshape(-1, dim).sum(0).to(weight.dtype) if ctx.needs_input_grad[1] else None
        mean = torch.matmul(product, gain.div(dim)).unsqueeze(-1)
        grad_x = torch.mul(grad, gain, out=product).addcmul_(unit, mean, value=-1).mul_(inverse)
        return grad_x.to(x.dtype), grad_weight, None, None


# --- Triton ---------------------------------------------------------------------------------------------------------
#
# A program holds whole rows in registers: several short ones, or one long one, 4096 numbers in all where they fit.


@jit
def _forward_kernel(
    x, residual, weight, y, summed, inverse, rows, dim, x_row, residual_row, eps,
    HAS_RESIDUAL: tl.constexpr, UNIT_OFFSET: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program i: rows i BLOCK_R .. (i + 1) BLOCK_R. Reads x and residual once; writes y, the sum and 1 / rms."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    d = tl.arange(0, BLOCK_D)
    real = (row < rows)[:, None] & (d < dim)[None, :]

    tile = tl.load(x + row[:, None] * x_row + d[None, :], mask=real, other=0.0)
    if HAS_RESIDUAL:
        more = tl.load(residual + row[:, None] * residual_row + d[None, :], mask=real, other=0.0)
        # Rounded to the type it is stored in, so that y belongs to the sum that the next layer reads.
        tile = (tile.to(tl.float32) + more.to(tl.float32)).to(y.dtype.element_ty)
        tl.store(summed + row[:, None] * dim + d[None, :], tile, mask=real)
    wide = tile.to(tl.float32)
    scale = 1.0 / tl.sqrt(tl.sum(wide * wide, axis=1) / dim + eps)
    tl.store(inverse + row, scale, mask=row < rows)

    gain = tl.load(weight + d, mask=d < dim, other=0.0).to(tl.float32)
    unit = wide * scale[:, None]
    if UNIT_OFFSET:
        gain += 1.0
    else:
        unit = unit.to(y.dtype.element_ty).to(tl.float32)
    tl.store(y + row[:, None] * dim + d[None, :], unit * gain[None, :], mask=real)


@jit
def _backward_kernel(
    grad_y, grad_summed, summed, weight, inverse, grad_x, grad_weight, rows, dim, summed_row,
    HAS_RESIDUAL: tl.constexpr, UNIT_OFFSET: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program i: blocks of rows i, i + programs, i + 2 programs ... Writes their gradients and its share of dw."""
    d = tl.arange(0, BLOCK_D)
    gain = tl.load(weight + d, mask=d < dim, other=0.0).to(tl.float32)
    if UNIT_OFFSET:
        gain += 1.0
    share = tl.zeros((BLOCK_D,), tl.float32)
    for block in range(tl.program_id(0), tl.cdiv(rows, BLOCK_R), tl.num_programs(0)):
        row = tl.cast(block, tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
        real = (row < rows)[:, None] & (d < dim)[None, :]
        scale = tl.load(inverse + row, mask=row < rows, other=0.0)[:, None]
        wide = tl.load(summed + row[:, None] * summed_row + d[None, :], mask=real, other=0.0).to(tl.float32)
        unit = wide * scale
        grad = tl.load(grad_y + row[:, None] * dim + d[None, :], mask=real, other=0.0).to(tl.float32)

        share += tl.sum(grad * unit, axis=0)
        grad *= gain[None, :]
        out = scale * (grad - unit * (tl.sum(grad * unit, axis=1) / dim)[:, None])
        if HAS_RESIDUAL:
            out += tl.load(grad_summed + row[:, None] * dim + d[None, :], mask=real, other=0.0).to(tl.float32)
        tl.store(grad_x + row[:, None] * dim + d[None, :], out, mask=real)
    tl.store(grad_weight + tl.program_id(0) * dim + d, share, mask=d < dim)


class _TritonRMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, residual, eps, unit_offset):
        dim = x.shape[-1]
        rows = _as_rows(x)
        more = rows if residual is None else _as_rows(residual)
        weight = weight.contiguous()
        block_r, block_d, warps = _tile(dim)
        ctx.flags = {"HAS_RESIDUAL": residual is not None, "UNIT_OFFSET": unit_offset}
        ctx.flags |= {"BLOCK_R": block_r, "BLOCK_D": block_d, "num_warps": warps}
        y = x.new_empty(x.shape)
        summed = rows if residual is None else x.new_empty(x.shape)
        inverse = x.new_empty(len(rows), dtype=torch.float32)
        _forward_kernel[(triton.cdiv(len(rows), block_r),)](
            rows, more, weight, y, summed, inverse, len(rows), dim, rows.stride(0), more.stride(0), float(eps),
            **ctx.flags,
        )  # fmt: skip
        ctx.save_for_backward(summed, weight, inverse)
        if residual is None:
            ctx.mark_non_differentiable(inverse)
            return y, inverse  # the second output stands in for a sum that nobody asked for
        return y, summed

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y, grad_summed):
        summed, weight, inverse = ctx.saved_tensors
        rows = _as_rows(summed)
        dim = rows.shape[1]
        programs = min(PROGRAMS, triton.cdiv(len(rows), ctx.flags["BLOCK_R"]))
        grad_x = torch.empty_like(grad_y, memory_format=torch.contiguous_format)
        shares = weight.new_empty(programs, dim, dtype=torch.float32)
        _backward_kernel[(programs,)](
            grad_y.contiguous(), grad_summed.contiguous(), rows, weight, inverse, grad_x, shares,
            len(rows), dim, rows.stride(0), **ctx.flags,
        )  # fmt: skip
        grad_residual = grad_x if ctx.flags["HAS_RESIDUAL"] else None
        return grad_x, shares.sum(0).to(weight.dtype), grad_residual, None, None


def _as_rows(x: Tensor) -> Tensor:
    rows = x.reshape(-1, x.shape[-1])
    return rows if rows.stride(1) == 1 else rows.contiguous()


def _tile(dim: int) -> tuple[int, int, int]:
    """Rows and columns of one program's tile, and its warps: 16 to 32 numbers a thread."""
    block_d = triton.next_power_of_2(dim)
    block_r = max(1, 4096 // block_d)
    return block_r, block_d, min(16, max(4, block_d // 1024))
