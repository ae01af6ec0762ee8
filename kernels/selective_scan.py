"""The selective scan of Mamba: a linear recurrence whose coefficients depend on the token.

    h_t = exp(delta_t A) * h_{t-1} + (delta_t u_t) B_t,      y_t = <C_t, h_t> + D u_t

Mamba (arXiv 2312.00752, section 3) discretises A by zero-order hold; every implementation, this one included, takes
plain Euler for B. `selective_scan_time_first` is the scan itself, (length, batch, dim) in and out, so that each
step's slice is one piece of memory; `selective_scan` is the same with the order and the shapes of mamba-ssm's
`selective_scan_fn`. B and C are, each for itself, one vector a token for all channels; one for each of so many groups
of neighbouring channels; or fixed, one for each channel and all tokens. A is real.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from kernels.dispatch import check_floating, takes_triton
from kernels.scan_shapes import TIME_FIRST, TIME_LAST, check_scan_shapes

CHUNK = 16
"""Steps whose states the CPU form holds at once; 8 to 32 measure alike, beyond that the temporaries leave the cache."""


def selective_scan_time_first(
    u: Float[Tensor, "length batch dim"],
    delta: Float[Tensor, "length batch dim"],
    A: Float[Tensor, "dim d_state"],
    B: Float[Tensor, "length batch *b_groups d_state"] | Float[Tensor, "dim d_state"],
    C: Float[Tensor, "length batch *c_groups d_state"] | Float[Tensor, "dim d_state"],
    D: Float[Tensor, " dim"] | None = None,
    z: Float[Tensor, "length batch dim"] | None = None,
    delta_bias: Float[Tensor, " dim"] | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    initial_state: Float[Tensor, "batch dim d_state"] | None = None,
) -> Float[Tensor, "length batch dim"] | tuple[Float[Tensor, "length batch dim"], Float[Tensor, "batch dim d_state"]]:
    """Run the recurrence over the whole sequence; `y * silu(z)` when a gate `z` is given.

    The scan itself runs in float32 (float64 stays float64) whatever the input type, and `y` returns in `u`'s.
    Memory is that of the inputs plus one state per chunk of 16 steps (32 in Triton): the states inside a chunk are
    computed again in the backward pass. Gradients flow through `initial_state` and through the last state, and are
    the same from run to run. Any strides will do; channels that lie next to each other in memory spare a copy.

    Returns `y`, and with `return_last_state` also h of shape (batch, dim, d_state).
    Raises ValueError when a shape or a device does not fit, TypeError when an argument is not floating point.
    """
    check_scan_shapes(TIME_FIRST, u, delta, A, B, C, D, z, delta_bias, initial_state)
    if B.ndim == 4 or C.ndim == 4:
        y, last_state = _by_groups(u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state)
        return (y, last_state) if return_last_state else y
    tensors = dict(u=u, delta=delta, A=A, B=B, C=C, D=D, z=z, delta_bias=delta_bias, initial_state=initial_state)
    check_floating(**tensors)
    if takes_triton(*tensors.values()):
        from kernels.triton.selective_scan import TritonScan

        y, last_state = TritonScan.apply(*tensors.values(), delta_softplus)
        return (y, last_state) if return_last_state else y

    dtype = torch.promote_types(u.dtype, torch.float32)
    u_scan = u.to(dtype)
    y, last_state = _BlockedScan.apply(
        u_scan.contiguous(),
        _step_sizes(delta.to(dtype), delta_bias, delta_softplus).contiguous(),
        A.to(dtype).t().contiguous(),  # (d_state, dim)
        *((t.t() if t.ndim == 2 else t).to(dtype).contiguous() for t in (B, C)),  # fixed ones as A: (d_state, dim)
        None
        if initial_state is None
        else initial_state.to(dtype).transpose(1, 2).contiguous(),  # (batch, d_state, dim)
    )
    if D is not None:
        y = y + D.to(dtype) * u_scan
    if z is not None:
        y = y * F.silu(z.to(dtype))
    y = y.to(u.dtype)
    return (y, last_state.transpose(1, 2)) if return_last_state else y


def _by_groups(u, delta, A, B, C, D, z, delta_bias, softplus, initial_state) -> tuple[Tensor, Tensor]:
    """One scan for each group of channels that share B and C, side by side."""
    dim, found = A.shape[0], []
    pieces = math.lcm(*(t.shape[2] for t in (B, C) if t.ndim == 4))
    for piece in range(pieces):
        own = slice(piece * dim // pieces, (piece + 1) * dim // pieces)
        per_token = (None if t is None else t[..., own] for t in (u, delta, z))
        shared = (
            t[own] if t.ndim == 2 else t[:, :, piece * t.shape[2] // pieces] if t.ndim == 4 else t for t in (B, C)
        )
        (u_own, delta_own, z_own), (B_own, C_own) = per_token, shared
        skip, bias = (None if t is None else t[own] for t in (D, delta_bias))
        state = None if initial_state is None else initial_state[:, own]
        found.append(
            selective_scan_time_first(
                u_own, delta_own, A[own], B_own, C_own, skip, z_own, bias, softplus, True, initial_state=state
            )
        )
    return torch.cat([y for y, _ in found], dim=2), torch.cat([last for _, last in found], dim=1)


def selective_scan(
    u: Float[Tensor, "batch dim length"],
    delta: Float[Tensor, "batch dim length"],
    A: Float[Tensor, "dim d_state"],
    B: Float[Tensor, "batch *b_groups d_state length"] | Float[Tensor, "dim d_state"],
    C: Float[Tensor, "batch *c_groups d_state length"] | Float[Tensor, "dim d_state"],
    D: Float[Tensor, " dim"] | None = None,
    z: Float[Tensor, "batch dim length"] | None = None,
    delta_bias: Float[Tensor, " dim"] | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    initial_state: Float[Tensor, "batch dim d_state"] | None = None,
) -> Float[Tensor, "batch dim length"] | tuple[Float[Tensor, "batch dim length"], Float[Tensor, "batch dim d_state"]]:
    """`selective_scan_time_first` as mamba-ssm calls it: batch first and time last, in `y` too; the rest is the same.

    Raises ValueError when a shape or a device does not fit, TypeError when an argument is not floating point.
    """
    check_scan_shapes(TIME_LAST, u, delta, A, B, C, D, z, delta_bias, initial_state)
    u, delta = u.permute(2, 0, 1), delta.permute(2, 0, 1)  # (length, batch, dim)
    B, C = (t if t.ndim == 2 else t.movedim(-1, 0) for t in (B, C))  # (length, batch, groups, d_state)
    z = None if z is None else z.permute(2, 0, 1)
    y, last_state = selective_scan_time_first(
        u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state=True, initial_state=initial_state
    )
    y = y.permute(1, 2, 0)  # (batch, dim, length)
    return (y, last_state) if return_last_state else y


def selective_scan_reference(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    initial_state: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """`selective_scan` by one step of the equation at a time: slow, short, differentiated by autograd."""
    dtype = torch.promote_types(u.dtype, torch.float32)
    u_scan = u.to(dtype)
    delta = _step_sizes(delta.to(dtype), None if delta_bias is None else delta_bias[:, None], delta_softplus)
    h = u_scan.new_zeros(u.shape[0], *A.shape) if initial_state is None else initial_state.to(dtype)

    outputs = []
    Bs, Cs = (_of_channels(t.to(dtype), *u.shape[1:]) for t in (B, C))  # (batch or 1, dim or 1, d_state) a step
    for u_t, delta_t, B_t, C_t in zip(u_scan.unbind(2), delta.unbind(2), Bs, Cs, strict=True):
        h = torch.exp(delta_t[:, :, None] * A) * h + (delta_t * u_t)[:, :, None] * B_t
        outputs.append((h * C_t).sum(-1))
    y = torch.stack(outputs, dim=2)
    if D is not None:
        y = y + D[:, None] * u_scan
    if z is not None:
        y = y * F.silu(z.to(dtype))
    return (y.to(u.dtype), h) if return_last_state else y.to(u.dtype)


def _of_channels(B: Tensor, dim: int, length: int) -> tuple[Tensor, ...]:
    if B.ndim == 2:
        return (B[None],) * length
    B = B[:, None] if B.ndim == 3 else B.repeat_interleave(dim // B.shape[1], dim=1)
    return B.unbind(3)


class _BlockedScan(torch.autograd.Function):
    """The recurrence in chunks, time-major, state laid out as (d_state, dim) so that the inner loops run over channels.

    Shapes: u, delta (length, batch, dim); A (d_state, dim); B, C (length, batch, d_state), or (d_state, dim) where they
    are fixed; h (batch, d_state, dim).
    """

    @staticmethod
    def forward(ctx, u, delta, A, B, C, initial_state):
        length, batch, dim = u.shape
        h = u.new_zeros(batch, A.shape[0], dim) if initial_state is None else initial_state
        y = torch.empty_like(u)
        chunk_starts = u.new_empty(-(-length // CHUNK), batch, A.shape[0], dim)
        for index, start in enumerate(range(0, length, CHUNK)):
            chunk_starts[index] = h
            now = slice(start, start + CHUNK)
            _, states = _chunk_states(u[now], delta[now], A, _of_steps(B, now), h)
            y[now] = _over_states(C, now, states)
            h = states[-1]
        ctx.save_for_backward(u, delta, A, B, C, chunk_starts)
        return y, h.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y, grad_last_state):
        """The adjoint g_t = C_t grad_y_t + a_{t+1} g_{t+1}, walked in reverse, one chunk's states at a time."""
        u, delta, A, B, C, chunk_starts = ctx.saved_tensors
        grad_y = grad_y.contiguous()
        grad_u, grad_delta = torch.empty_like(u), torch.empty_like(delta)
        grad_B, grad_C, grad_A = torch.zeros_like(B), torch.zeros_like(C), torch.zeros_like(A)
        carried = grad_last_state.contiguous()
        for index in reversed(range(len(chunk_starts))):
            now = slice(index * CHUNK, (index + 1) * CHUNK)
            decay, states = _chunk_states(u[now], delta[now], A, _of_steps(B, now), chunk_starts[index])
            _add_over_channels(grad_C, now, states, grad_y[now])

            adjoint = _of_steps(C, now) * grad_y[now].unsqueeze(-2)
            for g, a in zip(reversed(adjoint.unbind(0)), reversed(decay.unbind(0)), strict=True):
                g.add_(carried)
                carried = a.mul_(g)  # decay[t] becomes a_t g_t, which is both the carry and a factor needed below

            _add_over_channels(grad_B, now, adjoint, delta[now] * u[now])
            write = _over_states(B, now, adjoint)
            torch.mul(write, delta[now], out=grad_u[now])
            carried = carried.clone()
            decay[0].mul_(chunk_starts[index])
            decay[1:].mul_(states[:-1])  # now a_t g_t h_{t-1}
            torch.mul(decay, A, out=adjoint)
            torch.addcmul(adjoint.sum(-2), u[now], write, out=grad_delta[now])
            grad_A += decay.mul_(delta[now].unsqueeze(-2)).sum((0, 1))
        grad_initial = carried if ctx.needs_input_grad[5] else None
        return grad_u, grad_delta, grad_A, grad_B, grad_C, grad_initial


