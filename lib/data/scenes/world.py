"""A small world of coloured shapes, drawn from a seed: pictures with labels, places, relations and captions.

Nothing is loaded; the same seed gives the same pictures in any order and number of calls. One object a picture
serves class-conditional generation, several with their relations serve captions and spatial language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lib.data.checks import check_positive, check_whole
from lib.data.randomness import SPLITS as SPLITS_OF_ALL
from lib.data.randomness import check_split, generator
from lib.data.scenes.captions import COLOURS, RADII, SHAPES
from lib.data.scenes.scenes import Scenes

SPLITS = (*SPLITS_OF_ALL, "reference", "floor")
"""Parts of the world that share no picture: the last two serve as real pictures when samples are judged."""


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
        check_whole(8, size=size)
        whole = all(isinstance(number, (int, np.integer)) for number in objects)
        if not whole or not 1 <= least <= most <= 4:
            raise ValueError(f"objects must be two growing whole numbers in 1..4, got {objects}")
        radius = (variety or Variety()).radius or RADII[most]
        if radius[1] > _LARGEST[most]:
            raise ValueError(f"radius must be at most {_LARGEST[most]:.3f} with {most} objects, got {radius}")
        self.seed, self.size, self.objects, self.variety = seed, size, objects, variety or Variety()

    def draw(self, split: str, count: int, *, start: int = 0, labels: Sequence[int] | None = None) -> Scenes:
        """Pictures number start, start + 1, ... of a split; `labels` fixes the first objects' classes.

        Without labels, classes are balanced: picture i has class i modulo their number, in a shuffled order for each
        round. Raises ValueError for an unknown split, a count below 1, and labels that are not one class a picture.
        """
        check_split(split, SPLITS)
        check_positive(count=count)
        check_whole(0, start=start)
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
            wanted, classes = np.asarray(labels), len(SHAPES) * len(COLOURS)
            if wanted.shape != (count,) or wanted.dtype.kind not in "iu" or not np.isin(wanted, range(classes)).all():
                raise ValueError(f"labels must be {count} whole numbers from 0 to {classes - 1}, got {labels}")
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
        smallest, largest = variety.radius or RADII[most]
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
