"""A layer of SwiGLU experts as grouped matrix products: tokens sorted by expert, each expert on its own rows.

    y_t = sum_k p_tk W_down[e] (silu(g) * v),      (g, v) = W_gate_up[e] x_t,      e = chosen_tk

Nothing is padded to the busiest expert's load and no token is dropped (MegaBlocks, arXiv 2211.15841, argues why).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from kernels.dispatch import INTERPRETED, check_indices, check_shapes, check_types, jit, takes_triton, tl, triton

WIDEN = tl.constexpr(INTERPRETED)
BLOCK_N, BLOCK_K = 64, 32
"""Columns of one program's tile in the Triton kernels, and the depth of one step of its sum."""


def grouped_experts(
    x: Float[Tensor, "tokens dim"],
    gate_up_proj: Float[Tensor, "experts gate_and_up dim"],
    down_proj: Float[Tensor, "experts dim width"],
    chosen: Int[Tensor, "tokens top_k"],
    weights: Float[Tensor, "tokens top_k"],
) -> Float[Tensor, "tokens dim"]:
    """Send each token through its chosen experts and sum their outputs with the routing weights.

    The weights' layouts are Hugging Face's: gate above up in `gate_up_proj`. Any number of tokens, none included;
    an expert without tokens costs nothing and gets a zero gradient. Gradients are the same from run to run. Under
    autocast it computes in autocast's type, as a linear layer does. `chosen`
    must hold indices of experts; where it lies on a GPU that is not checked, since looking would stall the device.
    Raises ValueError when a shape, a device or an index does not fit, TypeError when a type does not.
    """
    if x.ndim != 2:
        raise ValueError(f"x must be (tokens, dim), got {tuple(x.shape)}")
    if down_proj.ndim != 3:
        raise ValueError(f"down_proj must be (experts, dim, width), got {tuple(down_proj.shape)}")
    tokens, dim = x.shape
    experts, _, width = down_proj.shape
    if chosen.ndim != 2:
        raise ValueError(f"chosen must be (tokens, top_k), got {tuple(chosen.shape)}")
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
    triton_form = takes_triton(x=x, gate_up_proj=gate_up_proj, down_proj=down_proj, weights=weights)
    check_types(x, gate_up_proj=gate_up_proj, down_proj=down_proj)
    function = _TritonExperts if triton_form and chosen.numel() else _SortedExperts
    return function.apply(x, gate_up_proj, down_proj, weights.to(x.dtype), chosen)


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


# --- Triton ---------------------------------------------------------------------------------------------------------
#
# The sorted pairs are cut into blocks that hold one expert's rows each, so a block is an ordinary tile of a matrix
# product with that expert's weights. How many blocks an expert gets depends on the routing, which only the device
# knows: the launch covers the most there can be, and a program whose block turns out not to exist returns at once.


@jit
def _gate_up_kernel(
    x, weight, order, block_expert, block_first, block_end, hidden, active, experts, dim, width, top_k, x_row,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Program (i, j): block i of the pairs, columns j of gate and up. Gathers x's rows; writes gate, up, silu(g) v."""
    expert, pair, real_m = _block(block_expert, block_first, block_end, BLOCK_M)
    if expert >= experts:
        return
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    real_n = n < width
    token = tl.load(order + pair, mask=real_m, other=0) // top_k
    gates = weight + (expert * 2 * width + n[None, :]) * dim
    gate = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    up = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, dim, BLOCK_K):
        real_k = start + k < dim
        a = tl.load(
            x + token[:, None] * x_row + (start + k)[None, :], mask=real_m[:, None] & real_k[None, :], other=0.0
        )
        real = real_k[:, None] & real_n[None, :]
        gate = _dot(a, tl.load(gates + (start + k)[:, None], mask=real, other=0.0), gate)
        up = _dot(a, tl.load(gates + width * dim + (start + k)[:, None], mask=real, other=0.0), up)

    real = real_m[:, None] & real_n[None, :]
    own = hidden + pair[:, None] * 2 * width + n[None, :]
    tl.store(own, gate, mask=real)
    tl.store(own + width, up, mask=real)
    tl.store(active + pair[:, None] * width + n[None, :], gate * tl.sigmoid(gate) * up, mask=real)


