"""A layer of SwiGLU experts as grouped matrix products: tokens sorted by expert, each expert on its own rows.

    y_t = sum_k p_tk W_down[e] (silu(g) * v),      (g, v) = W_gate_up[e] x_t,      e = chosen_tk

Nothing is padded to the busiest expert's load and no token is dropped (MegaBlocks, arXiv 2211.15841, argues why).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from kernels.dispatch import check_floating, check_indices, check_shapes, check_tensors, check_types, takes_triton


def grouped_experts(
    x: Float[Tensor, "tokens dim"],
    gate_up_proj: Float[Tensor, "experts double_width dim"],
    down_proj: Float[Tensor, "experts dim width"],
    chosen: Int[Tensor, "tokens top_k"],
    weights: Float[Tensor, "tokens top_k"],
) -> Float[Tensor, "tokens dim"]:
    """Send each token through its chosen experts and sum their outputs with the routing weights.

    The weights' layouts are Hugging Face's: gate above up in `gate_up_proj`, whose second axis is 2 width long. Any
    number of tokens, none included; an expert without tokens costs nothing and gets a zero gradient. Gradients are
    the same from run to run. Under autocast it computes in autocast's type, as a linear layer does. `chosen` must
    hold indices of experts; where it lies on a GPU that is not checked, since looking would stall the device.
    Raises ValueError when a shape, a device or an index does not fit, TypeError when a type does not.
    """
    check_tensors(x=x, gate_up_proj=gate_up_proj, down_proj=down_proj, chosen=chosen, weights=weights)
    if x.ndim != 2:
        raise ValueError(f"x must be (tokens, dim), got {tuple(x.shape)}")
    if down_proj.ndim != 3:
        raise ValueError(f"down_proj must be (experts, dim, width), got {tuple(down_proj.shape)}")
    tokens, dim = x.shape
    experts, _, width = down_proj.shape
    if chosen.ndim != 2 or not chosen.shape[1]:
        raise ValueError(f"chosen must be (tokens, top_k) with top_k at least 1, got {tuple(chosen.shape)}")
    check_shapes(
        gate_up_proj=(gate_up_proj, (experts, 2 * width, dim)),
        down_proj=(down_proj, (experts, dim, width)),
        chosen=(chosen, (tokens, chosen.shape[1])),
        weights=(weights, (tokens, chosen.shape[1])),
    )
    check_indices(x, 0, experts - 1, chosen=chosen)
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, gate_up_proj, down_proj = (tensor.to(dtype) for tensor in (x, gate_up_proj, down_proj))
    check_floating(x=x, gate_up_proj=gate_up_proj, down_proj=down_proj, weights=weights)
    check_types(x, gate_up_proj=gate_up_proj, down_proj=down_proj)
    if takes_triton(x, gate_up_proj, down_proj, weights) and chosen.numel():
        from kernels.triton.experts import TritonExperts

        return TritonExperts.apply(x, gate_up_proj, down_proj, weights.to(x.dtype), chosen)
    return _SortedExperts.apply(x, gate_up_proj, down_proj, weights.to(x.dtype), chosen)


def grouped_experts_reference(
    x: Tensor, gate_up_proj: Tensor, down_proj: Tensor, chosen: Tensor, weights: Tensor
) -> Tensor:
    """The same as a loop over tokens and their experts, differentiated by autograd."""
    rows = []
    for token, indices, shares in zip(x, chosen.tolist(), weights.to(x.dtype), strict=True):
        row = torch.zeros_like(token)
        for expert, share in zip(indices, shares, strict=True):
            gate, up = (gate_up_proj[expert] @ token).chunk(2)
            row = row + share * (down_proj[expert] @ (F.silu(gate) * up))
        rows.append(row)
    return torch.stack(rows) if rows else x.clone()


class _SortedExperts(torch.autograd.Function):
    """One matrix product per expert, written straight into its place: the pairs (token, slot) stay sorted throughout.

    Autograd's own backward of `gate_up_proj[e]` would fill a zero tensor as large as all experts for each of them.
    """

    @staticmethod
    def forward(ctx, x, gate_up_proj, down_proj, weights, chosen):
        sorted_experts, order = chosen.flatten().sort(stable=True)
        loads = torch.bincount(sorted_experts, minlength=len(down_proj)).tolist()
        rows = order // chosen.shape[1]
        place = torch.empty_like(order)  # where among the sorted pairs each (token, slot) is
        place[order] = torch.arange(len(order), device=order.device)

        inputs = x.index_select(0, rows)
        hidden = _times_expert(inputs, gate_up_proj.transpose(1, 2), loads)
        gate, up = hidden.chunk(2, dim=-1)
        opened = F.silu(gate)
        active = opened * up
        outputs = _times_expert(active, down_proj.transpose(1, 2), loads)
        ctx.save_for_backward(inputs, gate_up_proj, down_proj, weights, rows, place, hidden, opened, active)
        ctx.loads = loads
        return _sum_slots(outputs, place.view_as(weights), weights)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        inputs, gate_up_proj, down_proj, weights, rows, place, hidden, opened, active = ctx.saved_tensors
        shares = torch.empty_like(place, dtype=weights.dtype)
        shares[place] = weights.flatten()
        shares = shares[:, None]

        grads = grad.index_select(0, rows)
        pulled = _times_expert(grads, down_proj, ctx.loads)  # W_down^T grad, before the routing weight
        grad_weights = torch.linalg.vecdot(pulled, active)[place].view_as(weights)
        pulled.mul_(shares)
        grad_hidden = torch.empty_like(hidden)
        grad_gate, grad_up = grad_hidden.chunk(2, dim=-1)
        torch.mul(pulled, opened, out=grad_up)
        gate, up = hidden.chunk(2, dim=-1)
        torch.ops.aten.silu_backward(pulled.mul_(up), gate, grad_input=grad_gate)

        grad_x = grad_gate_up = grad_down = None
        if ctx.needs_input_grad[2]:
            grad_down = _per_expert(down_proj, grads.mul_(shares), active, ctx.loads)
        if ctx.needs_input_grad[1]:
            grad_gate_up = _per_expert(gate_up_proj, grad_hidden, inputs, ctx.loads)
        if ctx.needs_input_grad[0]:
            grad_x = _sum_slots(_times_expert(grad_hidden, gate_up_proj, ctx.loads), place.view_as(weights))
        return grad_x, grad_gate_up, grad_down, grad_weights, None


def _times_expert(rows: Tensor, matrices: Tensor, loads: list[int]) -> Tensor:
    """Each row times its expert's matrix; rows are sorted by expert, `loads` says how many each has."""
    out = rows.new_empty(len(rows), matrices.shape[2])
    for own, matrix, own_out in zip(rows.split(loads), matrices, out.split(loads), strict=True):
        torch.mm(own, matrix, out=own_out)
    return out


def _per_expert(like: Tensor, left: Tensor, right: Tensor, loads: list[int]) -> Tensor:
    """left^T right over each expert's rows; zero for an expert without any."""
    out = torch.empty_like(like, memory_format=torch.contiguous_format)
    for own_left, own_right, own_out in zip(left.t().split(loads, 1), right.split(loads), out, strict=True):
        torch.mm(own_left, own_right, out=own_out)
    return out


def _sum_slots(pairs: Tensor, place: Tensor, weights: Tensor | None = None) -> Tensor:
    """From sorted pairs back to tokens: the sum over each token's slots, times the routing weights where given."""
    return F.embedding_bag(place, pairs, mode="sum", per_sample_weights=weights)
