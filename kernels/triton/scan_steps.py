"""What the Triton forms of the selective scan and of its single step share: where a program works, and the algebra."""

import triton
import triton.language as tl


@triton.jit
def place(dim, d_state, BLOCK_D: tl.constexpr, BLOCK_N: tl.constexpr):
    """Sequence, channels and states of this program, the offsets of its tile of (channel, state), and what is real.

    Programs are counted through on one axis, channel blocks first: CUDA's other axes end at 65,535, batches do not.
    """
    blocks = tl.cdiv(dim, BLOCK_D)
    row = (tl.program_id(0) // blocks).to(tl.int64)
    d = (tl.program_id(0) % blocks) * BLOCK_D + tl.arange(0, BLOCK_D)
    n = tl.arange(0, BLOCK_N)
    real_d, real_n = d < dim, n < d_state
    return row, d, n, d[:, None] * d_state + n[None, :], real_d, real_n, real_d[:, None] & real_n[None, :]


@triton.jit
def load(pointers, real):
    """In float32, zero where a block reaches past the end."""
    return tl.load(pointers, mask=real, other=0.0).to(tl.float32)


@triton.jit
def of_step(pointers, real, fixed, FIXED: tl.constexpr):
    """B or C of one step as a factor of a tile of (channel, state): its own row, or the tile that never moves."""
    if FIXED:
        return fixed
    else:
        return load(pointers, real)[None, :]


@triton.jit
def decay(delta_t, A_tile):
    """exp(delta A), by the power of two that a GPU computes in one instruction."""
    return tl.exp2(delta_t[:, None] * (A_tile * 1.4426950408889634))


@triton.jit
def step_size(raw, SOFTPLUS: tl.constexpr):
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


def tile(d_state: int) -> dict[str, int]:
    """Channels and states of one program's tile, and its warps: 16 states a thread, more for a wide state."""
    block_n = triton.next_power_of_2(d_state)
    block_d = 32 if block_n <= 32 else 16
    return {"BLOCK_D": block_d, "BLOCK_N": block_n, "num_warps": max(1, block_d * block_n // 512)}