def _of_steps(B: Tensor, now: slice) -> Tensor:
    """B or C of a chunk as a factor of its states: (chunk, batch, d_state, 1), or as it is where it is fixed."""
    return B if B.ndim == 2 else B[now].unsqueeze(-1)


def _over_states(C: Tensor, now: slice, states: Tensor) -> Tensor:
    """sum_n C_n h_n of a chunk, (chunk, batch, dim)."""
    if C.ndim == 2:
        return (states * C).sum(-2)
    return torch.matmul(C[now].unsqueeze(-2), states).squeeze(-2)


def _add_over_channels(grad: Tensor, now: slice, states: Tensor, weights: Tensor) -> None:
    """The gradient of B or C: sum_d h_d weights_d of each step, over all steps where it is fixed."""
    if grad.ndim == 2:
        grad += (states * weights.unsqueeze(-2)).sum((0, 1))
    else:
        grad[now] = torch.matmul(states, weights.unsqueeze(-1)).squeeze(-1)


def _chunk_states(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Decays a_t and states h_t of one chunk, each (chunk, batch, d_state, dim), from the state before it."""
    decay = torch.mul(delta.unsqueeze(-2), A).exp_()
    states = torch.mul((delta * u).unsqueeze(-2), B)
    for a, state in zip(decay.unbind(0), states.unbind(0), strict=True):
        h = state.addcmul_(a, h)
    return decay, states


def _step_sizes(delta: Tensor, bias: Tensor | None, softplus: bool) -> Tensor:
    if bias is not None:
        delta = delta + bias.to(delta.dtype)
    return F.softplus(delta) if softplus else delta
