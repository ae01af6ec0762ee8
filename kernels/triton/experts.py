"""Grouped experts: every matrix product of the layer and of its backward is one kernel over all experts.

The sorted pairs are cut into blocks that hold one expert's rows each, so a block is an ordinary tile of a matrix
product with that expert's weights. How many blocks an expert gets depends on the routing, which only the device
knows: the launch covers the most there can be, and a program whose block turns out not to exist returns at once.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.dispatch import interpreted

WIDEN = tl.constexpr(interpreted())
BLOCK_N, BLOCK_K = 64, 32
"""Columns of one program's tile, and the depth of one step of its sum."""


@triton.jit
def gate_up_kernel(
    x_ptr, weight_ptr, order_ptr, block_expert_ptr, block_first_ptr, block_end_ptr, hidden_ptr, active_ptr,
    experts, dim, width, top_k, x_row_stride,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Program (i, j): block i of the pairs, columns j of gate and up. Gathers x's rows; writes gate, up, silu(g) v."""
    expert, pair, real_m, n, real_n = _place(block_expert_ptr, block_first_ptr, block_end_ptr, width, BLOCK_M, BLOCK_N)
    if expert >= experts:
        return
    token = tl.load(order_ptr + pair, mask=real_m, other=0) // top_k
    gate_ptr = weight_ptr + (expert * 2 * width + n[None, :]) * dim
    gate = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    up = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, dim, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        real_k = k < dim
        x = tl.load(
            x_ptr + token[:, None] * x_row_stride + k[None, :], mask=real_m[:, None] & real_k[None, :], other=0.0
        )
        real = real_k[:, None] & real_n[None, :]
        gate = _dot(x, tl.load(gate_ptr + k[:, None], mask=real, other=0.0), gate)
        up = _dot(x, tl.load(gate_ptr + width * dim + k[:, None], mask=real, other=0.0), up)

    real = real_m[:, None] & real_n[None, :]
    own_ptr = hidden_ptr + pair[:, None] * 2 * width + n[None, :]
    tl.store(own_ptr, gate, mask=real)
    tl.store(own_ptr + width, up, mask=real)
    tl.store(active_ptr + pair[:, None] * width + n[None, :], gate * tl.sigmoid(gate) * up, mask=real)


@triton.jit
def rows_kernel(
    rows_ptr, weight_ptr, order_ptr, shares_ptr, block_expert_ptr, block_first_ptr, block_end_ptr, out_ptr,
    experts, depth, columns, weight_expert_stride, weight_depth_stride, weight_column_stride,
    SCALED: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Program (i, j): rows of block i times columns j of the expert's matrix, times the routing weight if SCALED.

    Each row goes to the place of its pair in (tokens, top_k, columns), so that a plain sum over the slots finishes.
    """
    expert, pair, real_m, n, real_n = _place(
        block_expert_ptr, block_first_ptr, block_end_ptr, columns, BLOCK_M, BLOCK_N
    )
    if expert >= experts:
        return
    total = _product(
        rows_ptr + pair * depth,
        weight_ptr + expert * weight_expert_stride + n * weight_column_stride,
        depth, weight_depth_stride, real_m, real_n, BLOCK_K,
    )  # fmt: skip
    slot = tl.load(order_ptr + pair, mask=real_m, other=0)
    if SCALED:
        total *= tl.load(shares_ptr + slot, mask=real_m, other=0.0).to(tl.float32)[:, None]
    tl.store(out_ptr + slot[:, None] * columns + n[None, :], total, mask=real_m[:, None] & real_n[None, :])


@triton.jit
def grad_hidden_kernel(
    grad_ptr, weight_ptr, order_ptr, shares_ptr, block_expert_ptr, block_first_ptr, block_end_ptr, hidden_ptr,
    grad_hidden_ptr, weighted_ptr, grad_shares_ptr, experts, dim, width, top_k, column_blocks,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Program (i, j): W_down^T grad for block i, columns j of the width, then back through the gate.

    Writes the gradients of gate and up, p silu(g) v for W_down's gradient, and this block of columns' share of dp.
    """
    expert, pair, real_m, n, real_n = _place(block_expert_ptr, block_first_ptr, block_end_ptr, width, BLOCK_M, BLOCK_N)
    if expert >= experts:
        return
    slot = tl.load(order_ptr + pair, mask=real_m, other=0)
    grad_active = _product(
        grad_ptr + slot // top_k * dim, weight_ptr + expert * dim * width + n, dim, width, real_m, real_n, BLOCK_K
    )  # before the routing weight

    real = real_m[:, None] & real_n[None, :]
    own = pair[:, None] * 2 * width + n[None, :]
    gate = tl.load(hidden_ptr + own, mask=real, other=0.0).to(tl.float32)
    up = tl.load(hidden_ptr + own + width, mask=real, other=0.0).to(tl.float32)
    share = tl.load(shares_ptr + slot, mask=real_m, other=0.0).to(tl.float32)
    sigmoid = tl.sigmoid(gate)
    active = gate * sigmoid * up
    grad_share_ptr = grad_shares_ptr + slot * column_blocks + tl.program_id(1)
    tl.store(grad_share_ptr, tl.sum(grad_active * active, axis=1), mask=real_m)
    tl.store(weighted_ptr + pair[:, None] * width + n[None, :], active * share[:, None], mask=real)
    grad_active *= share[:, None]
    grad_gate = grad_active * up * sigmoid * (1 + gate * (1 - sigmoid))
    tl.store(grad_hidden_ptr + own, grad_gate, mask=real)
    tl.store(grad_hidden_ptr + own + width, grad_active * gate * sigmoid, mask=real)


@triton.jit
def grad_weight_kernel(
    left_ptr, right_ptr, order_ptr, starts_ptr, out_ptr, left_columns, right_columns, top_k,
    LEFT_BY_TOKEN: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Program (i, j, e): tile (i, j) of left^T right over expert e's pairs; one of the two is indexed by token."""
    expert = tl.program_id(2).to(tl.int64)
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    real_m, real_n = m < left_columns, n < right_columns
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    first, end = tl.load(starts_ptr + expert), tl.load(starts_ptr + expert + 1)
    for start in range(first, end, BLOCK_K):
        pair = start + tl.arange(0, BLOCK_K)
        real_k = pair < end
        token = tl.load(order_ptr + pair, mask=real_k, other=0) // top_k
        left_row = token if LEFT_BY_TOKEN else pair
        right_row = pair if LEFT_BY_TOKEN else token
        left_tile_ptr = left_ptr + left_row[None, :] * left_columns + m[:, None]
        left = tl.load(left_tile_ptr, mask=real_m[:, None] & real_k[None, :], other=0.0)
        right_tile_ptr = right_ptr + right_row[:, None] * right_columns + n[None, :]
        right = tl.load(right_tile_ptr, mask=real_k[:, None] & real_n[None, :], other=0.0)
        total = _dot(left, right, total)
    tile_ptr = out_ptr + (expert * left_columns + m[:, None]) * right_columns + n[None, :]
    tl.store(tile_ptr, total, mask=real_m[:, None] & real_n[None, :])


@triton.jit
def _place(
    block_expert_ptr, block_first_ptr, block_end_ptr, columns, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr
):  # fmt: skip
    """Expert of this program's block, its pairs among the sorted ones, its columns, and which of both are real."""
    expert = tl.load(block_expert_ptr + tl.program_id(0)).to(tl.int64)
    pair = tl.load(block_first_ptr + tl.program_id(0)) + tl.arange(0, BLOCK_M)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    return expert, pair, pair < tl.load(block_end_ptr + tl.program_id(0)), n, n < columns


@triton.jit
def _product(row_ptr, column_ptr, depth, column_stride, real_m, real_n, BLOCK_K: tl.constexpr):
    """The tile sum_k rows[m, k] matrix[k, n] from pointers to the starts of its rows and of the matrix's columns."""
    total = tl.zeros((row_ptr.shape[0], column_ptr.shape[0]), tl.float32)
    for start in range(0, depth, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        real_k = k < depth
        rows = tl.load(row_ptr[:, None] + k[None, :], mask=real_m[:, None] & real_k[None, :], other=0.0)
        real = real_k[:, None] & real_n[None, :]
        matrix = tl.load(column_ptr[None, :] + k[:, None] * column_stride, mask=real, other=0.0)
        total = _dot(rows, matrix, total)
    return total


@triton.jit
def _dot(a, b, total):
    """total + a b, in full float32 where the inputs are float32; bfloat16 goes to the tensor cores as it is."""
    if WIDEN:  # the interpreter would multiply bfloat16's bits as integers
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, total, input_precision="ieee")


class TritonExperts(torch.autograd.Function):
    """Arguments of `grouped_experts` with any strides, all but `chosen` of one type, at least one token."""

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
        gate_up_kernel[(len(blocks[0]), triton.cdiv(width, BLOCK_N))](
            x, gate_up_proj, order, *blocks, hidden, active, experts, dim, width, top_k, x.stride(0), **tile
        )
        outputs = x.new_empty(tokens, top_k, dim)
        rows_kernel[(len(blocks[0]), triton.cdiv(dim, BLOCK_N))](
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
        grad_hidden_kernel[(len(blocks[0]), column_blocks)](
            grad, down_proj, order, weights, *blocks, hidden, grad_hidden, weighted, grad_shares,
            experts, dim, width, top_k, column_blocks, **tile,
        )  # fmt: skip
        grad_x = grad_gate_up = grad_down = None
        if ctx.needs_input_grad[0]:
            grad_pairs = x.new_empty(tokens, top_k, dim)
            rows_kernel[(len(blocks[0]), triton.cdiv(dim, BLOCK_N))](
                grad_hidden, gate_up_proj, order, weights, *blocks, grad_pairs, experts, 2 * width, dim,
                2 * width * dim, dim, 1, SCALED=False, **tile,
            )  # fmt: skip
            grad_x = grad_pairs.sum(1)
        square = {"BLOCK_M": 64, "BLOCK_N": BLOCK_N, "BLOCK_K": BLOCK_K}
        if ctx.needs_input_grad[1]:
            grad_gate_up = torch.empty_like(gate_up_proj)
            grad_weight_kernel[(triton.cdiv(2 * width, 64), triton.cdiv(dim, BLOCK_N), experts)](
                grad_hidden, x.contiguous(), order, starts, grad_gate_up, 2 * width, dim, top_k,
                LEFT_BY_TOKEN=False, **square,
            )  # fmt: skip
        if ctx.needs_input_grad[2]:
            grad_down = torch.empty_like(down_proj)
            grad_weight_kernel[(triton.cdiv(dim, 64), triton.cdiv(width, BLOCK_N), experts)](
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
