"""The selective scan of Mamba: a linear recurrence whose coefficients depend on the token.

    h_t = exp(delta_t A) * h_{t-1} + (delta_t u_t) B_t,      y_t = <C_t, h_t> + D u_t

Mamba (arXiv 2312.00752, section 3) discretises A by zero-order hold; every implementation, this one
included, takes plain Euler for B. Argument names, order and shapes are those of mamba-ssm's `selective_scan_fn`.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from kernels.dispatch import check_shapes, jit, takes_triton, tl, triton

CHUNK = 16
"""Steps whose states the CPU form holds at once; 8 to 32 measure alike, beyond that the temporaries leave the cache."""
CHECKPOINT = 32
"""Steps between two states that the Triton forward keeps for its backward."""


def selective_scan(
    u: Float[Tensor, "batch dim length"],
    delta: Float[Tensor, "batch dim length"],
    A: Float[Tensor, "dim state"],
    B: Float[Tensor, "batch state length"],
    C: Float[Tensor, "batch state length"],
    D: Float[Tensor, " dim"] | None = None,
    z: Float[Tensor, "batch dim length"] | None = None,
    delta_bias: Float[Tensor, " dim"] | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    initial_state: Float[Tensor, "batch dim state"] | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Run the recurrence over the whole sequence; `y * silu(z)` when a gate `z` is given.

    The scan itself runs in float32 (float64 stays float64) whatever the input type, and `y` returns in `u`'s.
    Memory is that of the inputs plus one state per chunk of 16 steps (32 in Triton): the states inside a chunk are
    computed again in the backward pass. Gradients flow through `initial_state` and through the last state, and are
    the same from run to run. Any strides will do; channels that lie next to each other in memory spare a copy.

    Returns `y` of shape (batch, dim, length), and with `return_last_state` also h of shape (batch, dim, state).
    Raises ValueError when a shape or a device does not fit, TypeError when an argument is not floating point.
    """
    _check_shapes(u, delta, A, B, C, D, z, delta_bias, initial_state)
    tensors = dict(u=u, delta=delta, A=A, B=B, C=C, D=D, z=z, delta_bias=delta_bias, initial_state=initial_state)
    if takes_triton(**tensors):
        y, last_state = _TritonScan.apply(*tensors.values(), delta_softplus)
        return (y, last_state) if return_last_state else y

    dtype = torch.promote_types(u.dtype, torch.float32)
    u_scan = u.to(dtype)
    delta_scan = _step_sizes(delta.to(dtype), delta_bias, delta_softplus, channel_dim=1)

    y, last_state = _BlockedScan.apply(
        u_scan.permute(2, 0, 1).contiguous(),
        delta_scan.permute(2, 0, 1).contiguous(),
        A.to(dtype).t().contiguous(),
        B.to(dtype).permute(2, 0, 1).contiguous(),
        C.to(dtype).permute(2, 0, 1).contiguous(),
        None if initial_state is None else initial_state.to(dtype).transpose(1, 2).contiguous(),
    )
    y = y.permute(1, 2, 0)
    if D is not None:
        y = y + D.to(dtype)[:, None] * u_scan
    if z is not None:
        y = y * F.silu(z.to(dtype))
    y = y.to(u.dtype)
    return (y, last_state.transpose(1, 2)) if return_last_state else y


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
    """The same by one step of the equation at a time: slow, short, differentiated by autograd."""
    dtype = torch.promote_types(u.dtype, torch.float32)
    u_scan = u.to(dtype)
    delta = _step_sizes(delta.to(dtype), delta_bias, delta_softplus, channel_dim=1)
    h = u_scan.new_zeros(u.shape[0], *A.shape) if initial_state is None else initial_state.to(dtype)

    outputs = []
    steps = zip(u_scan.unbind(2), delta.unbind(2), B.to(dtype).unbind(2), C.to(dtype).unbind(2), strict=True)
    for u_t, delta_t, B_t, C_t in steps:
        h = torch.exp(delta_t[:, :, None] * A) * h + (delta_t * u_t)[:, :, None] * B_t[:, None, :]
        outputs.append((h * C_t[:, None, :]).sum(-1))
    y = torch.stack(outputs, dim=2)
    if D is not None:
        y = y + D[:, None] * u_scan
    if z is not None:
        y = y * F.silu(z.to(dtype))
    return (y.to(u.dtype), h) if return_last_state else y.to(u.dtype)


