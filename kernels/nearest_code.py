"""The nearest code of each vector, without the matrix of distances: argmin_v |z - e_v|^2.

|z|^2 is the same for every code, so what is compared is |e_v|^2 - 2 z.e_v. The Triton kernel keeps the best value and
its place while it walks over the codebook in tiles; products are IEEE float32, for TF32 flips codes that lie close.
On a CPU blocks of rows go through one matrix product each. Of equal distances the lowest index wins, everywhere.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kernels.dispatch import jit, takes_triton, tl, triton

_ROWS = 1024
"""Rows of a block on the CPU: its distances stay in the second-level cache."""


def nearest_code(z: Float[Tensor, "rows dim"], codebook: Float[Tensor, "codes dim"]) -> Int[Tensor, " rows"]:
    """Index of the codebook's row nearest to each row of z, int64, the lowest of equals. Without a gradient.

    Distances are compared in float32 (float64 stays float64). Raises ValueError when a shape or a device does not fit
    or the codebook is empty, TypeError when an argument is not floating point.
    """
    if z.ndim != 2 or codebook.ndim != 2 or z.shape[1] != codebook.shape[1]:
        raise ValueError(
            f"z and codebook must be (rows, dim) and (codes, dim), got {tuple(z.shape)} and {tuple(codebook.shape)}"
        )
    if not len(codebook):
        raise ValueError("codebook must hold at least one code, got none")
    z, codebook = z.detach(), codebook.detach()
    with torch.autocast(z.device.type, enabled=False):
        if takes_triton(z=z, codebook=codebook) and len(z):
            return _by_triton(z, codebook)
        wide = torch.promote_types(z.dtype, torch.float32)
        return _by_blocks(z.to(wide), codebook.to(wide))


def nearest_code_reference(z: Tensor, codebook: Tensor) -> Tensor:
    """The same by the matrix of squared distances, in float64."""
    z, codebook = z.double(), codebook.double()
    distances = z.square().sum(1, keepdim=True) - 2 * z @ codebook.t() + codebook.square().sum(1)
    return distances.argmin(1)


def _by_blocks(z: Tensor, codebook: Tensor) -> Tensor:
    offset = codebook.square().sum(1)
    weights = codebook.t().mul(-2).contiguous()
    best = torch.empty(len(z), dtype=torch.long, device=z.device)
    for begin in range(0, len(z), _ROWS):
        block = torch.addmm(offset, z[begin : begin + _ROWS], weights)
        torch.min(block, 1, out=(block.new_empty(len(block)), best[begin : begin + _ROWS]))
    return best


@jit
def _nearest_kernel(
    z, codes, best, rows, count, dim, z_row, z_col, c_row, c_col,
    BLOCK: tl.constexpr, TILE: tl.constexpr, DIM: tl.constexpr,
):  # fmt: skip
    """One program: BLOCK rows of z against all codes, TILE of them at a time."""
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    feature = tl.arange(0, DIM)
    inside = (row < rows)[:, None] & (feature < dim)[None, :]
    vectors = tl.load(z + row.to(tl.int64)[:, None] * z_row + feature[None, :] * z_col, mask=inside, other=0.0)
    vectors = vectors.to(tl.float32)
    least = tl.full((BLOCK,), float("inf"), tl.float32)
    place = tl.zeros((BLOCK,), tl.int32)
    for first in range(0, count, TILE):
        code = first + tl.arange(0, TILE)
        there = (code < count)[:, None] & (feature < dim)[None, :]
        tile = tl.load(codes + code.to(tl.int64)[:, None] * c_row + feature[None, :] * c_col, mask=there, other=0.0)
        tile = tile.to(tl.float32)
        product = tl.dot(vectors, tl.trans(tile), input_precision="ieee")
        value = tl.sum(tile * tile, 1)[None, :] - 2.0 * product
        value = tl.where((code < count)[None, :], value, float("inf"))
        here = tl.min(value, 1)
        where = first + tl.argmin(value, 1, tie_break_left=True)
        better = here < least  # strictly: of equals the first stays
        place = tl.where(better, where, place)
        least = tl.where(better, here, least)
    tl.store(best + row, place.to(tl.int64), mask=row < rows)


def _by_triton(z: Tensor, codebook: Tensor) -> Tensor:
    (rows, dim), count = z.shape, len(codebook)
    best = torch.empty(rows, dtype=torch.long, device=z.device)
    block, tile = 64, max(16, min(64, triton.next_power_of_2(count)))
    _nearest_kernel[(triton.cdiv(rows, block),)](
        z, codebook, best, rows, count, dim, *z.stride(), *codebook.stride(),
        BLOCK=block, TILE=tile, DIM=max(16, triton.next_power_of_2(dim)),
    )  # fmt: skip
    return best
