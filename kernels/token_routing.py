"""Moving the tokens that a routed block takes: gather with RMSNorm on the way in, weighted addition on the way out.

    rows_j = x[i_j],    normed_j = rows_j / rms(rows_j) * weight          in: one pass over the chosen rows
    out = x,            out[i_j] = x[i_j] + g_j f_j                       out: one pass, no copy and no zero tensor

Mixture-of-Depths (arXiv 2404.02258, section 3.3) sends C of S tokens of each sequence through a block. The indices
of a sequence are distinct, so nothing here needs atomic additions. -1 marks a slot without a token: sequences of one
batch may send different numbers of tokens, all shorter lists being filled up with -1.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kernels.dispatch import check_indices, check_shapes, check_types, jit, takes_triton, tl, triton
from kernels.rms_norm import PROGRAMS, rms_norm


def gather_rms_norm(
    x: Float[Tensor, "batch length dim"],
    indices: Int[Tensor, "batch capacity"],
    weight: Float[Tensor, " dim"],
    eps: float = 1e-6,
) -> tuple[Float[Tensor, "batch capacity dim"], Float[Tensor, "batch capacity dim"]]:
    """The chosen rows, normalised and as they are; both zero where the index is -1.

    The normed rows are those of `rms_norm`, whose order of casts they keep.
    Raises ValueError when a shape, a device or an index does not fit, TypeError when a type does not.
    """
    _check(x, indices)
    check_shapes(weight=(weight, x.shape[2:]))
    if takes_triton(x=x, weight=weight) and indices.numel():
        return _TritonGather.apply(x, indices, weight, eps)
    rows = _rows_of(x, indices)
    return rms_norm(rows, weight, eps), rows


def scatter_add_rows(
    x: Float[Tensor, "batch length dim"],
    indices: Int[Tensor, "batch capacity"],
    updates: Float[Tensor, "batch capacity dim"],
    gates: Float[Tensor, "batch capacity"],
    *,
    inplace: bool = False,
) -> Float[Tensor, "batch length dim"]:
    """x with gates_j * updates_j added to row i_j; every other row is x's, bit for bit.

    `inplace` writes into x and touches the chosen rows only, for inference.
    Raises ValueError when a shape, a device or an index does not fit or when a gradient is wanted of `inplace`,
    TypeError when a type does not fit.
    """
    _check(x, indices)
    check_shapes(updates=(updates, (*indices.shape, x.shape[2])), gates=(gates, tuple(indices.shape)))
    check_types(x, updates=updates)
    differentiated = torch.is_grad_enabled() and any(t.requires_grad for t in (x, updates, gates))
    if inplace and differentiated:
        raise ValueError("inplace must be False where a gradient is wanted, got True")
    on_triton = takes_triton(x=x, updates=updates, gates=gates) and indices.numel() > 0
    if inplace:
        return _triton_add_(x, indices, updates, gates) if on_triton else _add_(x, indices, updates, gates)
    return (_TritonScatter if on_triton else _Scatter).apply(x, indices, updates, gates)


def gather_rms_norm_reference(x: Tensor, indices: Tensor, weight: Tensor, eps: float = 1e-6) -> tuple[Tensor, Tensor]:
    """The same with a one-hot matrix product, differentiated by autograd."""
    chosen = _one_hot(x, indices)
    rows = chosen @ x
    wide = rows.to(torch.promote_types(x.dtype, torch.float32))
    unit = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return weight * unit.to(x.dtype), rows


def scatter_add_rows_reference(x: Tensor, indices: Tensor, updates: Tensor, gates: Tensor) -> Tensor:
    """The same with a one-hot matrix product, differentiated by autograd."""
    return x + _one_hot(x, indices).transpose(1, 2) @ (gates[..., None].to(x.dtype) * updates)


def _one_hot(x: Tensor, indices: Tensor) -> Tensor:
    return (indices[:, :, None] == torch.arange(x.shape[1], device=x.device)).to(x.dtype)


def _check(x: Tensor, indices: Tensor) -> None:
    if x.ndim != 3:
        raise ValueError(f"x must be (batch, length, dim), got {tuple(x.shape)}")
    if indices.ndim != 2 or indices.shape[0] != x.shape[0]:
        raise ValueError(f"indices must be (batch, capacity) with batch {x.shape[0]}, got {tuple(indices.shape)}")
    check_indices(x, -1, x.shape[1] - 1, indices=indices)


def _flat(x: Tensor, indices: Tensor) -> tuple[Tensor, Tensor | None]:
    """Row numbers in x seen as (batch * length, dim), and which slots hold a token (None: all of them)."""
    start = torch.arange(0, x.shape[0] * x.shape[1], x.shape[1], device=x.device)[:, None]
    kept = indices >= 0
    return (indices.clamp(min=0) + start).flatten(), None if kept.all() else kept


def _rows_of(x: Tensor, indices: Tensor) -> Tensor:
    flat, kept = _flat(x, indices)
    rows = x.reshape(-1, x.shape[2]).index_select(0, flat).view(*indices.shape, x.shape[2])
    return rows if kept is None else rows.masked_fill(~kept[..., None], 0)


def _add_(x: Tensor, indices: Tensor, updates: Tensor, gates: Tensor) -> Tensor:
    flat, kept = _flat(x, indices)
    weighted = (updates * gates[..., None].to(updates.dtype)).flatten(0, 1)
    if kept is not None:
        flat, weighted = flat[kept.flatten()], weighted[kept.flatten()]
    if x.is_contiguous():
        x.view(-1, x.shape[2]).index_add_(0, flat, weighted)
    else:
        x[flat // x.shape[1], flat % x.shape[1]] += weighted
    return x


class _Scatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, indices, updates, gates):
        ctx.save_for_backward(indices, updates, gates)
        return _add_(x.clone(memory_format=torch.contiguous_format), indices, updates, gates)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        indices, updates, gates = ctx.saved_tensors
        rows = _rows_of(grad, indices)
        grad_gates = torch.linalg.vecdot(rows, updates).to(gates.dtype)
        return grad, None, rows * gates[..., None].to(rows.dtype), grad_gates


# --- Triton ---------------------------------------------------------------------------------------------------------


@jit
def _gather_kernel(
    x, indices, weight, normed, rows, inverse, dim, capacity, x_batch, x_time, eps, BLOCK_D: tl.constexpr
):
    """Program (j, b): slot j of sequence b. Reads one row of x, writes it normalised and as it is, and 1 / rms."""
    slot = tl.program_id(1).to(tl.int64) * capacity + tl.program_id(0)
    index = tl.load(indices + slot).to(tl.int64)
    d = tl.arange(0, BLOCK_D)
    real = (d < dim) & (d * 0 + index >= 0)
    row = tl.load(x + tl.program_id(1).to(tl.int64) * x_batch + index * x_time + d, mask=real, other=0.0)
    wide = row.to(tl.float32)
    scale = 1.0 / tl.sqrt(tl.sum(wide * wide, axis=0) / dim + eps)
    gain = tl.load(weight + d, mask=d < dim, other=0.0).to(tl.float32)
    unit = (wide * scale).to(normed.dtype.element_ty).to(tl.float32)
    tl.store(normed + slot * dim + d, tl.where(real, unit * gain, 0.0), mask=d < dim)
    tl.store(rows + slot * dim + d, row, mask=d < dim)
    tl.store(inverse + slot, scale)


@jit
def _gather_backward_kernel(
    grad_normed, grad_rows, rows, indices, weight, inverse, grad_x, grad_weight, slots, length, dim, capacity,
    BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program p: slots p, p + programs, ... Writes their rows of grad_x (zero elsewhere) and its share of dw."""
    d = tl.arange(0, BLOCK_D)
    gain = tl.load(weight + d, mask=d < dim, other=0.0).to(tl.float32)
    share = tl.zeros((BLOCK_D,), tl.float32)
    for slot in range(tl.program_id(0), slots, tl.num_programs(0)):
        place = tl.cast(slot, tl.int64)
        index = tl.load(indices + place).to(tl.int64)
        scale = tl.load(inverse + place)
        unit = tl.load(rows + place * dim + d, mask=d < dim, other=0.0).to(tl.float32) * scale
        grad = tl.load(grad_normed + place * dim + d, mask=d < dim, other=0.0).to(tl.float32)
        share += grad * unit
        grad *= gain
        out = scale * (grad - unit * (tl.sum(grad * unit, axis=0) / dim))
        out += tl.load(grad_rows + place * dim + d, mask=d < dim, other=0.0).to(tl.float32)
        target = grad_x + ((place // capacity) * length + index) * dim + d
        tl.store(target, out, mask=(d < dim) & (d * 0 + index >= 0))
    tl.store(grad_weight + tl.program_id(0) * dim + d, share, mask=d < dim)


@jit
def _scatter_kernel(x, inverse_map, updates, gates, out, length, dim, capacity, x_batch, x_time, BLOCK_D: tl.constexpr):
    """Program (s, b): row s of sequence b. Reads x and, if a slot sends something here, its update; writes once."""
    row = tl.program_id(1).to(tl.int64) * length + tl.program_id(0)
    j = tl.load(inverse_map + row).to(tl.int64)
    slot = tl.program_id(1).to(tl.int64) * capacity + j
    d = tl.arange(0, BLOCK_D)
    sent = (d < dim) & (d * 0 + j >= 0)
    value = tl.load(
        x + tl.program_id(1).to(tl.int64) * x_batch + tl.program_id(0).to(tl.int64) * x_time + d,
        mask=d < dim,
        other=0.0,
    )
    update = tl.load(updates + slot * dim + d, mask=sent, other=0.0).to(tl.float32)
    gate = tl.load(gates + slot + d * 0, mask=sent, other=0.0).to(tl.float32)
    # Without an update the row is stored as it was loaded: x + 0 would turn -0 into 0.
    summed = (value.to(tl.float32) + gate * update).to(out.dtype.element_ty)
    tl.store(out + row * dim + d, tl.where(sent, summed, value), mask=d < dim)


@jit
def _add_kernel(x, indices, updates, gates, dim, capacity, x_batch, x_time, BLOCK_D: tl.constexpr):
    """Program (j, b): slot j of sequence b, added into its row of x."""
    slot = tl.program_id(1).to(tl.int64) * capacity + tl.program_id(0)
    index = tl.load(indices + slot).to(tl.int64)
    d = tl.arange(0, BLOCK_D)
    real = (d < dim) & (d * 0 + index >= 0)
    place = x + tl.program_id(1).to(tl.int64) * x_batch + index * x_time + d
    update = tl.load(updates + slot * dim + d, mask=real, other=0.0).to(tl.float32)
    value = tl.load(place, mask=real, other=0.0).to(tl.float32)
    tl.store(place, value + tl.load(gates + slot).to(tl.float32) * update, mask=real)


@jit
def _scatter_backward_kernel(
    grad, indices, updates, gates, grad_updates, grad_gates, length, dim, capacity, BLOCK_D: tl.constexpr
):
    """Program (j, b): slot j of sequence b. Gathers its row of the gradient; writes g times it and <f, it>."""
    slot = tl.program_id(1).to(tl.int64) * capacity + tl.program_id(0)
    index = tl.load(indices + slot).to(tl.int64)
    d = tl.arange(0, BLOCK_D)
    real = (d < dim) & (d * 0 + index >= 0)
    row = tl.load(grad + (tl.program_id(1).to(tl.int64) * length + index) * dim + d, mask=real, other=0.0)
    row = row.to(tl.float32)
    update = tl.load(updates + slot * dim + d, mask=real, other=0.0).to(tl.float32)
    tl.store(grad_updates + slot * dim + d, tl.load(gates + slot).to(tl.float32) * row, mask=d < dim)
    tl.store(grad_gates + slot, tl.sum(row * update, axis=0))


class _TritonGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, indices, weight, eps):
        batch, length, dim = x.shape
        x = x if x.stride(2) == 1 else x.contiguous()
        indices, weight = indices.contiguous(), weight.contiguous()
        capacity = indices.shape[1]
        normed, rows = (x.new_empty(batch, capacity, dim) for _ in range(2))
        inverse = x.new_empty(batch, capacity, dtype=torch.float32)
        ctx.block = {"BLOCK_D": triton.next_power_of_2(dim)}
        _gather_kernel[(capacity, batch)](
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
        _gather_backward_kernel[(programs,)](
            grad_normed.contiguous(), grad_rows.contiguous(), rows, indices, weight, inverse, grad_x, shares,
            batch * capacity, ctx.length, dim, capacity, **ctx.block,
        )  # fmt: skip
        return grad_x, None, shares.sum(0).to(weight.dtype), None


class _TritonScatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, indices, updates, gates):
        batch, length, dim = x.shape
        x = x if x.stride(2) == 1 else x.contiguous()
        capacity = indices.shape[1]
        indices, updates, gates = indices.contiguous(), updates.contiguous(), gates.contiguous()
        # Slot of each row, -1 for none; slots without a token write to a column of their own, cut off again.
        inverse_map = torch.full((batch, length + 1), -1, dtype=torch.int32, device=x.device)
        slots = torch.arange(capacity, dtype=torch.int32, device=x.device).expand(batch, capacity)
        inverse_map.scatter_(1, torch.where(indices < 0, length, indices).long(), slots)
        inverse_map = inverse_map[:, :length].contiguous()
        ctx.block = {"BLOCK_D": triton.next_power_of_2(dim)}
        out = x.new_empty(batch, length, dim)
        _scatter_kernel[(length, batch)](
            x, inverse_map, updates, gates, out, length, dim, capacity, *x.stride()[:2], **ctx.block
        )
        ctx.save_for_backward(indices, updates, gates)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        indices, updates, gates = ctx.saved_tensors
        batch, capacity, dim = updates.shape
        grad_updates, grad_gates = torch.empty_like(updates), torch.empty_like(gates)
        _scatter_backward_kernel[(capacity, batch)](
            grad.contiguous(), indices, updates, gates, grad_updates, grad_gates, grad.shape[1], dim, capacity,
            **ctx.block,
        )  # fmt: skip
        return grad, None, grad_updates, grad_gates


def _triton_add_(x: Tensor, indices: Tensor, updates: Tensor, gates: Tensor) -> Tensor:
    batch, capacity = indices.shape
    if x.stride(2) != 1:
        return _add_(x, indices, updates, gates)
    _add_kernel[(capacity, batch)](
        x, indices.contiguous(), updates.contiguous(), gates.contiguous(), x.shape[2], capacity, *x.stride()[:2],
        BLOCK_D=triton.next_power_of_2(x.shape[2]),
    )  # fmt: skip
    return x
