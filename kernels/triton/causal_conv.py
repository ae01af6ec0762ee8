"""The causal convolution and its SiLU, forward and backward, each in one kernel.

Step t of the padded sequence (past, x) is read by the outputs t .. t + width - 1 of one tile, so all but the first
read of it hits the cache; through memory go x, y and their gradients once each. The backward computes the sums
before the SiLU again instead of keeping them.
"""

import torch
import triton
import triton.language as tl

BLOCK_T, BLOCK_D = 32, 64
"""Steps and channels of one program's tile."""


@triton.jit
def forward_kernel(
    x_ptr, past_ptr, weight_ptr, bias_ptr, y_ptr,
    length, batch, dim, x_time_stride, x_batch_stride, past_time_stride, past_batch_stride,
    HAS_PAST: tl.constexpr, HAS_BIAS: tl.constexpr, WIDTH: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program (i, j, b): steps i, channels j of sequence b. Reads WIDTH shifted tiles, writes one."""
    row, _, t, d, real_d = _place(length, dim, BLOCK_T, BLOCK_D)
    x_ptr, past_ptr = x_ptr + row * x_batch_stride, past_ptr + row * past_batch_stride
    shift = tl.load(bias_ptr + d, mask=real_d & HAS_BIAS, other=0.0).to(tl.float32)
    total = _sum_taps(
        x_ptr, past_ptr, weight_ptr, shift, t, d, length, dim, x_time_stride, past_time_stride, HAS_PAST, WIDTH
    )
    real = (t < length)[:, None] & real_d[None, :]
    tl.store(y_ptr + (t[:, None] * batch + row) * dim + d[None, :], total * tl.sigmoid(total), mask=real)


@triton.jit
def backward_kernel(
    grad_y_ptr, x_ptr, past_ptr, weight_ptr, bias_ptr, grad_padded_ptr, grad_weight_ptr, grad_bias_ptr,
    length, batch, dim, x_time_stride, x_batch_stride, past_time_stride, past_batch_stride,
    HAS_PAST: tl.constexpr, HAS_BIAS: tl.constexpr, WIDTH: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program (i, j, b): steps i of the padded sequence, channels j of sequence b.

    With s_t the sum before the SiLU and e_t = grad_t silu'(s_t), the gradient of padded step p is sum_j w_j e_{p - j}.
    Writes that tile, and its own share of the sums over steps for the taps, (shares, WIDTH, dim), and the bias.
    """
    row, share, p, d, real_d = _place(length + WIDTH - 1, dim, BLOCK_T, BLOCK_D)
    x_ptr, past_ptr = x_ptr + row * x_batch_stride, past_ptr + row * past_batch_stride
    shift = tl.load(bias_ptr + d, mask=real_d & HAS_BIAS, other=0.0).to(tl.float32)
    share = share * dim + d
    grad_x = tl.zeros((BLOCK_T, BLOCK_D), tl.float32)
    for j in tl.static_range(WIDTH):
        t = p - j
        real = ((t >= 0) & (t < length))[:, None] & real_d[None, :]
        total = _sum_taps(
            x_ptr, past_ptr, weight_ptr, shift, t, d, length, dim, x_time_stride, past_time_stride, HAS_PAST, WIDTH
        )
        gate = tl.sigmoid(total)
        grad_y = tl.load(grad_y_ptr + (t[:, None] * batch + row) * dim + d[None, :], mask=real, other=0.0)
        before_silu = grad_y.to(tl.float32) * gate * (1 + total * (1 - gate))
        tap = tl.load(weight_ptr + d * WIDTH + j, mask=real_d, other=0.0).to(tl.float32)
        grad_x += before_silu * tap[None, :]
        met = _padded(x_ptr, past_ptr, p, d, length, dim, x_time_stride, past_time_stride, HAS_PAST, WIDTH)
        tl.store(grad_weight_ptr + share * WIDTH + j, tl.sum(before_silu * met, axis=0), mask=real_d)
        if j == 0:
            tl.store(grad_bias_ptr + share, tl.sum(before_silu, axis=0), mask=real_d)
    real = (p < length + WIDTH - 1)[:, None] & real_d[None, :]
    tl.store(grad_padded_ptr + (p[:, None] * batch + row) * dim + d[None, :], grad_x, mask=real)


@triton.jit
def _sum_taps(
    x_ptr, past_ptr, weight_ptr, shift, t, d, length, dim, x_time_stride, past_time_stride,
    HAS_PAST: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """bias + sum_j w_j padded_{t + j} for a tile of steps t and channels d."""
    total = tl.zeros((t.shape[0], d.shape[0]), tl.float32) + shift[None, :]
    for j in tl.static_range(WIDTH):
        tap = tl.load(weight_ptr + d * WIDTH + j, mask=d < dim, other=0.0).to(tl.float32)
        met = _padded(x_ptr, past_ptr, t + j, d, length, dim, x_time_stride, past_time_stride, HAS_PAST, WIDTH)
        total += tap[None, :] * met
    return total


@triton.jit
def _padded(
    x_ptr, past_ptr, p, d, length, dim, x_time_stride, past_time_stride, HAS_PAST: tl.constexpr, WIDTH: tl.constexpr
):
    """Steps p of (past, x), zero where there is none."""
    t = p - (WIDTH - 1)
    real = ((t >= 0) & (t < length))[:, None] & (d < dim)[None, :]
    tile = tl.load(x_ptr + t[:, None] * x_time_stride + d[None, :], mask=real, other=0.0).to(tl.float32)
    if HAS_PAST:
        real = ((p >= 0) & (t < 0))[:, None] & (d < dim)[None, :]
        tile += tl.load(past_ptr + p[:, None] * past_time_stride + d[None, :], mask=real, other=0.0).to(tl.float32)
    return tile


@triton.jit
def _place(steps, dim, BLOCK_T: tl.constexpr, BLOCK_D: tl.constexpr):
    """Sequence, block of steps counted through all sequences, steps and channels of this program, and which are real.

    Programs are counted through on one axis, blocks of steps first: CUDA's other axes end at 65,535, batches do not.
    """
    step_blocks, channel_blocks = tl.cdiv(steps, BLOCK_T), tl.cdiv(dim, BLOCK_D)
    block, rest = tl.program_id(0) % step_blocks, tl.program_id(0) // step_blocks
    t = block.to(tl.int64) * BLOCK_T + tl.arange(0, BLOCK_T)
    d = (rest % channel_blocks) * BLOCK_D + tl.arange(0, BLOCK_D)
    row = (rest // channel_blocks).to(tl.int64)
    return row, row * step_blocks + block, t, d, d < dim


class TritonCausalConv(torch.autograd.Function):
    """x and past: (length, batch, dim) and (width - 1, batch, dim) with any strides; bias and past may be None."""

    @staticmethod
    def forward(ctx, x, weight, bias, past):
        length, batch, dim = x.shape
        x = x if x.stride(2) == 1 else x.contiguous()
        ctx.flags = {"HAS_PAST": past is not None, "HAS_BIAS": bias is not None, "WIDTH": weight.shape[1]}
        ctx.flags |= {"BLOCK_T": BLOCK_T, "BLOCK_D": BLOCK_D}
        past = x if past is None else past.contiguous()  # what stands in for None is never read
        inputs = (x, past, weight.contiguous(), weight if bias is None else bias.contiguous())
        y = x.new_empty(length, batch, dim)
        ctx.sizes = (length, batch, dim, *x.stride()[:2], *past.stride()[:2])
        blocks = triton.cdiv(length, BLOCK_T) * triton.cdiv(dim, BLOCK_D)
        forward_kernel[(blocks * batch,)](*inputs, y, *ctx.sizes, **ctx.flags)
        ctx.save_for_backward(*inputs)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y):
        x, _, weight, bias = ctx.saved_tensors
        length, batch, dim = x.shape
        width = ctx.flags["WIDTH"]
        step_blocks = triton.cdiv(length + width - 1, BLOCK_T)
        grad_padded = x.new_empty(length + width - 1, batch, dim)
        grad_weight = x.new_empty(batch * step_blocks, dim, width, dtype=torch.float32)
        grad_bias = x.new_empty(batch * step_blocks, dim, dtype=torch.float32)
        backward_kernel[(step_blocks * triton.cdiv(dim, BLOCK_D) * batch,)](
            grad_y.contiguous(), *ctx.saved_tensors, grad_padded, grad_weight, grad_bias, *ctx.sizes, **ctx.flags
        )
        return (
            grad_padded[width - 1 :],
            grad_weight.sum(0).to(weight.dtype),
            grad_bias.sum(0).to(bias.dtype) if ctx.flags["HAS_BIAS"] else None,
            grad_padded[: width - 1] if ctx.flags["HAS_PAST"] else None,
        )
