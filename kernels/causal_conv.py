"""The short causal depthwise convolution in front of Mamba's scan, with its SiLU, time first.

y_t = silu(bias + sum_j w[:, j] * x_{t - (k - 1) + j}),      x_t = past inputs, or zero, for t < 0
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from kernels.dispatch import check_shapes, jit, takes_triton, tl, triton

BLOCK_T, BLOCK_D = 32, 64
"""Steps and channels of one program's tile in the Triton kernels."""


def causal_conv(
    x: Float[Tensor, "length batch dim"],
    weight: Float[Tensor, "dim width"],
    bias: Float[Tensor, " dim"] | None = None,
    past: Float[Tensor, "past batch dim"] | None = None,
) -> Float[Tensor, "length batch dim"]:
    """Convolve each channel with its own `width` taps, the last of which meets the current token, then SiLU.

    `past` holds the width - 1 inputs before x (zeros when None). On a CPU shifted multiply-adds are faster than a
    grouped `conv1d`, and one backward for all taps is faster than autograd's through their slices.
    Raises ValueError when a shape or a device does not fit, TypeError when an argument is not floating point.
    """
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"x must be (length, batch, dim) and not empty, got {tuple(x.shape)}")
    if weight.ndim != 2 or weight.shape[0] != x.shape[2] or weight.shape[1] == 0:
        raise ValueError(f"weight must be (dim, width) with dim {x.shape[2]}, got {tuple(weight.shape)}")
    check_shapes(past=(past, (weight.shape[1] - 1, *x.shape[1:])), bias=(bias, x.shape[2:]))
    if takes_triton(x=x, weight=weight, bias=bias, past=past):
        return _TritonConv.apply(x, weight, bias, past)
    if past is None:
        past = x.new_zeros(weight.shape[1] - 1, *x.shape[1:])
    if bias is None:
        bias = x.new_zeros(x.shape[2])
    return _CausalConv.apply(torch.cat((past, x)), weight, bias)


def causal_conv_reference(x: Tensor, weight: Tensor, bias: Tensor | None = None, past: Tensor | None = None) -> Tensor:
    """The same through PyTorch's grouped convolution."""
    if past is None:
        past = x.new_zeros(weight.shape[1] - 1, *x.shape[1:])
    padded = torch.cat((past, x)).permute(1, 2, 0)
    return F.silu(F.conv1d(padded, weight[:, None], bias, groups=len(weight))).permute(2, 0, 1)


class _CausalConv(torch.autograd.Function):
    """x: (width - 1 + length, batch, dim), the past in front."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        taps, length = weight.t(), len(x) - weight.shape[1] + 1
        summed = torch.addcmul(bias, x[:length], taps[0])
        for j, tap in enumerate(taps[1:], start=1):
            summed.addcmul_(x[j : j + length], tap)
        ctx.save_for_backward(x, weight, summed)
        return F.silu(summed)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, weight, summed = ctx.saved_tensors
        grad = torch.ops.aten.silu_backward(grad, summed)
        length, grad_x, grad_weight = len(grad), torch.zeros_like(x), torch.empty_like(weight)
        for j, tap in enumerate(weight.t()):
            grad_x[j : j + length].addcmul_(grad, tap)
            grad_weight[:, j] = (grad * x[j : j + length]).sum((0, 1))
        return grad_x, grad_weight, grad.sum((0, 1))


# --- Triton ---------------------------------------------------------------------------------------------------------
#
# Step t of the padded sequence (past, x) is read by the outputs t .. t + width - 1 of one tile, so all but the first
# read of it hits the cache; through memory go x, y and their gradients once each. The backward computes the sums
# before the SiLU again instead of keeping them.


@jit
def _forward_kernel(
    x, past, weight, bias, y, length, batch, dim, x_time, x_batch, past_time, past_batch,
    HAS_PAST: tl.constexpr, HAS_BIAS: tl.constexpr, WIDTH: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program (i, j, b): steps i, channels j of sequence b. Reads WIDTH shifted tiles, writes one."""
    row, t, d, real_d = _place(dim, BLOCK_T, BLOCK_D)
    x, past = x + row * x_batch, past + row * past_batch
    shift = tl.load(bias + d, mask=real_d & HAS_BIAS, other=0.0).to(tl.float32)
    total = _sum_taps(x, past, weight, shift, t, d, length, dim, x_time, past_time, HAS_PAST, WIDTH)
    real = (t < length)[:, None] & real_d[None, :]
    tl.store(y + (t[:, None] * batch + row) * dim + d[None, :], total * tl.sigmoid(total), mask=real)


