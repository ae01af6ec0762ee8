"""What mends the blur of interpolation between scales (VAR, arXiv 2404.02905, section 3.2), under the released names.

    phi_k(h) = (1 - rho) h + rho conv(h)

Scales have one phi each, share one, or share a few.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn


class Phi(nn.Conv2d):
    """phi(h) = (1 - rho) h + rho conv(h), a 3 x 3 convolution mixed with the identity."""

    def __init__(self, channels: int, rho: float = 0.5):
        super().__init__(channels, channels, 3, padding=1)
        self.rho = rho

    def forward(self, h: Float[Tensor, "batch channels side side"]) -> Float[Tensor, "batch channels side side"]:
        return h.mul(1 - self.rho) + super().forward(h).mul(self.rho)


class SharedPhi(nn.Module):
    """One phi for all scales, under the name that the released code gives it."""

    def __init__(self, channels: int, rho: float):
        super().__init__()
        self.qresi = Phi(channels, rho)

    def __getitem__(self, scale: int) -> Phi:
        return self.qresi


class PartlySharedPhi(nn.Module):
    """A few phi for more scales: scale i of K takes the one whose tick is nearest to i / (K - 1)."""

    def __init__(self, channels: int, rho: float, count: int, scales: int):
        super().__init__()
        self.qresi_ls = nn.ModuleList([Phi(channels, rho) for _ in range(count)])
        self.owner = phi_owner(scales, count)

    def __getitem__(self, scale: int) -> Phi:
        return self.qresi_ls[self.owner[scale]]


def phi_owner(scales: int, count: int = 4) -> list[int]:
    """Which of `count` phi each scale uses, the released rule: in float64, the first of two at equal distance.

    Ticks are linspace(1/3m, 1 - 1/3m) for m = 4 and linspace(1/2m, 1 - 1/2m) otherwise. One scale takes the first.
    """
    margin = 1 / (3 * count) if count == 4 else 1 / (2 * count)
    ticks = np.linspace(margin, 1 - margin, count)
    return [int(np.argmin(np.abs(ticks - scale / max(1, scales - 1)))) for scale in range(scales)]


def make_phi(channels: int, scales: int, share: int | None, rho: float = 0.5) -> nn.Module:
    """What gives each scale's phi by its index: `share` of them for all scales (0: each its own, None: no phi at all).

    Raises ValueError for a negative `share`.
    """
    if share is not None and share < 0:
        raise ValueError(f"share_phi must be at least 0, or None for no phi, got {share}")
    if share is None:
        return nn.ModuleList([nn.Identity() for _ in range(scales)])
    if share == 0:
        return nn.ModuleList([Phi(channels, rho) for _ in range(scales)])
    return SharedPhi(channels, rho) if share == 1 else PartlySharedPhi(channels, rho, share, scales)
