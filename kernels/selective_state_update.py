"""One step of the selective scan, for decoding: the state of every sequence moves on by one token.

    h <- exp(dt A) * h + (dt x) B,      y = <C, h> + D x

Argument names, order and shapes are those of mamba-ssm's function of the same name.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from kernels.dispatch import check_floating, check_shapes, check_tensors, takes_triton


def selective_state_update(
    state: Float[Tensor, "batch dim d_state"],
    x: Float[Tensor, "batch dim"],
    dt: Float[Tensor, "batch dim"],
    A: Float[Tensor, "dim d_state"],
    B: Float[Tensor, "batch d_state"],
    C: Float[Tensor, "batch d_state"],
    D: Float[Tensor, " dim"] | None = None,
    z: Float[Tensor, "batch dim"] | None = None,
    dt_bias: Float[Tensor, " dim"] | None = None,
    dt_softplus: bool = False,
) -> Float[Tensor, "batch dim"]:
    """Update `state` in place and return y in x's type, times silu(z) when a gate `z` is given.

    It computes in the state's type, the Triton form in float32. Where a gradient is wanted the PyTorch form runs, and
    gradients pass through the state from step to step.
    Raises ValueError when a shape or a device does not fit, TypeError when an argument is not floating point.
    """
    check_tensors(state=state, x=x, A=A)
    if x.ndim != 2:
        raise ValueError(f"x must be (batch, dim), got {tuple(x.shape)}")
    if A.ndim != 2 or A.shape[0] != x.shape[1]:
        raise ValueError(f"A must be (dim, d_state) with dim {x.shape[1]}, got {tuple(A.shape)}")
    (batch, dim), d_state = x.shape, A.shape[1]
    check_shapes(
        state=(state, (batch, dim, d_state)),
        dt=(dt, (batch, dim)),
        B=(B, (batch, d_state)),
        C=(C, (batch, d_state)),
        D=(D, (dim,)),
        z=(z, (batch, dim)),
        dt_bias=(dt_bias, (dim,)),
    )
    check_floating(state=state, x=x, dt=dt, A=A, B=B, C=C, D=D, z=z, dt_bias=dt_bias)
    given = [t for t in (state, x, dt, A, B, C, D, z, dt_bias) if t is not None]
    differentiated = torch.is_grad_enabled() and any(t.requires_grad for t in given)
    if takes_triton(*given) and state.is_contiguous() and not differentiated:
        from kernels.triton.selective_state_update import state_update_by_triton

        return state_update_by_triton(state, x, dt, A, B, C, D, z, dt_bias, dt_softplus)
    wide = state.dtype
    x_wide, dt = x.to(wide), dt.to(wide)
    if dt_bias is not None:
        dt = dt + dt_bias.to(wide)
    if dt_softplus:
        dt = F.softplus(dt)
    decay, write = torch.exp(dt[:, :, None] * A.to(wide)), (dt * x_wide)[:, :, None]
    if differentiated:  # what the backward pass reads again must not be written over
        h = torch.addcmul(state.clone() * decay, write, B.to(wide)[:, None, :])
        state.copy_(h)
    else:
        h = state.mul_(decay).addcmul_(write, B.to(wide)[:, None, :])
    y = torch.bmm(h, C.to(wide)[:, :, None]).squeeze(-1)  # (batch, dim)
    if D is not None:
        y = y + D.to(wide) * x_wide
    if z is not None:
        y = y * F.silu(z.to(wide))
    return y.to(x.dtype)