def selective_state_update(
    state: Float[Tensor, "batch dim state"],
    x: Float[Tensor, "batch dim"],
    dt: Float[Tensor, "batch dim"],
    A: Float[Tensor, "dim state"],
    B: Float[Tensor, "batch state"],
    C: Float[Tensor, "batch state"],
    D: Float[Tensor, " dim"] | None = None,
    z: Float[Tensor, "batch dim"] | None = None,
    dt_bias: Float[Tensor, " dim"] | None = None,
    dt_softplus: bool = False,
) -> Float[Tensor, "batch dim"]:
    """One step of the recurrence for decoding; `state` is updated in place, as in mamba-ssm's function."""
    batch, dim = x.shape
    check_shapes(
        state=(state, (batch, dim, A.shape[1])),
        dt=(dt, (batch, dim)),
        A=(A, (dim, A.shape[1])),
        B=(B, (batch, A.shape[1])),
        C=(C, (batch, A.shape[1])),
        D=(D, (dim,)),
        z=(z, (batch, dim)),
        dt_bias=(dt_bias, (dim,)),
    )
    if takes_triton(state=state, x=x, dt=dt, A=A, B=B, C=C, D=D, z=z, dt_bias=dt_bias) and state.is_contiguous():
        return _triton_update(state, x, dt, A, B, C, D, z, dt_bias, dt_softplus)
    inputs = x.to(state.dtype)
    dt = _step_sizes(dt.to(state.dtype), dt_bias, dt_softplus, channel_dim=1)
    state.mul_(torch.exp(dt[:, :, None] * A.to(state.dtype)))
    state.addcmul_((dt * inputs)[:, :, None], B.to(state.dtype)[:, None, :])
    y = torch.bmm(state, C.to(state.dtype)[:, :, None]).squeeze(-1)
    if D is not None:
        y = y + D.to(state.dtype) * inputs
    if z is not None:
        y = y * F.silu(z.to(state.dtype))
    return y.to(x.dtype)


class _BlockedScan(torch.autograd.Function):
    """The recurrence in chunks, time-major, state laid out as (state, dim) so that the inner loops run over channels.

    Shapes: u, delta (length, batch, dim); A (state, dim); B, C (length, batch, state); h (batch, state, dim).
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
            _, states = _chunk_states(u[now], delta[now], A, B[now], h)
            y[now] = torch.matmul(C[now].unsqueeze(-2), states).squeeze(-2)
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
        grad_B, grad_C, grad_A = torch.empty_like(B), torch.empty_like(C), torch.zeros_like(A)
        carried = grad_last_state.contiguous()
        for index in reversed(range(len(chunk_starts))):
            now = slice(index * CHUNK, (index + 1) * CHUNK)
            decay, states = _chunk_states(u[now], delta[now], A, B[now], chunk_starts[index])
            grad_C[now] = torch.matmul(states, grad_y[now].unsqueeze(-1)).squeeze(-1)

            adjoint = C[now].unsqueeze(-1) * grad_y[now].unsqueeze(-2)
            for g, a in zip(reversed(adjoint.unbind(0)), reversed(decay.unbind(0)), strict=True):
                g.add_(carried)
                carried = a.mul_(g)  # decay[t] becomes a_t g_t, which is both the carry and a factor needed below

            grad_B[now] = torch.matmul(adjoint, (delta[now] * u[now]).unsqueeze(-1)).squeeze(-1)
            write = torch.matmul(B[now].unsqueeze(-2), adjoint).squeeze(-2)
            torch.mul(write, delta[now], out=grad_u[now])
            carried = carried.clone()
            decay[0].mul_(chunk_starts[index])
            decay[1:].mul_(states[:-1])  # now a_t g_t h_{t-1}
            torch.mul(decay, A, out=adjoint)
            torch.addcmul(adjoint.sum(-2), u[now], write, out=grad_delta[now])
            grad_A += decay.mul_(delta[now].unsqueeze(-2)).sum((0, 1))
        grad_initial = carried if ctx.needs_input_grad[5] else None
        return grad_u, grad_delta, grad_A, grad_B, grad_C, grad_initial


def _chunk_states(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Decays a_t and states h_t of one chunk, each (chunk, batch, state, dim), from the state before it."""
    decay = torch.mul(delta.unsqueeze(-2), A).exp_()
    states = torch.mul((delta * u).unsqueeze(-2), B.unsqueeze(-1))
    for a, state in zip(decay.unbind(0), states.unbind(0), strict=True):
        h = state.addcmul_(a, h)
    return decay, states


