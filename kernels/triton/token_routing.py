"""Moving the tokens that a routed block takes, one pass over memory each way.

A program serves one slot, or one row, of one sequence. Its index is a single number, so `index >= 0` (is there a
token in the slot?) is one truth value for the whole row of channels and widens to them in a mask.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.triton.rms_norm import PROGRAMS


@triton.jit
def gather_kernel(
    x_ptr, indices_ptr, weight_ptr, normed_ptr, rows_ptr, inverse_ptr, dim, capacity, x_batch_stride, x_time_stride,
    eps, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program (j, b): slot j of sequence b. Reads one row of x, writes it normalised and as it is, and 1 / rms."""
    batch, slot, index = _slot(indices_ptr, capacity)
    d = tl.arange(0, BLOCK_D)
    real = (d < dim) & (index >= 0)
    row = tl.load(x_ptr + batch * x_batch_stride + index * x_time_stride + d, mask=real, other=0.0)
    wide = row.to(tl.float32)
    inverse = 1.0 / tl.sqrt(tl.sum(wide * wide, axis=0) / dim + eps)
    gain = tl.load(weight_ptr + d, mask=d < dim, other=0.0).to(tl.float32)
    unit = (wide * inverse).to(normed_ptr.dtype.element_ty).to(tl.float32)
    tl.store(normed_ptr + slot * dim + d, tl.where(real, unit * gain, 0.0), mask=d < dim)
    tl.store(rows_ptr + slot * dim + d, row, mask=d < dim)
    tl.store(inverse_ptr + slot, inverse)


