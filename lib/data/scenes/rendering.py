"""Drawing scenes: shapes are signed distance functions, so that edges are antialiased at any size.

coverage = clip(1/2 - distance, 0, 1) in pixels,      image = image (1 - coverage) + paint coverage
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from lib.data.scenes.scenes import Scenes

_HUES = np.array([0.0, 1 / 3, 2 / 3, 1 / 6])
"""Of the colours, in their order."""


def render(scenes: Scenes) -> Float[np.ndarray, "pictures 3 size size"]:
    """Background, then the objects in their order, later ones over earlier ones; float32 in [-1, 1]."""
    size = scenes.size
    place = np.arange(size) + 0.5
    y, x = np.meshgrid(place, place, indexing="ij")
    low, high, angle = scenes.background[:, :3], scenes.background[:, 3:6], scenes.background[:, 6]
    amplitude, period, phase, vertical = scenes.background[:, 7:11].T
    along = (x - size / 2) * np.cos(angle)[:, None, None] + (y - size / 2) * np.sin(angle)[:, None, None]
    share = np.clip(0.5 + along / size, 0, 1)[:, None]
    image = low[:, :, None, None] * (1 - share) + high[:, :, None, None] * share
    across = np.where(vertical[:, None, None] > 0, x, y)
    wave = amplitude[:, None, None] * np.sin(2 * np.pi * across / period[:, None, None] + phase[:, None, None])
    image = image + wave[:, None]
    for index in range(scenes.there.shape[1]):
        cover = _coverage(scenes, index, x, y) * scenes.there[:, index, None, None]
        paint = _rgb(_HUES[scenes.colour[:, index]] + scenes.hue[:, index], scenes.value[:, index])
        image = image * (1 - cover[:, None]) + paint[:, :, None, None] * cover[:, None]
    return (np.clip(image, 0, 1) * 2 - 1).astype(np.float32)


def _coverage(scenes: Scenes, index: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of each pixel that the object covers, from the signed distance to its edge."""
    centre, radius = scenes.centre[:, index], scenes.radius[:, index, None, None]
    cos, sin = np.cos(scenes.rotation[:, index])[:, None, None], np.sin(scenes.rotation[:, index])[:, None, None]
    dx, dy = x - centre[:, 0, None, None], y - centre[:, 1, None, None]
    u, v = dx * cos + dy * sin, dy * cos - dx * sin
    arm = 0.33 * radius
    third = np.sqrt(3) / 2
    distances = (
        np.hypot(dx, dy) - radius,
        _box(u, v, 0.85 * radius, 0.85 * radius),
        np.maximum(np.maximum(third * u + v / 2, -third * u + v / 2), -v) - radius / 2,
        np.minimum(_box(u, v, radius, arm), _box(u, v, arm, radius)),
    )
    distance = np.choose(scenes.shape[:, index, None, None], distances)
    return np.clip(0.5 - distance, 0, 1)


def _box(u: np.ndarray, v: np.ndarray, half_width: np.ndarray, half_height: np.ndarray) -> np.ndarray:
    a, b = np.abs(u) - half_width, np.abs(v) - half_height
    return np.hypot(np.maximum(a, 0), np.maximum(b, 0)) + np.minimum(np.maximum(a, b), 0)


def _rgb(hue: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Fully saturated colours, (pictures, 3)."""
    sixth = (hue[:, None] * 6 + np.array([0.0, 4.0, 2.0])) % 6
    return value[:, None] * np.clip(np.abs(sixth - 3) - 1, 0, 1)
