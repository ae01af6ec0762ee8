"""A small world of coloured shapes, rendered from a seed: pictures with labels, places, relations and captions.

Shapes are signed distance functions, so edges are antialiased at any size: coverage = clip(1/2 - distance, 0, 1) in
pixels. Nothing is loaded; the same seed gives the same pictures in any order and number of calls. One object a picture
serves class-conditional generation, several with their relations serve captions and spatial language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from lib.data.randomness import SPLITS as SPLITS_OF_ALL
from lib.data.randomness import check_split, generator

SHAPES = ("disk", "square", "triangle", "plus")
COLOURS = ("red", "green", "blue", "yellow")
_HUES = np.array([0.0, 1 / 3, 2 / 3, 1 / 6])
SIZES = ("small", "large")
RELATIONS = ("left of", "right of", "above", "below")
SPLITS = (*SPLITS_OF_ALL, "reference", "floor")
"""Parts of the world that share no picture: the last two serve as real pictures when samples are judged."""


@dataclass(frozen=True)
class Scenes:
    """What is in a number of pictures. Axes: pictures, then objects; places in pixels of a picture of `size`.

    `there` marks the objects that exist (pictures may hold fewer than the most). `background` holds two colours, a
    direction, and stripes as (amplitude, period, phase, vertical).
    """

    size: int
    there: Bool[np.ndarray, "pictures objects"]
    shape: Int[np.ndarray, "pictures objects"]
    colour: Int[np.ndarray, "pictures objects"]
    centre: Float[np.ndarray, "pictures objects 2"]
    radius: Float[np.ndarray, "pictures objects"]
    rotation: Float[np.ndarray, "pictures objects"]
    hue: Float[np.ndarray, "pictures objects"]
    value: Float[np.ndarray, "pictures objects"]
    background: Float[np.ndarray, "pictures 11"]
    radii: tuple[float, float] | None = None
    """Smallest and largest radius of the world, in shares of the side: what `small` and `large` are measured by."""

    def __len__(self) -> int:
        return len(self.there)

    def __getitem__(self, rows) -> Scenes:
        """Some of the pictures: a slice, a list or a mask."""
        kept = {name: value[rows] for name, value in vars(self).items() if name not in ("size", "radii")}
        return replace(self, **kept)

    @property
    def label(self) -> Int[np.ndarray, " pictures"]:
        """Class of the first object: shape and colour, shape * number of colours + colour."""
        return self.shape[:, 0] * len(COLOURS) + self.colour[:, 0]

    def factors(self) -> dict[str, np.ndarray]:
        """What varies within a class, of the first object and the background: for networks that are to see it."""
        stripes = (self.background[:, 7] > 0) * (1 + (self.background[:, 10] > 0))
        return {
            "centre": self.centre[:, 0] / self.size,
            "radius": self.radius[:, 0] / self.size,
            "value": self.value[:, 0],
            "background": self.background[:, :3],
            "stripes": stripes.astype(np.int64),
        }

    def images(self, batch: int = 512) -> Float[np.ndarray, "pictures 3 size size"]:
        """The pictures, float32 in [-1, 1]; later objects lie over earlier ones."""
        parts = [_render(self[begin : begin + batch]) for begin in range(0, len(self), batch)]
        return np.concatenate(parts) if parts else np.zeros((0, 3, self.size, self.size), dtype=np.float32)

    def relation(self, row: int, first: int = 0, second: int = 1) -> str:
        """How the first object lies to the second, along the axis on which they are farther apart."""
        dx, dy = self.centre[row, first] - self.centre[row, second]
        if abs(dx) >= abs(dy):
            return "left of" if dx < 0 else "right of"
        return "above" if dy < 0 else "below"

    def describe(self, row: int, index: int, *, sizes: bool = False) -> str:
        """One object in words: `a red disk`, with `sizes` `a small red disk`."""
        smallest, largest = self.radii or _RADII[self.there.shape[1]]
        middle = (smallest + largest) / 2 * self.size
        size = SIZES[int(self.radius[row, index] >= middle)] + " " if sizes else ""
        return f"a {size}{COLOURS[self.colour[row, index]]} {SHAPES[self.shape[row, index]]}"

    def captions(self, *, relations: bool = True, sizes: bool = False) -> list[str]:
        """A sentence for each picture: its objects, and with `relations` where the first lies to the second."""
        texts = []
        for row in range(len(self)):
            objects = [self.describe(row, index, sizes=sizes) for index in np.flatnonzero(self.there[row])]
            if len(objects) == 1:
                texts.append(objects[0])
            elif len(objects) == 2 and relations:
                texts.append(f"{objects[0]} {self.relation(row)} {objects[1]}")
            elif relations:
                rest = " and ".join(objects[2:])
                texts.append(f"{objects[0]} {self.relation(row)} {objects[1]}, with {rest}")
            else:
                texts.append(" and ".join([", ".join(objects[:-1]), objects[-1]]))
        return texts


@dataclass(frozen=True)
class Variety:
    """How much pictures differ within a class: less of it makes small models draw well sooner.

    radius: smallest and largest, in shares of the picture's side (None: by the most objects a picture holds). tilt:
    the largest rotation either way, in radians. shift: how far a lone object lies from the middle, in shares of the
    side. plain: one colour behind the objects instead of a blend of two with stripes on half of the pictures.
    Raises ValueError for a radius, tilt or shift outside of what fits.
    """

    radius: tuple[float, float] | None = None
    tilt: float = np.pi
    shift: float = 6 / 32
    plain: bool = False

    def __post_init__(self):
        if self.radius is not None and not 0 < self.radius[0] <= self.radius[1] <= 0.5:
            raise ValueError(f"radius must be two growing shares of the side up to 0.5, got {self.radius}")
        if not 0 <= self.tilt <= np.pi or not 0 <= self.shift <= 0.5:
            raise ValueError(f"tilt must be 0..pi and shift 0..0.5, got {self.tilt} and {self.shift}")


_RADII = {1: (5 / 32, 9 / 32), 2: (4 / 32, 6.5 / 32), 3: (3.2 / 32, 5 / 32), 4: (3 / 32, 4.5 / 32)}
"""Smallest and largest radius as shares of the picture's side, by the most objects of a picture."""


