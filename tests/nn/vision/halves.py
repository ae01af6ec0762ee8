"""Pictures of two halves: the second has the opposite colour of the first."""

from __future__ import annotations

import torch


def pictures(count=64):
    """Two halves of opposite colours, with a little noise."""
    draw = torch.Generator().manual_seed(0)
    images = (torch.rand(count, 3, 1, 1, generator=draw) * 2 - 1).expand(-1, -1, 16, 16).clone()
    images[:, :, :, 8:] *= -1
    return images + 0.02 * torch.randn(images.shape, generator=draw)
