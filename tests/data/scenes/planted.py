"""Scenes of one object, its place, size and colour chosen."""

from __future__ import annotations

import numpy as np

from lib.data.scenes.world import SHAPES, Scenes


def one(shape, colour=0, rotation=0.0, radius=8.0, size=32, centre=16.0):
    field = lambda value, dtype=float: np.array([[value]], dtype=dtype)  # noqa: E731
    return Scenes(
        size, field(True, bool), field(SHAPES.index(shape), int), field(colour, int), np.full((1, 1, 2), centre),
        field(radius), field(rotation), field(0.0), field(1.0), np.array([[0.5] * 6 + [0.0, 0, 5, 0, 0]]),
    )  # fmt: skip
