"""Scenes in words: objects, how two of them lie to each other, a sentence a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lib.data.scenes.scenes import Scenes

SHAPES = ("disk", "square", "triangle", "plus")
COLOURS = ("red", "green", "blue", "yellow")
SIZES = ("small", "large")
RELATIONS = ("left of", "right of", "above", "below")
RADII = {1: (5 / 32, 9 / 32), 2: (4 / 32, 6.5 / 32), 3: (3.2 / 32, 5 / 32), 4: (3 / 32, 4.5 / 32)}
"""Smallest and largest radius as shares of the picture's side, by the most objects of a picture."""


def relation(scenes: Scenes, row: int, first: int = 0, second: int = 1) -> str:
    """How the first object lies to the second, along the axis on which they are farther apart."""
    dx, dy = scenes.centre[row, first] - scenes.centre[row, second]
    if abs(dx) >= abs(dy):
        return "left of" if dx < 0 else "right of"
    return "above" if dy < 0 else "below"


def describe(scenes: Scenes, row: int, index: int, *, sizes: bool = False) -> str:
    """One object in words; it is large from the middle of the world's radii on."""
    smallest, largest = scenes.radii or RADII[scenes.there.shape[1]]
    middle = (smallest + largest) / 2 * scenes.size
    size = SIZES[int(scenes.radius[row, index] >= middle)] + " " if sizes else ""
    return f"a {size}{COLOURS[scenes.colour[row, index]]} {SHAPES[scenes.shape[row, index]]}"


def caption(scenes: Scenes, row: int, *, relations: bool = True, sizes: bool = False) -> str:
    """`a red disk above a blue square, with a green plus`, or without relations the objects alone."""
    objects = [describe(scenes, row, index, sizes=sizes) for index in np.flatnonzero(scenes.there[row])]
    if len(objects) == 1:
        return objects[0]
    if not relations:
        return " and ".join([", ".join(objects[:-1]), objects[-1]])
    pair = f"{objects[0]} {relation(scenes, row)} {objects[1]}"
    return f"{pair}, with {' and '.join(objects[2:])}" if len(objects) > 2 else pair