def _step_sizes(delta: Tensor, bias: Tensor | None, softplus: bool, *, channel_dim: int) -> Tensor:
    if bias is not None:
        shape = [1] * delta.ndim
        shape[channel_dim] = -1
        delta = delta + bias.to(delta.dtype).view(shape)
    return F.softplus(delta) if softplus else delta


def _check_shapes(u, delta, A, B, C, D, z, delta_bias, initial_state) -> None:
    if u.ndim != 3 or 0 in u.shape:
        raise ValueError(f"u must be (batch, dim, length) and not empty, got {tuple(u.shape)}")
    batch, dim, length = u.shape
    if A.ndim != 2 or A.shape[0] != dim or A.shape[1] == 0:
        raise ValueError(f"A must be (dim, state) with dim {dim} and at least one state, got {tuple(A.shape)}")
    state = A.shape[1]
    check_shapes(
        delta=(delta, (batch, dim, length)),
        B=(B, (batch, state, length)),
        C=(C, (batch, state, length)),
        D=(D, (dim,)),
        z=(z, (batch, dim, length)),
        delta_bias=(delta_bias, (dim,)),
        initial_state=(initial_state, (batch, dim, state)),
    )


# --- Triton ---------------------------------------------------------------------------------------------------------
#
# One program owns one sequence's block of channels and walks it step by step, the states of those channels in
# registers. Channels never meet in the recurrence, so programs share nothing. What goes through memory is u, delta,
# z, B, C and y once each, and one state per CHECKPOINT steps, never the (batch, dim, state, length) tensor of states.


