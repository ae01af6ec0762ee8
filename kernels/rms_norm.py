"""Root-mean-square normalisation (Zhang and Sennrich, arXiv 1910.07467).

    y = x / sqrt(mean(x^2) + eps) * weight

In Triton one read of x and one write of y; the naive chain of operations reads and writes a row eight times.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from kernels.dispatch import check_floating, check_shapes, check_tensors, takes_triton


def rms_norm(
    x: Float[Tensor, "*rows dim"],
    weight: Float[Tensor, " dim"],
    eps: float = 1e-6,
    unit_offset: bool = False,
) -> Float[Tensor, "*rows dim"]:
    """Normalise each row by its root mean square.

    Statistics are float32 (float64 stays float64). The row is cast back to x's type before the gain, as in Llama and
    Jamba; with `unit_offset` the gain is 1 + weight and comes before the cast, as in Gemma. y has x's type.
    Raises ValueError when a shape or a device does not fit, TypeError when an argument is not floating point.
    """
    check_tensors(x=x, weight=weight)
    if x.ndim == 0:
        raise ValueError("x must have at least one axis, got a scalar")
    if not 0 <= eps < math.inf:
        raise ValueError(f"eps must be a finite number of at least 0, got {eps}")
    check_shapes(weight=(weight, x.shape[-1:]))
    check_floating(x=x, weight=weight)
    if takes_triton(x, weight) and x.numel():
        from kernels.triton.rms_norm import TritonRMSNorm

        return TritonRMSNorm.apply(x, weight, eps, unit_offset)
    differentiated = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    if differentiated or unit_offset or x.dtype not in (torch.float32, torch.float64):
        return _RMSNorm.apply(x, weight, eps, unit_offset)
    return F.rms_norm(x, weight.shape, weight.to(x.dtype), eps)  # the same to the bit where the casts do nothing


def rms_norm_reference(x: Tensor, weight: Tensor, eps: float = 1e-6, unit_offset: bool = False) -> Tensor:
    """The same, one operation a line, differentiated by autograd."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    unit = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    if unit_offset:
        return (unit * (1 + weight.to(unit.dtype))).to(x.dtype)
    return (weight * unit.to(x.dtype)).to(x.dtype)


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