@jit
def _rows_kernel(
    a, weight, order, shares, block_expert, block_first, block_end, out, experts, depth, columns,
    weight_expert, weight_k, weight_n,
    SCALED: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Program (i, j): rows of block i times columns j of the expert's matrix, times the routing weight if SCALED.

    Each row goes to the place of its pair in (tokens, top_k, columns), so that a plain sum over the slots finishes.
    """
    expert, pair, real_m = _block(block_expert, block_first, block_end, BLOCK_M)
    if expert >= experts:
        return
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    real_n = n < columns
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, depth, BLOCK_K):
        real_k = start + k < depth
        rows = tl.load(
            a + pair[:, None] * depth + (start + k)[None, :], mask=real_m[:, None] & real_k[None, :], other=0.0
        )
        w = weight + expert * weight_expert + (start + k)[:, None] * weight_k + n[None, :] * weight_n
        total = _dot(rows, tl.load(w, mask=real_k[:, None] & real_n[None, :], other=0.0), total)
    slot = tl.load(order + pair, mask=real_m, other=0)
    if SCALED:
        total *= tl.load(shares + slot, mask=real_m, other=0.0).to(tl.float32)[:, None]
    tl.store(out + slot[:, None] * columns + n[None, :], total, mask=real_m[:, None] & real_n[None, :])


@jit
def _grad_hidden_kernel(
    grad, weight, order, shares, block_expert, block_first, block_end, hidden,
    grad_hidden, weighted, grad_shares, experts, dim, width, top_k, column_blocks,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Program (i, j): W_down^T grad for block i, columns j of the width, then back through the gate.

    Writes the gradients of gate and up, p silu(g) v for W_down's gradient, and this block of columns' share of dp.
    """
    expert, pair, real_m = _block(block_expert, block_first, block_end, BLOCK_M)
    if expert >= experts:
        return
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    real_n = n < width
    slot = tl.load(order + pair, mask=real_m, other=0)
    token = slot // top_k
    pulled = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, dim, BLOCK_K):
        real_k = start + k < dim
        rows = tl.load(
            grad + token[:, None] * dim + (start + k)[None, :], mask=real_m[:, None] & real_k[None, :], other=0.0
        )
        w = weight + (expert * dim + (start + k)[:, None]) * width + n[None, :]
        pulled = _dot(rows, tl.load(w, mask=real_k[:, None] & real_n[None, :], other=0.0), pulled)

    real = real_m[:, None] & real_n[None, :]
    own = pair[:, None] * 2 * width + n[None, :]
    gate = tl.load(hidden + own, mask=real, other=0.0).to(tl.float32)
    up = tl.load(hidden + own + width, mask=real, other=0.0).to(tl.float32)
    share = tl.load(shares + slot, mask=real_m, other=0.0).to(tl.float32)
    sigmoid = tl.sigmoid(gate)
    active = gate * sigmoid * up
    tl.store(grad_shares + slot * column_blocks + tl.program_id(1), tl.sum(pulled * active, axis=1), mask=real_m)
    tl.store(weighted + pair[:, None] * width + n[None, :], active * share[:, None], mask=real)
    pulled *= share[:, None]
    tl.store(grad_hidden + own, pulled * up * sigmoid * (1 + gate * (1 - sigmoid)), mask=real)
    tl.store(grad_hidden + own + width, pulled * gate * sigmoid, mask=real)


@jit
def _grad_weight_kernel(
    left, right, order, starts, out, left_columns, right_columns, top_k,
    LEFT_BY_TOKEN: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Program (i, j, e): tile (i, j) of left^T right over expert e's pairs; one of the two is indexed by token."""
    expert = tl.program_id(2).to(tl.int64)
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    first, end = tl.load(starts + expert), tl.load(starts + expert + 1)
    for start in range(first, end, BLOCK_K):
        pair = start + k
        real_k = pair < end
        token = tl.load(order + pair, mask=real_k, other=0) // top_k
        left_row = token if LEFT_BY_TOKEN else pair
        right_row = pair if LEFT_BY_TOKEN else token
        a = tl.load(
            left + left_row[None, :] * left_columns + m[:, None],
            mask=(m < left_columns)[:, None] & real_k[None, :],
            other=0.0,
        )
        b = tl.load(
            right + right_row[:, None] * right_columns + n[None, :],
            mask=real_k[:, None] & (n < right_columns)[None, :],
            other=0.0,
        )
        total = _dot(a, b, total)
    tile = out + (expert * left_columns + m[:, None]) * right_columns + n[None, :]
    tl.store(tile, total, mask=(m < left_columns)[:, None] & (n < right_columns)[None, :])


@jit
def _block(block_expert, block_first, block_end, BLOCK_M: tl.constexpr):
    """Expert of this program's block, its pairs among the sorted ones, and which of them are its own."""
    expert = tl.load(block_expert + tl.program_id(0)).to(tl.int64)
    pair = tl.load(block_first + tl.program_id(0)) + tl.arange(0, BLOCK_M)
    return expert, pair, pair < tl.load(block_end + tl.program_id(0))


@jit
def _dot(a, b, total):
    """total + a b, in full float32 where the inputs are float32; bfloat16 goes to the tensor cores as it is."""
    if WIDEN:  # the interpreter would multiply bfloat16's bits as integers
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, total, input_precision="ieee")