@jit
def _backward_kernel(
    grad_y, x, past, weight, bias, grad_padded, grad_weight, grad_bias,
    length, batch, dim, x_time, x_batch, past_time, past_batch,
    HAS_PAST: tl.constexpr, HAS_BIAS: tl.constexpr, WIDTH: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Program (i, j, b): steps i of the padded sequence, channels j of sequence b.

    With s_t the sum before the SiLU and e_t = grad_t silu'(s_t), the gradient of padded step p is sum_j w_j e_{p - j}.
    Writes that tile, and its own share of the sums over steps for the taps, (shares, WIDTH, dim), and the bias.
    """
    row, p, d, real_d = _place(dim, BLOCK_T, BLOCK_D)
    x, past = x + row * x_batch, past + row * past_batch
    shift = tl.load(bias + d, mask=real_d & HAS_BIAS, other=0.0).to(tl.float32)
    share = (row * tl.num_programs(0) + tl.program_id(0)) * dim + d
    grad_x = tl.zeros((BLOCK_T, BLOCK_D), tl.float32)
    for j in tl.static_range(WIDTH):
        t = p - j
        real = ((t >= 0) & (t < length))[:, None] & real_d[None, :]
        total = _sum_taps(x, past, weight, shift, t, d, length, dim, x_time, past_time, HAS_PAST, WIDTH)
        gate = tl.sigmoid(total)
        grad = tl.load(grad_y + (t[:, None] * batch + row) * dim + d[None, :], mask=real, other=0.0).to(tl.float32)
        before_silu = grad * gate * (1 + total * (1 - gate))
        tap = tl.load(weight + d * WIDTH + j, mask=real_d, other=0.0).to(tl.float32)
        grad_x += before_silu * tap[None, :]
        met = _padded(x, past, p, d, length, dim, x_time, past_time, HAS_PAST, WIDTH)
        tl.store(grad_weight + share * WIDTH + j, tl.sum(before_silu * met, axis=0), mask=real_d)
        if j == 0:
            tl.store(grad_bias + share, tl.sum(before_silu, axis=0), mask=real_d)
    real = (p < length + WIDTH - 1)[:, None] & real_d[None, :]
    tl.store(grad_padded + (p[:, None] * batch + row) * dim + d[None, :], grad_x, mask=real)


@jit
def _sum_taps(
    x, past, weight, shift, t, d, length, dim, x_time, past_time, HAS_PAST: tl.constexpr, WIDTH: tl.constexpr
):
    """bias + sum_j w_j padded_{t + j} for a tile of steps t and channels d."""
    total = tl.zeros((t.shape[0], d.shape[0]), tl.float32) + shift[None, :]
    for j in tl.static_range(WIDTH):
        tap = tl.load(weight + d * WIDTH + j, mask=d < dim, other=0.0).to(tl.float32)
        total += tap[None, :] * _padded(x, past, t + j, d, length, dim, x_time, past_time, HAS_PAST, WIDTH)
    return total


@jit
def _padded(x, past, p, d, length, dim, x_time, past_time, HAS_PAST: tl.constexpr, WIDTH: tl.constexpr):
    """Steps p of (past, x), zero where there is none."""
    t = p - (WIDTH - 1)
    real = ((t >= 0) & (t < length))[:, None] & (d < dim)[None, :]
    tile = tl.load(x + t[:, None] * x_time + d[None, :], mask=real, other=0.0).to(tl.float32)
    if HAS_PAST:
        real = ((p >= 0) & (t < 0))[:, None] & (d < dim)[None, :]
        tile += tl.load(past + p[:, None] * past_time + d[None, :], mask=real, other=0.0).to(tl.float32)
    return tile


@jit
def _place(dim, BLOCK_T: tl.constexpr, BLOCK_D: tl.constexpr):
    """Sequence, steps and channels of this program."""
    t = tl.program_id(0).to(tl.int64) * BLOCK_T + tl.arange(0, BLOCK_T)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    return tl.program_id(2).to(tl.int64), t, d, d < dim


class _TritonConv(torch.autograd.Function):
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
        grid = (triton.cdiv(length, BLOCK_T), triton.cdiv(dim, BLOCK_D), batch)
        _forward_kernel[grid](*inputs, y, *ctx.sizes, **ctx.flags)
        ctx.save_for_backward(*inputs)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y):
        x, _, weight, bias = ctx.saved_tensors
        length, batch, dim = x.shape
        width = ctx.flags["WIDTH"]
        grid = (triton.cdiv(length + width - 1, BLOCK_T), triton.cdiv(dim, BLOCK_D), batch)
        grad_padded = x.new_empty(length + width - 1, batch, dim)
        grad_weight = x.new_empty(batch * grid[0], dim, width, dtype=torch.float32)
        grad_bias = x.new_empty(batch * grid[0], dim, dtype=torch.float32)
        _backward_kernel[grid](
            grad_y.contiguous(), *ctx.saved_tensors, grad_padded, grad_weight, grad_bias, *ctx.sizes, **ctx.flags
        )
        return (
            grad_padded[width - 1 :],
            grad_weight.sum(0).to(weight.dtype),
            grad_bias.sum(0).to(bias.dtype) if ctx.flags["HAS_BIAS"] else None,
            grad_padded[: width - 1] if ctx.flags["HAS_PAST"] else None,
        )