@jit
def _forward_kernel(
    u, delta, A, B, C, D, z, bias, initial, y, last, checkpoints,
    batch, dim, state, length,
    u_batch, u_time, delta_batch, delta_time, B_batch, B_time, C_batch, C_time, z_batch, z_time,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_INITIAL: tl.constexpr,
    SOFTPLUS: tl.constexpr, CHECKPOINT: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Program (i, j): channels i BLOCK_D .. (i + 1) BLOCK_D of sequence j, all steps. Reads inputs, writes y, states.

    u, delta, z: (batch, length, dim) and B, C: (batch, length, state), the last axis contiguous;
    y: (length, batch, dim); checkpoints: (chunks, batch, dim, state).
    """
    row, d, n, tile, real_d, real_n, real = _place(dim, state, BLOCK_D, BLOCK_N)

    A_tile = _load(A + tile, real)
    skip = _load(D + d, real_d & HAS_D)
    shift = _load(bias + d, real_d & HAS_BIAS)
    h = _load(initial + row * dim * state + tile, real & HAS_INITIAL)

    for step in range(length):
        if step % CHECKPOINT == 0:
            tl.store(checkpoints + ((step // CHECKPOINT) * batch + row) * dim * state + tile, h, mask=real)
        t = tl.cast(step, tl.int64)
        u_t = _load(u + row * u_batch + t * u_time + d, real_d)
        raw = _load(delta + row * delta_batch + t * delta_time + d, real_d)
        B_t = _load(B + row * B_batch + t * B_time + n, real_n)
        C_t = _load(C + row * C_batch + t * C_time + n, real_n)

        delta_t = _step_size(raw + shift, SOFTPLUS)
        h = _decay(delta_t, A_tile) * h + (delta_t * u_t)[:, None] * B_t[None, :]
        y_t = tl.sum(h * C_t[None, :], axis=1) + skip * u_t
        if HAS_Z:
            z_t = _load(z + row * z_batch + t * z_time + d, real_d)
            y_t *= z_t * tl.sigmoid(z_t)
        tl.store(y + (t * batch + row) * dim + d, y_t, mask=real_d)
    tl.store(last + row * dim * state + tile, h, mask=real)


@jit
def _backward_kernel(
    grad_y, grad_last, u, delta, A, B, C, D, z, bias, checkpoints, scratch,
    grad_u, grad_delta, grad_A, grad_B, grad_C, grad_D, grad_z, grad_bias, grad_initial,
    batch, dim, state, length,
    u_batch, u_time, delta_batch, delta_time, B_batch, B_time, C_batch, C_time, z_batch, z_time,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr,
    SOFTPLUS: tl.constexpr, CHECKPOINT: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Program (i, j): as in the forward, chunks from the last to the first.

    In each chunk it walks forward from the checkpoint and writes the state before every step to its own piece of
    `scratch`, (CHECKPOINT, BLOCK_D, BLOCK_N), which stays in the L2 cache; then it walks back with the adjoint
    g_t = C_t grad_y_t + a_{t+1} g_{t+1} in registers. B's and C's gradients sum over channels, hence over programs:
    each program writes its share, grad_B and grad_C being (channel blocks, length, batch, state).
    """
    row, d, n, tile, real_d, real_n, real = _place(dim, state, BLOCK_D, BLOCK_N)
    program = row * tl.num_programs(0) + tl.program_id(0)
    own = scratch + program * CHECKPOINT * BLOCK_D * BLOCK_N
    own_tile = tl.arange(0, BLOCK_D)[:, None] * BLOCK_N + n[None, :]
    share = tl.program_id(0).to(tl.int64) * length

    A_tile = _load(A + tile, real)
    skip = _load(D + d, real_d & HAS_D)
    shift = _load(bias + d, real_d & HAS_BIAS)
    carried = _load(grad_last + row * dim * state + tile, real)
    sum_A = tl.zeros((BLOCK_D, BLOCK_N), tl.float32)
    sum_D = tl.zeros((BLOCK_D,), tl.float32)
    sum_bias = tl.zeros((BLOCK_D,), tl.float32)

    chunks = tl.cdiv(length, CHECKPOINT)
    for back in range(chunks):
        chunk = chunks - 1 - back
        first = chunk * CHECKPOINT
        steps = tl.minimum(length - first, CHECKPOINT)

        h = _load(checkpoints + (chunk * batch + row) * dim * state + tile, real)
        for i in range(steps):
            t = tl.cast(first + i, tl.int64)
            tl.store(own + i * BLOCK_D * BLOCK_N + own_tile, h)
            u_t = _load(u + row * u_batch + t * u_time + d, real_d)
            raw = _load(delta + row * delta_batch + t * delta_time + d, real_d)
            B_t = _load(B + row * B_batch + t * B_time + n, real_n)
            delta_t = _step_size(raw + shift, SOFTPLUS)
            h = _decay(delta_t, A_tile) * h + (delta_t * u_t)[:, None] * B_t[None, :]
        tl.debug_barrier()  # what one thread of the program wrote, another may read

        for j in range(steps):
            i = steps - 1 - j
            t = tl.cast(first + i, tl.int64)
            u_t = _load(u + row * u_batch + t * u_time + d, real_d)
            raw = _load(delta + row * delta_batch + t * delta_time + d, real_d)
            B_t = _load(B + row * B_batch + t * B_time + n, real_n)
            C_t = _load(C + row * C_batch + t * C_time + n, real_n)
            out = (t * batch + row) * dim + d
            grad = _load(grad_y + out, real_d)
            before = tl.load(own + i * BLOCK_D * BLOCK_N + own_tile)

            raw = raw + shift
            delta_t = _step_size(raw, SOFTPLUS)
            a = _decay(delta_t, A_tile)
            h = a * before + (delta_t * u_t)[:, None] * B_t[None, :]
            if HAS_Z:
                z_t = _load(z + row * z_batch + t * z_time + d, real_d)
                gate = tl.sigmoid(z_t)
                y_t = tl.sum(h * C_t[None, :], axis=1) + skip * u_t
                tl.store(grad_z + out, grad * y_t * gate * (1 + z_t * (1 - gate)), mask=real_d)
                grad *= z_t * gate

            g = grad[:, None] * C_t[None, :] + carried
            carried = a * g
            through_decay = carried * before
            write = tl.sum(g * B_t[None, :], axis=1)
            grad_step = u_t * write + tl.sum(through_decay * A_tile, axis=1)
            sum_A += delta_t[:, None] * through_decay
            sum_D += grad * u_t
            if SOFTPLUS:
                grad_step *= tl.where(raw > 20, 1.0, tl.sigmoid(raw))
            sum_bias += grad_step
            tl.store(grad_u + out, delta_t * write + skip * grad, mask=real_d)
            tl.store(grad_delta + out, grad_step, mask=real_d)
            shared = ((share + t) * batch + row) * state + n
            tl.store(grad_B + shared, tl.sum(g * (delta_t * u_t)[:, None], axis=0), mask=real_n)
            tl.store(grad_C + shared, tl.sum(grad[:, None] * h, axis=0), mask=real_n)
        tl.debug_barrier()

    tl.store(grad_A + row * dim * state + tile, sum_A, mask=real)
    tl.store(grad_initial + row * dim * state + tile, carried, mask=real)
    tl.store(grad_D + row * dim + d, sum_D, mask=real_d)
    tl.store(grad_bias + row * dim + d, sum_bias, mask=real_d)


@jit
def _place(dim, state, BLOCK_D: tl.constexpr, BLOCK_N: tl.constexpr):
    """Sequence, channels and states of this program, the offsets of its tile of (channel, state), and what is real."""
    row = tl.program_id(1).to(tl.int64)
    d = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, BLOCK_N)
    real_d, real_n = d < dim, n < state
    return row, d, n, d[:, None] * state + n[None, :], real_d, real_n, real_d[:, None] & real_n[None, :]


