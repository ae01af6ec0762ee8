"""The short causal depthwise convolution in front of Mamba's scan, with its SiLU, time first.

y_t = silu(bias + sum_j w[:, j] * x_{t - (k - 1) + j}),      x_t = past inputs, or zero, for t < 0
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from kernels.dispatch import check_floating, check_shapes, check_tensors, takes_triton


def causal_conv(
    x: Float[Tensor, "length batch dim"],
    weight: Float[Tensor, "dim width"],
    bias: Float[Tensor, " dim"] | None = None,
    past: Float[Tensor, "width-1 batch dim"] | None = None,
) -> Float[Tensor, "length batch dim"]:
    """Convolve each channel with its own `width` taps, the last of which meets the current token, then SiLU.

    `past` holds the width - 1 inputs before x (zeros when None). On a CPU shifted multiply-adds are faster than a
    grouped `conv1d`, and one backward for all taps is faster than autograd's through their slices. y has x's type.
    Raises ValueError when a shape or a device does not fit, TypeError when an argument is not floating point.
    """
    check_tensors(x=x, weight=weight)
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"x must be (length, batch, dim) and not empty, got {tuple(x.shape)}")
    if weight.ndim != 2 or weight.shape[0] != x.shape[2] or weight.shape[1] == 0:
        raise ValueError(f"weight must be (dim, width) with dim {x.shape[2]}, got {tuple(weight.shape)}")
    check_shapes(past=(past, (weight.shape[1] - 1, *x.shape[1:])), bias=(bias, x.shape[2:]))
    check_floating(x=x, weight=weight, bias=bias, past=past)
    if takes_triton(x, weight, bias, past):
        from kernels.triton.causal_conv import TritonCausalConv

        return TritonCausalConv.apply(x, weight, bias, past)
    if past is None:
        past = x.new_zeros(weight.shape[1] - 1, *x.shape[1:])
    if bias is None:
        bias = x.new_zeros(x.shape[2])
    return _CausalConv.apply(torch.cat((past, x)), weight, bias).to(x.dtype)


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
