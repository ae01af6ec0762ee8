"""The selective scan, forward and backward, each in one kernel: bias, softplus, recurrence, skip and gate.

One program owns one sequence's block of channels and walks it step by step, the states of those channels in
registers. Channels never meet in the recurrence, so programs share nothing. What goes through memory is u, delta,
z, B, C and y once each, and one state per CHECKPOINT steps, never the (batch, dim, d_state, length) tensor of states.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.triton.scan_steps import decay, load, of_step, place, step_size, tile

CHECKPOINT = 32
"""Steps between two states that the forward keeps for the backward."""


@triton.jit
def forward_kernel(
    u_ptr, delta_ptr, A_ptr, B_ptr, C_ptr, D_ptr, z_ptr, bias_ptr, initial_ptr, y_ptr, last_ptr, checkpoints_ptr,
    length, batch, dim, d_state,
    u_time_stride, u_batch_stride, delta_time_stride, delta_batch_stride, B_time_stride, B_batch_stride,
    C_time_stride, C_batch_stride, z_time_stride, z_batch_stride,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_INITIAL: tl.constexpr,
    SOFTPLUS: tl.constexpr, FIXED_B: tl.constexpr, FIXED_C: tl.constexpr, CHECKPOINT: tl.constexpr,
    BLOCK_D: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Program (i, j): channels i BLOCK_D .. (i + 1) BLOCK_D of sequence j, all steps. Reads inputs, writes y, states.

    u, delta, z: (length, batch, dim) and B, C: (length, batch, d_state), the last axis contiguous, or with FIXED_B and
    FIXED_C (dim, d_state) for all tokens; y: (length, batch, dim); checkpoints: (chunks, batch, dim, d_state).
    """
    row, d, n, own, real_d, real_n, real = place(dim, d_state, BLOCK_D, BLOCK_N)
    B_tile, C_tile = load(B_ptr + own, real & FIXED_B), load(C_ptr + own, real & FIXED_C)
    u_ptr += row * u_batch_stride + d
    delta_ptr += row * delta_batch_stride + d
    B_ptr += row * B_batch_stride + n
    C_ptr += row * C_batch_stride + n
    z_ptr += row * z_batch_stride + d

    A = load(A_ptr + own, real)
    skip = load(D_ptr + d, real_d & HAS_D)
    shift = load(bias_ptr + d, real_d & HAS_BIAS)
    h = load(initial_ptr + row * dim * d_state + own, real & HAS_INITIAL)

    for step in range(length):
        if step % CHECKPOINT == 0:
            tl.store(checkpoints_ptr + ((step // CHECKPOINT) * batch + row) * dim * d_state + own, h, mask=real)
        t = tl.cast(step, tl.int64)
        u_t = load(u_ptr + t * u_time_stride, real_d)
        raw = load(delta_ptr + t * delta_time_stride, real_d)
        B_t = of_step(B_ptr + t * B_time_stride, real_n, B_tile, FIXED_B)
        C_t = of_step(C_ptr + t * C_time_stride, real_n, C_tile, FIXED_C)

        delta_t = step_size(raw + shift, SOFTPLUS)
        h = decay(delta_t, A) * h + (delta_t * u_t)[:, None] * B_t
        y_t = tl.sum(h * C_t, axis=1) + skip * u_t
        if HAS_Z:
            z_t = load(z_ptr + t * z_time_stride, real_d)
            y_t *= z_t * tl.sigmoid(z_t)
        tl.store(y_ptr + (t * batch + row) * dim + d, y_t, mask=real_d)
    tl.store(last_ptr + row * dim * d_state + own, h, mask=real)


@triton.jit
def backward_kernel(
    grad_y_ptr, grad_last_ptr, u_ptr, delta_ptr, A_ptr, B_ptr, C_ptr, D_ptr, z_ptr, bias_ptr, checkpoints_ptr,
    scratch_ptr, grad_u_ptr, grad_delta_ptr, grad_A_ptr, grad_B_ptr, grad_C_ptr, grad_D_ptr, grad_z_ptr,
    grad_bias_ptr, grad_initial_ptr,
    length, batch, dim, d_state,
    u_time_stride, u_batch_stride, delta_time_stride, delta_batch_stride, B_time_stride, B_batch_stride,
    C_time_stride, C_batch_stride, z_time_stride, z_batch_stride,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr,
    SOFTPLUS: tl.constexpr, FIXED_B: tl.constexpr, FIXED_C: tl.constexpr, CHECKPOINT: tl.constexpr,
    BLOCK_D: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Program (i, j): as in the forward, chunks from the last to the first.

    In each chunk it walks forward from the checkpoint and writes the state before every step to its own piece of
    `scratch`, (CHECKPOINT, BLOCK_D, BLOCK_N), which stays in the L2 cache; then it walks back with the adjoint
    g_t = C_t grad_y_t + a_{t+1} g_{t+1} in registers. B's and C's gradients sum over channels, hence over programs:
    each program writes its share, grad_B and grad_C being (channel blocks, length, batch, d_state). Those of a fixed B
    or C sum over steps: (batch, dim, d_state).
    """
    row, d, n, own, real_d, real_n, real = place(dim, d_state, BLOCK_D, BLOCK_N)
    B_tile, C_tile = load(B_ptr + own, real & FIXED_B), load(C_ptr + own, real & FIXED_C)
    sum_B = tl.zeros((BLOCK_D, BLOCK_N), tl.float32)
    sum_C = tl.zeros((BLOCK_D, BLOCK_N), tl.float32)
    program = tl.program_id(0).to(tl.int64)
    share = (tl.program_id(0) % tl.cdiv(dim, BLOCK_D)).to(tl.int64) * length
    scratch_ptr += program * CHECKPOINT * BLOCK_D * BLOCK_N + tl.arange(0, BLOCK_D)[:, None] * BLOCK_N + n[None, :]
    u_ptr += row * u_batch_stride + d
    delta_ptr += row * delta_batch_stride + d
    B_ptr += row * B_batch_stride + n
    C_ptr += row * C_batch_stride + n
    z_ptr += row * z_batch_stride + d

    A = load(A_ptr + own, real)
    skip = load(D_ptr + d, real_d & HAS_D)
    shift = load(bias_ptr + d, real_d & HAS_BIAS)
    carried = load(grad_last_ptr + row * dim * d_state + own, real)
    sum_A = tl.zeros((BLOCK_D, BLOCK_N), tl.float32)
    sum_D = tl.zeros((BLOCK_D,), tl.float32)
    sum_bias = tl.zeros((BLOCK_D,), tl.float32)

    chunks = tl.cdiv(length, CHECKPOINT)
    for back in range(chunks):
        chunk = chunks - 1 - back
        first = chunk * CHECKPOINT
        steps = tl.minimum(length - first, CHECKPOINT)
        h = load(checkpoints_ptr + (chunk * batch + row) * dim * d_state + own, real)
        _replay(
            h, A, shift, scratch_ptr, u_ptr, delta_ptr, B_ptr, B_tile, first, steps, real_d, real_n,
            u_time_stride, delta_time_stride, B_time_stride, SOFTPLUS, FIXED_B,
        )  # fmt: skip
        tl.debug_barrier()  # what one thread of the program wrote, another may read

        for j in range(steps):
            i = steps - 1 - j
            t = tl.cast(first + i, tl.int64)
            u_t = load(u_ptr + t * u_time_stride, real_d)
            raw = load(delta_ptr + t * delta_time_stride, real_d) + shift
            B_t = of_step(B_ptr + t * B_time_stride, real_n, B_tile, FIXED_B)
            C_t = of_step(C_ptr + t * C_time_stride, real_n, C_tile, FIXED_C)
            out = (t * batch + row) * dim + d
            grad = load(grad_y_ptr + out, real_d)
            before = tl.load(scratch_ptr + i * BLOCK_D * BLOCK_N)

            delta_t = step_size(raw, SOFTPLUS)
            a = decay(delta_t, A)
            h = a * before + (delta_t * u_t)[:, None] * B_t
            if HAS_Z:
                z_t = load(z_ptr + t * z_time_stride, real_d)
                gate = tl.sigmoid(z_t)
                y_t = tl.sum(h * C_t, axis=1) + skip * u_t
                tl.store(grad_z_ptr + out, grad * y_t * gate * (1 + z_t * (1 - gate)), mask=real_d)
                grad *= z_t * gate

            g = grad[:, None] * C_t + carried
            carried = a * g
            through_decay = carried * before
            write = tl.sum(g * B_t, axis=1)
            grad_step = u_t * write + tl.sum(through_decay * A, axis=1)
            sum_A += delta_t[:, None] * through_decay
            sum_D += grad * u_t
            if SOFTPLUS:
                grad_step *= tl.where(raw > 20, 1.0, tl.sigmoid(raw))
            sum_bias += grad_step
            tl.store(grad_u_ptr + out, delta_t * write + skip * grad, mask=real_d)
            tl.store(grad_delta_ptr + out, grad_step, mask=real_d)
            shared = ((share + t) * batch + row) * d_state + n
            if FIXED_B:
                sum_B += g * (delta_t * u_t)[:, None]
            else:
                tl.store(grad_B_ptr + shared, tl.sum(g * (delta_t * u_t)[:, None], axis=0), mask=real_n)
            if FIXED_C:
                sum_C += grad[:, None] * h
            else:
                tl.store(grad_C_ptr + shared, tl.sum(grad[:, None] * h, axis=0), mask=real_n)
        tl.debug_barrier()

    tl.store(grad_A_ptr + row * dim * d_state + own, sum_A, mask=real)
    if FIXED_B:
        tl.store(grad_B_ptr + row * dim * d_state + own, sum_B, mask=real)
    if FIXED_C:
        tl.store(grad_C_ptr + row * dim * d_state + own, sum_C, mask=real)
    tl.store(grad_initial_ptr + row * dim * d_state + own, carried, mask=real)
    tl.store(grad_D_ptr + row * dim + d, sum_D, mask=real_d)
    tl.store(grad_bias_ptr + row * dim + d, sum_bias, mask=real_d)


@triton.jit
def _replay(
    h, A, shift, scratch_ptr, u_ptr, delta_ptr, B_ptr, B_tile, first, steps, real_d, real_n,
    u_time_stride, delta_time_stride, B_time_stride, SOFTPLUS: tl.constexpr, FIXED_B: tl.constexpr,
):  # fmt: skip
    """Run the recurrence over `steps` steps from state h, and write the state before each of them to scratch."""
    for i in range(steps):
        t = tl.cast(first + i, tl.int64)
        tl.store(scratch_ptr + i * A.shape[0] * A.shape[1], h)
        u_t = load(u_ptr + t * u_time_stride, real_d)
        delta_t = step_size(load(delta_ptr + t * delta_time_stride, real_d) + shift, SOFTPLUS)
        B_t = of_step(B_ptr + t * B_time_stride, real_n, B_tile, FIXED_B)
        h = decay(delta_t, A) * h + (delta_t * u_t)[:, None] * B_t


class TritonScan(torch.autograd.Function):
    """Arguments of `selective_scan_time_first` with any strides; D, z, delta_bias and initial_state may be None.

    B and C of one group: (length, batch, d_state) or (dim, d_state).
    """

    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, delta_bias, initial_state, softplus):
        length, batch, dim = u.shape
        d_state = A.shape[1]
        u, delta, B, C = (_last_axis_contiguous(tensor) for tensor in (u, delta, B, C))
        z = None if z is None else _last_axis_contiguous(z)
        A = A.contiguous()
        ctx.flags = {
            "HAS_D": D is not None,
            "HAS_Z": z is not None,
            "HAS_BIAS": delta_bias is not None,
            "SOFTPLUS": softplus,
            "FIXED_B": B.ndim == 2,
            "FIXED_C": C.ndim == 2,
            "CHECKPOINT": CHECKPOINT,
            **tile(d_state),
        }
        ctx.has_initial = initial_state is not None
        D, delta_bias, initial = (A if t is None else t.contiguous() for t in (D, delta_bias, initial_state))
        inputs = (u, delta, A, B, C, D, u if z is None else z, delta_bias)  # what stands in for None is never read
        read = (u, delta, B, C, inputs[6])
        strides = [stride for tensor in read for stride in (tensor.stride()[:2] if tensor.ndim == 3 else (0, 0))]
        ctx.sizes = (length, batch, dim, d_state, *strides)

        checkpoints = u.new_empty(triton.cdiv(length, CHECKPOINT), batch, dim, d_state, dtype=torch.float32)
        last = u.new_empty(batch, dim, d_state, dtype=torch.float32)
        y = u.new_empty(length, batch, dim)
        forward_kernel[(triton.cdiv(dim, ctx.flags["BLOCK_D"]) * batch,)](
            *inputs, initial, y, last, checkpoints, *ctx.sizes, HAS_INITIAL=ctx.has_initial, **ctx.flags
        )
        ctx.save_for_backward(*inputs, checkpoints)
        return y, last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y, grad_last):
        *inputs, checkpoints = ctx.saved_tensors
        u, delta, A, B, C, D, z, bias = inputs
        length, batch, dim, d_state = ctx.sizes[:4]
        flags = ctx.flags
        blocks = triton.cdiv(dim, flags["BLOCK_D"])
        wide = {"dtype": torch.float32}
        scratch = u.new_empty(blocks * batch, CHECKPOINT, flags["BLOCK_D"], flags["BLOCK_N"], **wide)
        grad_u, grad_delta, grad_z = (u.new_empty(length, batch, dim, dtype=t.dtype) for t in (u, delta, z))
        grad_A, grad_initial = (u.new_empty(batch, dim, d_state, **wide) for _ in range(2))
        grad_B, grad_C = (
            u.new_empty((batch, dim, d_state) if t.ndim == 2 else (blocks, length, batch, d_state), **wide)
            for t in (B, C)
        )
        grad_D, grad_bias = (u.new_empty(batch, dim, **wide) for _ in range(2))
        backward_kernel[(blocks * batch,)](
            grad_y.contiguous(), grad_last.contiguous(), *inputs, checkpoints, scratch,
            grad_u, grad_delta, grad_A, grad_B, grad_C, grad_D, grad_z, grad_bias, grad_initial,
            *ctx.sizes, **flags,
        )  # fmt: skip
        return (
            grad_u,
            grad_delta,
            grad_A.sum(0).to(A.dtype),
            grad_B.sum(0).to(B.dtype),
            grad_C.sum(0).to(C.dtype),
            grad_D.sum(0).to(D.dtype) if flags["HAS_D"] else None,
            grad_z if flags["HAS_Z"] else None,
            grad_bias.sum(0).to(bias.dtype) if flags["HAS_BIAS"] else None,
            grad_initial if ctx.has_initial else None,
            None,
        )


def _last_axis_contiguous(tensor: Tensor) -> Tensor:
    return tensor if tensor.ndim == 3 and tensor.stride(2) == 1 else tensor.contiguous()