@jit
def _load(pointers, real):
    """In float32, zero where a block reaches past the end."""
    return tl.load(pointers, mask=real, other=0.0).to(tl.float32)


@jit
def _decay(delta_t, A_tile):
    """exp(delta A), by the power of two that a GPU computes in one instruction."""
    return tl.exp2(delta_t[:, None] * (A_tile * 1.4426950408889634))


@jit
def _step_size(raw, SOFTPLUS: tl.constexpr):
    """softplus(raw) = log(1 + e^raw), and raw itself above 20, where float32 no longer sees the difference.

    log1p(w) = w log(1 + w) / ((1 + w) - 1) undoes the rounding of 1 + w, which would cost small steps their digits.
    """
    if SOFTPLUS:
        w = tl.exp(tl.minimum(raw, 20.0))
        one_plus = 1.0 + w
        rounded = one_plus - 1.0
        soft = tl.where(rounded == 0.0, w, w * tl.log(one_plus) / tl.where(rounded == 0.0, 1.0, rounded))
        raw = tl.where(raw > 20.0, raw, soft)
    return raw


class _TritonScan(torch.autograd.Function):
    """Everything in one kernel: bias, softplus, scan, skip and gate."""

    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, delta_bias, initial_state, softplus):
        batch, dim, length = u.shape
        state = A.shape[1]
        u, delta, B, C = (_time_then_channel(tensor) for tensor in (u, delta, B, C))
        z = None if z is None else _time_then_channel(z)
        A = A.contiguous()
        block_d, block_n, warps = _tile(state)
        checkpoints = u.new_empty(triton.cdiv(length, CHECKPOINT), batch, dim, state, dtype=torch.float32)
        last = u.new_empty(batch, dim, state, dtype=torch.float32)
        y = u.new_empty(length, batch, dim)
        ctx.shared = (batch, dim, state, length, *_strides(u, delta, B, C, u if z is None else z))
        ctx.flags = {
            "HAS_D": D is not None,
            "HAS_Z": z is not None,
            "HAS_BIAS": delta_bias is not None,
            "SOFTPLUS": softplus,
            "CHECKPOINT": CHECKPOINT,
            "BLOCK_D": block_d,
            "BLOCK_N": block_n,
            "num_warps": warps,
        }
        ctx.has_initial = initial_state is not None
        D, delta_bias, initial = (A if t is None else t.contiguous() for t in (D, delta_bias, initial_state))
        inputs = (u, delta, A, B, C, D, u if z is None else z, delta_bias)  # what stands in for None is never read
        _forward_kernel[(triton.cdiv(dim, block_d), batch)](
            *inputs, initial, y, last, checkpoints, *ctx.shared, HAS_INITIAL=ctx.has_initial, **ctx.flags
        )
        ctx.save_for_backward(*inputs, checkpoints)
        return y.permute(1, 2, 0), last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y, grad_last):
        *inputs, checkpoints = ctx.saved_tensors
        u, _, A, B, C, D, z, bias = inputs
        batch, dim, state, length = ctx.shared[:4]
        blocks = triton.cdiv(dim, ctx.flags["BLOCK_D"])
        wide = {"dtype": torch.float32}
        scratch = u.new_empty(blocks * batch, CHECKPOINT, ctx.flags["BLOCK_D"], ctx.flags["BLOCK_N"], **wide)
        grad_u, grad_delta, grad_z = (u.new_empty(length, batch, dim, dtype=t.dtype) for t in (u, inputs[1], z))
        grad_A, grad_initial = (u.new_empty(batch, dim, state, **wide) for _ in range(2))
        grad_B, grad_C = (u.new_empty(blocks, length, batch, state, **wide) for _ in range(2))
        grad_D, grad_bias = (u.new_empty(batch, dim, **wide) for _ in range(2))
        _backward_kernel[(blocks, batch)](
            grad_y.permute(2, 0, 1).contiguous(), grad_last.contiguous(), *inputs, checkpoints, scratch,
            grad_u, grad_delta, grad_A, grad_B, grad_C, grad_D, grad_z, grad_bias, grad_initial,
            *ctx.shared, **ctx.flags,
        )  # fmt: skip
        flags = ctx.flags
        return (
            grad_u.permute(1, 2, 0),
            grad_delta.permute(1, 2, 0),
            grad_A.sum(0).to(A.dtype),
            grad_B.sum(0).permute(1, 2, 0).to(B.dtype),
            grad_C.sum(0).permute(1, 2, 0).to(C.dtype),
            grad_D.sum(0).to(D.dtype) if flags["HAS_D"] else None,
            grad_z.permute(1, 2, 0) if flags["HAS_Z"] else None,
            grad_bias.sum(0).to(bias.dtype) if flags["HAS_BIAS"] else None,
            grad_initial if ctx.has_initial else None,
            None,
        )