_LARGEST = {1: 0.5, 2: 0.24, 3: 0.18, 4: 0.15}
"""Above these, objects that may not overlap find no room in too many pictures."""


class SceneWorld:
    """Draws scenes. `objects` = (least, most) a picture; several never overlap.

    size: side of the pictures in pixels. variety: how much they differ within a class, as much as the world knows
    unless told otherwise. Raises ValueError for sizes or numbers that do not fit.
    """

    def __init__(
        self, seed: int = 0, *, size: int = 32, objects: tuple[int, int] = (1, 1), variety: Variety | None = None
    ):
        least, most = objects
        if size < 8 or not 1 <= least <= most <= 4:
            raise ValueError(f"size must be at least 8 pixels and objects 1..4, got {size} and {objects}")
        radius = (variety or Variety()).radius or _RADII[most]
        if radius[1] > _LARGEST[most]:
            raise ValueError(f"radius must be at most {_LARGEST[most]:.3f} with {most} objects, got {radius}")
        self.seed, self.size, self.objects, self.variety = seed, size, objects, variety or Variety()

    def draw(self, split: str, count: int, *, start: int = 0, labels: Sequence[int] | None = None) -> Scenes:
        """Pictures number start, start + 1, ... of a split; `labels` fixes the first objects' classes.

        Without labels, classes are balanced: picture i has class i modulo their number, in a shuffled order for each
        round. Raises ValueError for an unknown split or a count below 1.
        """
        check_split(split, SPLITS)
        if count < 1 or start < 0:
            raise ValueError(f"count must be at least 1 and start at least 0, got {count} and {start}")
        first, last = start // _BLOCK, (start + count - 1) // _BLOCK
        blocks = [self._block(split, number) for number in range(first, last + 1)]
        joined = {
            name: np.concatenate([getattr(block, name) for block in blocks])
            for name in vars(blocks[0])
            if name not in ("size", "radii")
        }
        scenes = Scenes(self.size, **joined, radii=self.variety.radius)[
            start - first * _BLOCK : start - first * _BLOCK + count
        ]
        if labels is not None:
            wanted = np.asarray(labels)
            shape, colour = scenes.shape.copy(), scenes.colour.copy()
            shape[:, 0], colour[:, 0] = wanted // len(COLOURS), wanted % len(COLOURS)
            scenes = replace(scenes, shape=shape, colour=colour)
        return scenes

    def _block(self, split: str, number: int) -> Scenes:
        rng = generator(self.seed, SPLITS.index(split), number)
        least, most = self.objects
        rows, full = (_BLOCK, most), len(SHAPES) * len(COLOURS)
        there = np.arange(most) < rng.integers(least, most + 1, (_BLOCK, 1))
        label = np.concatenate([rng.permutation(full) for _ in range(-(-_BLOCK // full))])[:_BLOCK]
        kind = rng.integers(0, full, rows)
        kind[:, 0] = label
        variety = self.variety
        smallest, largest = variety.radius or _RADII[most]
        radius = rng.uniform(smallest, largest, rows)
        margin = 0.5 - variety.shift if most == 1 else largest
        centre = rng.uniform(margin, 1 - margin, (*rows, 2))
        for _ in range(200):  # draw anew what overlaps; after that, what still does is left out
            clash = _overlaps(centre, radius, there)
            if not clash.any():
                break
            centre[clash] = rng.uniform(margin, 1 - margin, (int(clash.sum()), 2))
        there &= ~_overlaps(centre, radius, there)
        low, high = rng.uniform(0.2, 0.8, (2, _BLOCK, 1)) + rng.uniform(-0.08, 0.08, (2, _BLOCK, 3))
        high = low if variety.plain else high
        angle = rng.uniform(0, 2 * np.pi, (_BLOCK, 1))
        stripes = [
            0.08 * rng.integers(0, 2, (_BLOCK, 1)) * (not variety.plain),
            rng.uniform(4, 8, (_BLOCK, 1)) * self.size / 32,
            rng.uniform(0, 2 * np.pi, (_BLOCK, 1)),
            rng.integers(0, 2, (_BLOCK, 1)),
        ]
        return Scenes(
            size=self.size,
            there=there,
            shape=kind // len(COLOURS),
            colour=kind % len(COLOURS),
            centre=centre * self.size,
            radius=radius * self.size,
            rotation=rng.uniform(-variety.tilt, variety.tilt, rows),
            hue=rng.uniform(-0.03, 0.03, rows),
            value=rng.uniform(0.75, 1.0, rows),
            background=np.concatenate([low, high, angle, *stripes], axis=1),
        )


_BLOCK = 256
"""Pictures drawn together; any picture can be had by drawing its block."""


def _overlaps(centre: np.ndarray, radius: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Which objects lie too near to an earlier one of their picture."""
    distance = np.linalg.norm(centre[:, :, None] - centre[:, None], axis=-1)
    near = distance < 1.1 * (radius[:, :, None] + radius[:, None])
    earlier = np.tril(np.ones(near.shape[1:], dtype=bool), -1)
    return (near & earlier & there[:, None, :] & there[:, :, None]).any(2)


def _render(scenes: Scenes) -> np.ndarray:
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
