"""The nearest code of each vector, without the matrix of distances: argmin_v |z - e_v|^2.

|z|^2 is the same for every code, so what is compared is |e_v|^2 - 2 z.e_v. The Triton kernel keeps the best value and
its place while it walks over the codebook in tiles; products are IEEE float32, for TF32 flips codes that lie close.
On a CPU blocks of rows go through one matrix product each. Of equal distances the lowest index wins, everywhere.

Far from the origin both terms are large and their difference is lost, so codes and vectors move together to where the
codes' mean is the origin: no distance changes by that.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kernels.dispatch import check_floating, check_tensors, takes_triton

_ROWS = 1024
"""Rows of a block on the CPU: its distances stay in the second-level cache."""
_FAR = 4.0
"""Codes are moved when their mean is farther from the origin than so many times their spread about it."""
_SQUARES = (1e-15, 1e15)
"""Entries whose squares and products float32 holds with room to spare; outside, the CPU form computes in float64."""


def nearest_code(z: Float[Tensor, "rows dim"], codebook: Float[Tensor, "codes dim"]) -> Int[Tensor, " rows"]:
    """Index of the codebook's row nearest to each row of z, int64, the lowest of equals. Without a gradient.

    Distances are compared in float32 (float64 stays float64), on a CPU in float64 where the codes' squares leave
    float32's range. Raises ValueError when a shape or a device does not fit or the codebook is empty, TypeError when an
    argument is not floating point.
    """
    check_tensors(z=z, codebook=codebook)
    if z.ndim != 2 or codebook.ndim != 2 or z.shape[1] != codebook.shape[1]:
        raise ValueError(
            f"z and codebook must be (rows, dim) and (codes, dim), got {tuple(z.shape)} and {tuple(codebook.shape)}"
        )
    if not len(codebook):
        raise ValueError("codebook must hold at least one code, got none")
    z, codebook = z.detach(), codebook.detach()
    check_floating(z=z, codebook=codebook)
    with torch.autocast(z.device.type, enabled=False):
        z, codebook = _centred(z, codebook)
        if takes_triton(z, codebook) and len(z):
            from kernels.triton.nearest_code import nearest_code_by_triton

            return nearest_code_by_triton(z, codebook)
        wide = torch.promote_types(z.dtype, torch.float32)
        return _by_blocks(z.to(wide), codebook.to(wide))


def nearest_code_reference(z: Tensor, codebook: Tensor) -> Tensor:
    """The same by the matrix of squared distances, in float64."""
    z, codebook = z.double(), codebook.double()
    distances = z.square().sum(1, keepdim=True) - 2 * z @ codebook.t() + codebook.square().sum(1)
    return distances.argmin(1)


def _centred(z: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """Both moved by the codes' mean where that lies far from the origin, else as they are."""
    wide = torch.promote_types(z.dtype, torch.float32)
    if z.device.type == "cpu" and codebook.numel():
        largest = float(codebook.abs().amax())
        if largest and not _SQUARES[0] <= largest <= _SQUARES[1]:
            wide = torch.float64
            z, codebook = z.to(wide), codebook.to(wide)
    codes = codebook.to(wide)
    mean = codes.mean(0)
    far = mean.square().sum() > _FAR**2 * (codes - mean).square().sum(1).mean()
    if z.device.type == "cpu":
        return (z.to(wide) - mean, codes - mean) if far else (z, codebook)
    mean = torch.where(far, mean, 0)  # asking would stall the device
    return z.to(wide) - mean, codes - mean


def _by_blocks(z: Tensor, codebook: Tensor) -> Tensor:
    offset = codebook.square().sum(1)
    weights = codebook.t().mul(-2).contiguous()
    best = torch.empty(len(z), dtype=torch.long, device=z.device)
    for begin in range(0, len(z), _ROWS):
        block = torch.addmm(offset, z[begin : begin + _ROWS], weights)
        torch.min(block, 1, out=(block.new_empty(len(block)), best[begin : begin + _ROWS]))
    return best
