"""Pictures with a label for every pixel, for a detector that must not take a smear for an object.

Real objects keep their kind under what may befall a whole picture: blur, noise, other light, an uneven background, a
slight paleness. What is not an object any more is background (`lib.data.scenes.ruins`): one cut in two, one that is
mostly transparent, a shapeless blob, one of two colours, one smeared out. Where nobody can say, no loss asks
(`UNASKED`): an object of which another covers a part.

An object's cover comes from the world's own drawing of it alone on black, so labels and pictures agree at every edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from lib.data.checks import check_positive, check_whole
from lib.data.randomness import check_split, generator
from lib.data.scenes.captions import COLOURS, SHAPES
from lib.data.scenes.ruins import disturbed, ruin
from lib.data.scenes.scenes import Scenes
from lib.data.scenes.spatial_world import SpatialWorld, boxes
from lib.data.scenes.things import Thing

BACKGROUND = len(SHAPES)
"""The class of a pixel that no object covers; before it stand the shapes in their order."""
UNASKED = -100
"""Of a pixel whose shape or colour no loss asks for."""
COVERED = 0.4
"""Share of a pixel that an object must cover for the pixel to be its own."""
REGIMES = ("few", "many")
_ROLES = {"detector": 41, "detector validation": 42}
_BLOCK, _STEPS_A_BLOCK = 256, 40


@dataclass(frozen=True, eq=False)
class Sprites:
    """Objects apart from their picture; papers and paints in 0..1, covers as shares of each pixel."""

    cover: Float[np.ndarray, "pictures objects size size"]
    paint: Float[np.ndarray, "pictures objects 3"]
    shape: Int[np.ndarray, "pictures objects"]
    colour: Int[np.ndarray, "pictures objects"]
    box: Float[np.ndarray, "pictures objects 4"]
    there: np.ndarray
    paper: Float[np.ndarray, "pictures 3"]

    def __len__(self) -> int:
        return len(self.cover)

    def __getitem__(self, rows) -> Sprites:
        """Copies of some of the pictures."""
        return Sprites(**{name: value[rows].copy() for name, value in vars(self).items()})


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """Pictures in [-1, 1]; of each pixel its shape or `BACKGROUND` and its colour; and which objects are whole."""

    pictures: Float[np.ndarray, "pictures 3 size size"]
    shapes: Int[np.ndarray, "pictures size size"]
    colours: Int[np.ndarray, "pictures size size"]
    things: list[list[Thing]]

    def arrays(self) -> dict[str, np.ndarray]:
        return {"pictures": self.pictures, "shapes": self.shapes, "colours": self.colours}


def sprites(scenes: Scenes) -> Sprites:
    """Every object drawn alone on black, which shows paint * cover: the largest part of a paint is the object's value.

    Raises ValueError for rotated objects.
    """
    black = scenes.background.copy()
    black[:, :6] = 0
    pictures, count = scenes.there.shape
    cover = np.zeros((pictures, count, scenes.size, scenes.size), dtype=np.float32)
    paint = np.zeros((pictures, count, 3), dtype=np.float32)
    for index in range(count):
        rows = np.flatnonzero(scenes.there[:, index])
        some = scenes[rows]
        names = ("there", "shape", "colour", "centre", "radius", "rotation", "hue", "value")
        alone = {name: getattr(some, name)[:, index : index + 1] for name in names}
        drawn = (replace(some, **alone, background=black[rows]).images() + 1) / 2  # (rows, 3, size, size)
        covered = drawn.max(1) / alone["value"][..., None]
        fullest = covered.reshape(len(rows), -1).argmax(1)
        whole = drawn.reshape(len(rows), 3, -1)[np.arange(len(rows)), :, fullest]  # (rows, 3)
        cover[rows, index] = np.clip(covered, 0, 1)
        paint[rows, index] = whole / whole.max(1, keepdims=True) * alone["value"]
    return Sprites(
        cover, paint, scenes.shape, scenes.colour, boxes(scenes), scenes.there, scenes.background[:, :3].astype("f4")
    )


def labelled(
    objects: Sprites, rng: np.random.Generator, *, ruined: float = 0.0, moved: float = 0.0, disturb: bool = False
) -> LabelledPictures:
    """Pictures of the objects and their labels. `objects` is changed in place: give a copy.

    ruined: probability that an object is none any more. moved: probability that the objects of a picture are shifted by
    up to 3 pixels, so that some touch or cover each other. disturb: blur, noise, light and background as the picture
    chances to get them; without it noise of 2 % alone.
    Raises ValueError for a probability outside of 0..1.
    """
    if not 0 <= ruined <= 1 or not 0 <= moved <= 1:
        raise ValueError(f"ruined and moved must be in 0..1, got {ruined} and {moved}")
    _move(objects, rng, moved)
    cover, paint, there = objects.cover, objects.paint, objects.there
    tint = np.repeat(paint[:, :, :, None, None], cover.shape[-1], 3).repeat(cover.shape[-1], 4)
    before = cover.sum((2, 3))
    label = np.where(there, objects.shape, BACKGROUND)
    for picture, index in zip(*np.nonzero(there & (rng.random(there.shape) < ruined)), strict=True):
        box, shape = objects.box[picture, index], SHAPES[objects.shape[picture, index]]
        ruin(rng, cover[picture, index], tint[picture, index], box, shape, spare=paint[picture])
        label[picture, index] = BACKGROUND
    uncovered = np.cumprod(1 - cover[:, ::-1], 1)[:, ::-1]  # by this object and later ones
    seen = cover * np.concatenate([uncovered[:, 1:], np.ones_like(cover[:, :1])], 1)
    image = objects.paper[:, :, None, None] * uncovered[:, :1] + np.einsum("bkhw,bkchw->bchw", seen, tint)
    share = seen.sum((2, 3)) / np.maximum(before, 1e-6)
    intact = there & (label < BACKGROUND) & (label >= 0)
    label[intact & (share < 0.85)] = UNASKED
    label[intact & (share < 0.35)] = BACKGROUND
    own = np.where(seen.max(1) >= COVERED, seen.argmax(1), -1)  # (pictures, size, size)
    shapes = np.where(own < 0, BACKGROUND, _of_own(label, own))
    named = (shapes >= 0) & (shapes < BACKGROUND)
    colours = np.where(named, _of_own(objects.colour, own), UNASKED)
    pictures = disturbed(image, rng) if disturb else image + 0.02 * rng.standard_normal(image.shape, dtype=np.float32)
    whole = (label >= 0) & (label < BACKGROUND)
    return LabelledPictures(
        pictures=(2 * np.clip(pictures, 0, 1) - 1).astype(np.float32),
        shapes=shapes.astype(np.int64),
        colours=colours.astype(np.int64),
        things=[_things(objects, row, whole[row]) for row in range(len(objects))],
    )


def detector_batches(seed: int, size: int = 64) -> Callable[[int], dict[str, np.ndarray]]:
    """step -> `pictures`, `shapes` and `colours` of `size` pictures, half of each regime, any pairs of types.

    A quarter are as the world draws them, a quarter disturbed, half disturbed with four objects in ten ruined; of the
    disturbed, the objects of every fourth are moved. Every second picture is mirrored.
    Raises ValueError for a size below 2.
    """
    check_whole(2, size=size)

    def batch(step: int) -> dict[str, np.ndarray]:
        rng = generator(seed, _ROLES["detector"], step)
        parts = []
        for regime, count in zip(REGIMES, (size // 2, size - size // 2), strict=True):
            block = _block(seed, regime, "detector", step // _STEPS_A_BLOCK)
            kind = rng.permutation(count) % 4
            chosen = rng.choice(_BLOCK, count, replace=False)
            parts.append(labelled(block[chosen[kind == 0]], rng))
            parts.append(labelled(block[chosen[kind == 1]], rng, moved=0.25, disturb=True))
            parts.append(labelled(block[chosen[kind >= 2]], rng, ruined=0.4, moved=0.25, disturb=True))
        joined = {name: np.concatenate([part.arrays()[name] for part in parts]) for name in parts[0].arrays()}
        mirror = rng.random(len(joined["pictures"])) < 0.5
        for part in joined.values():
            part[mirror] = part[mirror, ..., ::-1]
        return joined

    return batch


def held_out_pictures(seed: int, regime: str, count: int, *, corrupted: bool) -> LabelledPictures:
    """Pictures of the split "detector validation" to read: as the world draws them or, `corrupted`, disturbed and with
    every third object ruined, which a good detector does not tell. Nothing is moved: every object is whole or ruined.

    Raises ValueError for an unknown regime and a count below 1.
    """
    check_split(regime, REGIMES, name="regime")
    check_positive(count=count)
    rng = generator(seed, _ROLES["detector validation"], REGIMES.index(regime), int(corrupted))
    objects = sprites(SpatialWorld(seed, regime=regime, pairs="all").draw("detector validation", count))
    return labelled(objects, rng, ruined=corrupted / 3, disturb=corrupted)


@lru_cache(maxsize=8)
def _block(seed: int, regime: str, split: str, number: int) -> Sprites:
    world = SpatialWorld(seed, regime=regime, pairs="all")
    return sprites(world.draw(split, _BLOCK, number * _BLOCK))


def _move(objects: Sprites, rng: np.random.Generator, moved: float) -> None:
    """Shifts by whole pixels; an object stays inside of its picture."""
    size = objects.cover.shape[-1]
    for picture in np.flatnonzero(rng.random(len(objects)) < moved):
        for index in np.flatnonzero(objects.there[picture]):
            left, top, right, bottom = objects.box[picture, index]
            low, high = np.ceil((-left, -top)), np.floor((size - right, size - bottom))
            dx, dy = np.clip(rng.integers(-3, 4, 2), low, high).astype(int)
            objects.cover[picture, index] = np.roll(objects.cover[picture, index], (dy, dx), (0, 1))
            objects.box[picture, index] += (dx, dy, dx, dy)


def _of_own(values: np.ndarray, own: np.ndarray) -> np.ndarray:
    """values (pictures, objects) of each pixel's own object; of the first where there is none."""
    return values[np.arange(len(values))[:, None, None], np.maximum(own, 0)]


def _things(objects: Sprites, row: int, whole: np.ndarray) -> list[Thing]:
    shape, colour, box = objects.shape[row], objects.colour[row], objects.box[row]
    return [Thing(SHAPES[shape[i]], COLOURS[colour[i]], tuple(box[i].tolist())) for i in np.flatnonzero(whole)]
