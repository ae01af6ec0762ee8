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

from kernels.dispatch import check_floating, check_indices, check_shapes, check_tensors, check_types, takes_triton
from kernels.rms_norm import rms_norm


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
    check_floating(x=x, weight=weight)
    if takes_triton(x, weight) and indices.numel():
        from kernels.triton.token_routing import TritonGather

        return TritonGather.apply(x, indices, weight, eps)
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
    check_floating(x=x, updates=updates, gates=gates)
    differentiated = torch.is_grad_enabled() and any(t.requires_grad for t in (x, updates, gates))
    if inplace and differentiated:
        raise ValueError("inplace must be False where a gradient is wanted, got True")
    if takes_triton(x, updates, gates) and indices.numel():
        from kernels.triton.token_routing import TritonScatter, add_rows_

        if not inplace:
            return TritonScatter.apply(x, indices, updates, gates)
        if x.stride(2) == 1:
            return add_rows_(x, indices, updates, gates)
    return _add_(x, indices, updates, gates) if inplace else _Scatter.apply(x, indices, updates, gates)


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
    check_tensors(x=x, indices=indices)
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
