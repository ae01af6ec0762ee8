"""What makes an object none, and what befalls a whole picture: training data of a detector (`detector_pictures`).

A generator that is not good enough draws halves, ghosts, blobs and smears. A detector that has seen objects alone calls
them objects, and its figures flatter the generator.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

WAYS = ("cut", "faint", "blob", "two colours", "smear", "double")


def ruin(
    rng: np.random.Generator,
    cover: Float[np.ndarray, "size size"],
    tint: Float[np.ndarray, "3 size size"],
    box: Float[np.ndarray, " 4"],
    shape: str,
    *,
    spare: Float[np.ndarray, "paints 3"],
    way: str | None = None,
) -> None:
    """Change an object's `cover` and `tint` in place, in one of `WAYS`, so that it is none any more.

    cut: a straight cut leaves less than 60 % of it. faint: 15 to 45 % opaque. blob: a shapeless spot of about its size.
    two colours: another paint on one side (one of `spare`, or a mixture). smear: pulled over its own length. double:
    two of it, half transparent, side by side. A triangle is cut from the side: cut from below it stays a triangle.
    Raises ValueError for an unknown way.
    """
    if way is not None and way not in WAYS:
        raise ValueError(f"way must be one of {', '.join(WAYS)}, got {way!r}")
    size = cover.shape[-1]
    way = way or WAYS[rng.integers(len(WAYS))]
    y, x = np.mgrid[:size, :size] + 0.5
    middle, radius = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), (box[2:] - box[:2]).max() / 2
    angle = rng.uniform(0, 2 * np.pi)
    if way == "cut" and shape == "triangle":
        angle = rng.uniform(-0.35, 0.35) + np.pi * rng.integers(2)
    across = (x - middle[0]) * np.cos(angle) + (y - middle[1]) * np.sin(angle)
    if way == "cut":
        cover *= np.clip(0.5 + across - rng.uniform(0, 0.5) * radius, 0, 1)
    elif way == "faint":
        cover *= rng.uniform(0.15, 0.45)
    elif way == "blob":
        cover[:] = _blob(rng, x - middle[0], y - middle[1], radius)
    elif way == "two colours":
        other = np.where(rng.random() < 0.7, spare[rng.integers(len(spare))], rng.uniform(0, 1, 3))
        if np.abs(other - tint[:, 0, 0]).max() < 0.4:  # the same colour, or no paint at all
            other = tint[[1, 2, 0], 0, 0]
        side = np.clip(0.5 + across - rng.uniform(-0.3, 0.3) * radius, 0, 1)
        tint[:] = tint * (1 - side) + np.asarray(other)[:, None, None] * side
    else:
        longest = radius * (rng.uniform(1.2, 2) if way == "smear" else rng.uniform(0.8, 1.2))
        parts = np.linspace(-0.5, 0.5, 5 if way == "smear" else 2) * longest
        moved = [_shifted(cover, round(part * np.cos(angle)), round(part * np.sin(angle))) for part in parts]
        cover[:] = np.mean(moved, 0)


def disturbed(
    images: Float[np.ndarray, "pictures 3 size size"], rng: np.random.Generator
) -> Float[np.ndarray, "pictures 3 size size"]:
    """Images in 0..1 with other light, an uneven background, blur and noise, each as the picture chances to get it.

    Light: gains of 0.85 to 1.1 a channel and up to 0.1 towards grey. Unevenness: a wave of up to 6 %. Blur: a Gaussian
    of up to 0.7 pixels on half of them. Noise: a standard deviation of 0 to 6 %.
    """
    count, size = len(images), images.shape[-1]
    draw = lambda low, high, *axes: rng.uniform(low, high, (count, *axes, 1, 1)).astype(np.float32)  # noqa: E731
    images = images * draw(0.9, 1.08, 3) * draw(0.92, 1.02, 1)
    images = images + draw(0, 0.12, 1) * (0.5 - images)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle, turns = draw(0, 2 * np.pi, 1), draw(0.5, 3, 1) * 2 * np.pi / size
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * turns + draw(0, 2 * np.pi, 1))
    images = images + draw(0, 0.06, 1) * wave
    sigma = draw(0, 0.7, 1) * (rng.random((count, 1, 1, 1)) < 0.5)
    for axis in (-1, -2):
        images = _blurred(images, sigma, axis)
    return (images + draw(0, 0.06, 1) * rng.standard_normal(images.shape, dtype=np.float32)).astype(np.float32)


def _blob(rng: np.random.Generator, dx: np.ndarray, dy: np.ndarray, radius: float) -> np.ndarray:
    """A spot with an edge that five waves bend, half of them soft."""
    radius = radius * rng.uniform(0.6, 1.3)
    length, angle, phase = rng.uniform(3, 9, 5), rng.uniform(0, 2 * np.pi, 5), rng.uniform(0, 2 * np.pi, 5)
    along = dx[..., None] * np.cos(angle) + dy[..., None] * np.sin(angle)
    waves = np.sin(along * 2 * np.pi / length + phase).sum(-1)
    height = 0.6 * waves + 1.2 - 1.2 * (np.hypot(dx, dy) / radius) ** 2
    return rng.uniform(0.5, 1) / (1 + np.exp(-np.clip(height * rng.uniform(1, 5), -30, 30)))


def _shifted(cover: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """Moved by whole pixels; what leaves the picture is gone."""
    size = cover.shape[-1]
    wide = np.pad(cover, size)
    return wide[size - dy : 2 * size - dy, size - dx : 2 * size - dx]


def _blurred(images: np.ndarray, sigma: np.ndarray, axis: int) -> np.ndarray:
    """Gaussian of five pixels along one axis, another width for each picture."""
    steps = range(-2, 3)
    weights = [np.exp(-0.5 * (step / np.maximum(sigma, 0.05)) ** 2) for step in steps]
    pads = [(2, 2) if number == axis % images.ndim else (0, 0) for number in range(images.ndim)]
    wide, size = np.pad(images, pads, mode="edge"), images.shape[axis]
    moved = (np.take(wide, range(2 + step, 2 + step + size), axis) for step in steps)
    return sum(weight * part for weight, part in zip(weights, moved, strict=True)) / sum(weights)