@triton.jit
def gather_backward_kernel(
    grad_normed_ptr, grad_rows_ptr, rows_ptr, indices_ptr, weight_ptr, inverse_ptr, grad_x_ptr, grad_weight_ptr,
    slots, length, dim, capacity, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program p: slots p, p + programs, ... Writes their rows of grad_x (zero elsewhere) and its share of dw."""
    d = tl.arange(0, BLOCK_D)
    gain = tl.load(weight_ptr + d, mask=d < dim, other=0.0).to(tl.float32)
    share = tl.zeros((BLOCK_D,), tl.float32)
    for number in range(tl.program_id(0), slots, tl.num_programs(0)):
        slot = tl.cast(number, tl.int64)
        index = tl.load(indices_ptr + slot).to(tl.int64)
        inverse = tl.load(inverse_ptr + slot)
        unit = tl.load(rows_ptr + slot * dim + d, mask=d < dim, other=0.0).to(tl.float32) * inverse
        grad = tl.load(grad_normed_ptr + slot * dim + d, mask=d < dim, other=0.0).to(tl.float32)
        share += grad * unit
        grad *= gain
        grad_x = inverse * (grad - unit * (tl.sum(grad * unit, axis=0) / dim))
        grad_x += tl.load(grad_rows_ptr + slot * dim + d, mask=d < dim, other=0.0).to(tl.float32)
        target_ptr = grad_x_ptr + ((slot // capacity) * length + index) * dim + d
        tl.store(target_ptr, grad_x, mask=(d < dim) & (index >= 0))
    tl.store(grad_weight_ptr + tl.program_id(0) * dim + d, share, mask=d < dim)


@triton.jit
def scatter_kernel(
    x_ptr, slot_of_row_ptr, updates_ptr, gates_ptr, out_ptr, length, dim, capacity, x_batch_stride, x_time_stride,
    BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program (s, b): row s of sequence b. Reads x and, if a slot sends something here, its update; writes once."""
    row = tl.program_id(0).to(tl.int64)
    batch, time = row // length, row % length
    j = tl.load(slot_of_row_ptr + row).to(tl.int64)
    slot = batch * capacity + j
    d = tl.arange(0, BLOCK_D)
    sent = (d < dim) & (j >= 0)
    x = tl.load(x_ptr + batch * x_batch_stride + time * x_time_stride + d, mask=d < dim, other=0.0)
    update = tl.load(updates_ptr + slot * dim + d, mask=sent, other=0.0).to(tl.float32)
    gate = tl.load(gates_ptr + slot, mask=j >= 0, other=0.0).to(tl.float32)
    # Without an update the row is stored as it was loaded: x + 0 would turn -0 into 0.
    summed = (x.to(tl.float32) + gate * update).to(out_ptr.dtype.element_ty)
    tl.store(out_ptr + row * dim + d, tl.where(sent, summed, x), mask=d < dim)


@triton.jit
def add_kernel(
    x_ptr, indices_ptr, updates_ptr, gates_ptr, dim, capacity, x_batch_stride, x_time_stride, BLOCK_D: tl.constexpr
):
    """Program (j, b): slot j of sequence b, added into its row of x."""
    batch, slot, index = _slot(indices_ptr, capacity)
    d = tl.arange(0, BLOCK_D)
    real = (d < dim) & (index >= 0)
    row_ptr = x_ptr + batch * x_batch_stride + index * x_time_stride + d
    update = tl.load(updates_ptr + slot * dim + d, mask=real, other=0.0).to(tl.float32)
    x = tl.load(row_ptr, mask=real, other=0.0).to(tl.float32)
    tl.store(row_ptr, x + tl.load(gates_ptr + slot).to(tl.float32) * update, mask=real)


@triton.jit
def scatter_backward_kernel(
    grad_ptr, indices_ptr, updates_ptr, gates_ptr, grad_updates_ptr, grad_gates_ptr, length, dim, capacity,
    BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program (j, b): slot j of sequence b. Gathers its row of the gradient; writes g times it and <f, it>."""
    batch, slot, index = _slot(indices_ptr, capacity)
    d = tl.arange(0, BLOCK_D)
    real = (d < dim) & (index >= 0)
    grad = tl.load(grad_ptr + (batch * length + index) * dim + d, mask=real, other=0.0).to(tl.float32)
    update = tl.load(updates_ptr + slot * dim + d, mask=real, other=0.0).to(tl.float32)
    gate = tl.load(gates_ptr + slot).to(tl.float32)
    tl.store(grad_updates_ptr + slot * dim + d, gate * grad, mask=d < dim)
    tl.store(grad_gates_ptr + slot, tl.sum(grad * update, axis=0))


@triton.jit
def _slot(indices_ptr, capacity):
    """Sequence, slot (counted through all sequences) and row of x that this program serves."""
    slot = tl.program_id(0).to(tl.int64)  # on one axis: CUDA's others end at 65,535, batches do not
    return slot // capacity, slot, tl.load(indices_ptr + slot).to(tl.int64)


class TritonGather(torch.autograd.Function):
    """x: (batch, length, dim) and indices: (batch, capacity), not empty, with any strides."""

    @staticmethod
    def forward(ctx, x, indices, weight, eps):
        batch, length, dim = x.shape
        x = x if x.stride(2) == 1 else x.contiguous()
        indices, weight = indices.contiguous(), weight.contiguous()
        capacity = indices.shape[1]
        normed, rows = (x.new_empty(batch, capacity, dim) for _ in range(2))
        inverse = x.new_empty(batch, capacity, dtype=torch.float32)
        ctx.block = {"BLOCK_D": triton.next_power_of_2(dim)}
        gather_kernel[(capacity * batch,)](
            x, indices, weight, normed, rows, inverse, dim, capacity, *x.stride()[:2], float(eps), **ctx.block
        )
        ctx.save_for_backward(rows, indices, weight, inverse)
        ctx.length = length
        return normed, rows

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_normed, grad_rows):
        rows, indices, weight, inverse = ctx.saved_tensors
        batch, capacity, dim = rows.shape
        programs = min(PROGRAMS, batch * capacity)
        grad_x = rows.new_zeros(batch, ctx.length, dim)
        shares = rows.new_empty(programs, dim, dtype=torch.float32)
        gather_backward_kernel[(programs,)](
            grad_normed.contiguous(), grad_rows.contiguous(), rows, indices, weight, inverse, grad_x, shares,
            batch * capacity, ctx.length, dim, capacity, **ctx.block,
        )  # fmt: skip
        return grad_x, None, shares.sum(0).to(weight.dtype), None


class TritonScatter(torch.autograd.Function):
    """Arguments of `scatter_add_rows`, at least one slot, with any strides."""

    @staticmethod
    def forward(ctx, x, indices, updates, gates):
        batch, length, dim = x.shape
        x = x if x.stride(2) == 1 else x.contiguous()
        capacity = indices.shape[1]
        indices, updates, gates = indices.contiguous(), updates.contiguous(), gates.contiguous()
        ctx.block = {"BLOCK_D": triton.next_power_of_2(dim)}
        out = x.new_empty(batch, length, dim)
        scatter_kernel[(length * batch,)](
            x, _slot_of_row(indices, length), updates, gates, out, length, dim, capacity, *x.stride()[:2], **ctx.block
        )
        ctx.save_for_backward(indices, updates, gates)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        indices, updates, gates = ctx.saved_tensors
        batch, capacity, dim = updates.shape
        grad_updates, grad_gates = torch.empty_like(updates), torch.empty_like(gates)
        scatter_backward_kernel[(capacity * batch,)](
            grad.contiguous(), indices, updates, gates, grad_updates, grad_gates, grad.shape[1], dim, capacity,
            **ctx.block,
        )  # fmt: skip
        return grad, None, grad_updates, grad_gates


def add_rows_(x: Tensor, indices: Tensor, updates: Tensor, gates: Tensor) -> Tensor:
    """`scatter_add_rows` into x itself, whose channels must lie next to each other."""
    batch, capacity = indices.shape
    add_kernel[(capacity * batch,)](
        x, indices.contiguous(), updates.contiguous(), gates.contiguous(), x.shape[2], capacity, *x.stride()[:2],
        BLOCK_D=triton.next_power_of_2(x.shape[2]),
    )  # fmt: skip
    return x


def _slot_of_row(indices: Tensor, length: int) -> Tensor:
    """(batch, length): the slot that sends something to each row, -1 for none."""
    batch, capacity = indices.shape
    # Slots without a token write to a column of their own, which is cut off again.
    slot_of_row = torch.full((batch, length + 1), -1, dtype=torch.int32, device=indices.device)
    slots = torch.arange(capacity, dtype=torch.int32, device=indices.device).expand(batch, capacity)
    slot_of_row.scatter_(1, torch.where(indices < 0, length, indices).long(), slots)
    return slot_of_row[:, :length].contiguous()
