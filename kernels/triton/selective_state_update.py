"""One step of the selective scan in one kernel, for decoding."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.triton.scan_steps import decay, load, place, step_size, tile


@triton.jit
def update_kernel(
    state_ptr, x_ptr, dt_ptr, A_ptr, B_ptr, C_ptr, D_ptr, z_ptr, bias_ptr, y_ptr, dim, d_state,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr, SOFTPLUS: tl.constexpr,
    BLOCK_D: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Program (i, j): one step of a block of channels of sequence j. Reads and writes the state once."""
    row, d, n, own, real_d, real_n, real = place(dim, d_state, BLOCK_D, BLOCK_N)

    h = load(state_ptr + row * dim * d_state + own, real)
    A = load(A_ptr + own, real)
    x_t = load(x_ptr + row * dim + d, real_d)
    raw = load(dt_ptr + row * dim + d, real_d) + load(bias_ptr + d, real_d & HAS_BIAS)
    B_t = load(B_ptr + row * d_state + n, real_n)
    C_t = load(C_ptr + row * d_state + n, real_n)

    dt_t = step_size(raw, SOFTPLUS)
    h = decay(dt_t, A) * h + (dt_t * x_t)[:, None] * B_t[None, :]
    y_t = tl.sum(h * C_t[None, :], axis=1) + load(D_ptr + d, real_d & HAS_D) * x_t
    if HAS_Z:
        z_t = load(z_ptr + row * dim + d, real_d)
        y_t *= z_t * tl.sigmoid(z_t)
    tl.store(state_ptr + row * dim * d_state + own, h, mask=real)
    tl.store(y_ptr + row * dim + d, y_t, mask=real_d)


def state_update_by_triton(
    state: Tensor,
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    dt_bias: Tensor | None,
    dt_softplus: bool,
) -> Tensor:
    """Arguments of `selective_state_update`; `state` must be contiguous, the others may have any strides."""
    batch, dim, d_state = state.shape
    block = tile(d_state)
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    optional = (A if tensor is None else tensor for tensor in (D, z, dt_bias))  # what stands in for None is never read
    inputs = (tensor.contiguous() for tensor in (x, dt, A, B, C, *optional))
    update_kernel[(triton.cdiv(dim, block["BLOCK_D"]) * batch,)](
        state, *inputs, y, dim, d_state,
        HAS_D=D is not None, HAS_Z=z is not None, HAS_BIAS=dt_bias is not None, SOFTPLUS=dt_softplus, **block,
    )  # fmt: skip
    return y