def _time_then_channel(tensor: Tensor) -> Tensor:
    """(batch, channels, length) -> (batch, length, channels), channels contiguous; no copy if they already are."""
    tensor = tensor.transpose(1, 2)
    return tensor if tensor.stride(2) == 1 else tensor.contiguous()


def _strides(*tensors: Tensor) -> list[int]:
    return [stride for tensor in tensors for stride in tensor.stride()[:2]]


def _tile(state: int) -> tuple[int, int, int]:
    """Channels and states of one program's tile, and its warps: 16 states a thread, more for a wide state."""
    block_n = triton.next_power_of_2(state)
    block_d = 32 if block_n <= 32 else 16
    return block_d, block_n, max(1, block_d * block_n // 512)


@jit
def _update_kernel(
    state_pointer, x, dt, A, B, C, D, z, bias, y, dim, state,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr, SOFTPLUS: tl.constexpr,
    BLOCK_D: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Program (i, j): one step of a block of channels of sequence j. Reads and writes the state once."""
    row, d, n, tile, real_d, real_n, real = _place(dim, state, BLOCK_D, BLOCK_N)

    h = _load(state_pointer + row * dim * state + tile, real)
    A_tile = _load(A + tile, real)
    x_t = _load(x + row * dim + d, real_d)
    raw = _load(dt + row * dim + d, real_d)
    raw += _load(bias + d, real_d & HAS_BIAS)
    B_t = _load(B + row * state + n, real_n)
    C_t = _load(C + row * state + n, real_n)

    dt_t = _step_size(raw, SOFTPLUS)
    stepped = _decay(dt_t, A_tile) * h + (dt_t * x_t)[:, None] * B_t[None, :]
    y_t = tl.sum(stepped * C_t[None, :], axis=1)
    y_t += _load(D + d, real_d & HAS_D) * x_t
    if HAS_Z:
        z_t = _load(z + row * dim + d, real_d)
        y_t *= z_t * tl.sigmoid(z_t)
    tl.store(state_pointer + row * dim * state + tile, stepped, mask=real)
    tl.store(y + row * dim + d, y_t, mask=real_d)


def _triton_update(state, x, dt, A, B, C, D, z, bias, softplus) -> Tensor:
    batch, dim, size = state.shape
    block_d, block_n, warps = _tile(size)
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    optional = (A if tensor is None else tensor for tensor in (D, z, bias))  # what stands in for None is never read
    inputs = (tensor.contiguous() for tensor in (x, dt, A, B, C, *optional))
    _update_kernel[(triton.cdiv(dim, block_d), batch)](
        state, *inputs, y, dim, size,
        HAS_D=D is not None, HAS_Z=z is not None, HAS_BIAS=bias is not None, SOFTPLUS=softplus,
        BLOCK_D=block_d, BLOCK_N=block_n, num_warps=warps,
    )  # fmt: skip
    return y