class _TritonExperts(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gate_up_proj, down_proj, weights, chosen):
        tokens, dim = x.shape
        experts, _, width = down_proj.shape
        top_k = chosen.shape[1]
        pairs = tokens * top_k
        x = x if x.stride(1) == 1 else x.contiguous()
        gate_up_proj, down_proj, weights = gate_up_proj.contiguous(), down_proj.contiguous(), weights.contiguous()
        sorted_experts, order = chosen.flatten().sort(stable=True)
        block_m = min(128, max(16, triton.next_power_of_2(pairs // experts)))
        starts, *blocks = _block_table(sorted_experts, experts, block_m)
        tile = {"BLOCK_M": block_m, "BLOCK_N": BLOCK_N, "BLOCK_K": BLOCK_K}

        hidden, active = x.new_empty(pairs, 2 * width), x.new_empty(pairs, width)
        _gate_up_kernel[(len(blocks[0]), triton.cdiv(width, BLOCK_N))](
            x, gate_up_proj, order, *blocks, hidden, active, experts, dim, width, top_k, x.stride(0), **tile
        )
        outputs = x.new_empty(tokens, top_k, dim)
        _rows_kernel[(len(blocks[0]), triton.cdiv(dim, BLOCK_N))](
            active, down_proj, order, weights, *blocks, outputs, experts, width, dim, dim * width, 1, width,
            SCALED=True, **tile,
        )  # fmt: skip
        ctx.save_for_backward(x, gate_up_proj, down_proj, weights, order, starts, *blocks, hidden)
        ctx.tile = tile
        return outputs.sum(1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, gate_up_proj, down_proj, weights, order, starts, *blocks, hidden = ctx.saved_tensors
        experts, dim, width = down_proj.shape
        tokens, top_k = weights.shape
        grad, column_blocks, tile = grad.contiguous(), triton.cdiv(width, BLOCK_N), ctx.tile

        grad_hidden, weighted = torch.empty_like(hidden), hidden.new_empty(len(hidden), width)
        grad_shares = x.new_empty(tokens, top_k, column_blocks, dtype=torch.float32)
        _grad_hidden_kernel[(len(blocks[0]), column_blocks)](
            grad, down_proj, order, weights, *blocks, hidden, grad_hidden, weighted, grad_shares,
            experts, dim, width, top_k, column_blocks, **tile,
        )  # fmt: skip
        grad_x = grad_gate_up = grad_down = None
        if ctx.needs_input_grad[0]:
            grad_pairs = x.new_empty(tokens, top_k, dim)
            _rows_kernel[(len(blocks[0]), triton.cdiv(dim, BLOCK_N))](
                grad_hidden, gate_up_proj, order, weights, *blocks, grad_pairs, experts, 2 * width, dim,
                2 * width * dim, dim, 1, SCALED=False, **tile,
            )  # fmt: skip
            grad_x = grad_pairs.sum(1)
        square = {"BLOCK_M": 64, "BLOCK_N": BLOCK_N, "BLOCK_K": BLOCK_K}
        if ctx.needs_input_grad[1]:
            grad_gate_up = torch.empty_like(gate_up_proj)
            _grad_weight_kernel[(triton.cdiv(2 * width, 64), triton.cdiv(dim, BLOCK_N), experts)](
                grad_hidden, x.contiguous(), order, starts, grad_gate_up, 2 * width, dim, top_k,
                LEFT_BY_TOKEN=False, **square,
            )  # fmt: skip
        if ctx.needs_input_grad[2]:
            grad_down = torch.empty_like(down_proj)
            _grad_weight_kernel[(triton.cdiv(dim, 64), triton.cdiv(width, BLOCK_N), experts)](
                grad, weighted, order, starts, grad_down, dim, width, top_k, LEFT_BY_TOKEN=True, **square
            )
        return grad_x, grad_gate_up, grad_down, grad_shares.sum(-1).to(weights.dtype), None


def _block_table(sorted_experts: Tensor, experts: int, block_m: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where each expert's pairs start, and each block's expert, first pair and end, found without leaving the device.

    A block past the last one that exists has expert number `experts`.
    """
    device = sorted_experts.device
    starts = torch.searchsorted(sorted_experts, torch.arange(experts + 1, device=device, dtype=sorted_experts.dtype))
    upto = ((starts.diff() + block_m - 1) // block_m).cumsum(0)  # blocks of experts 0..e
    block = torch.arange(len(sorted_experts) // block_m + experts, device=device)
    expert = torch.searchsorted(upto, block, right=True)
    inside = expert.clamp(max=experts - 1)
    before = torch.where(inside > 0, upto[inside - 1], 0)
    return starts, expert, starts[inside] + (block - before) * block_m, starts[inside + 1]
