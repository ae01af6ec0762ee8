"""A world for spatial language: pictures of different things in the cells of a grid, and pairs held out.

Things stand in rows and columns, each near the middle of a cell, so that a word of place tells much about a picture.
With smaller things anywhere it told little: pictures of two things regressed on their prompts came 3 % closer for the
relation, and only after 96,000 pictures.

A type is a colour and a shape (16 of them), and no picture holds a type twice, so that "the red disk" means one thing.
A quarter of the pairs of types is held out. With k = (colour - shape) mod 4, the numbers in the order of COLOURS and
SHAPES, a pair is held out when its two k are {0, 1} or {2, 3}, but for two pairs with the green disk: 30 of 120. The
rule depends on no seed, so that whatever was trained on one world has not seen the held-out pairs of another. It leaves
room for seven types that may stand together, whichever comes first.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Float

from lib.data.checks import check_positive, check_whole
from lib.data.randomness import check_split, generator
from lib.data.scenes.captions import COLOURS, SHAPES
from lib.data.scenes.scenes import Scenes
from lib.data.scenes.things import Thing

SPATIAL_SPLITS = (
    *("base", "finetune", "detector", "detector validation", "captioner", "captioner validation"),
    *("reference", "reference 2", "train", "validation", "test"),
)
"""Parts of the world that share no picture."""
TYPES = tuple(f"{colour} {shape}" for shape in SHAPES for colour in COLOURS)
"""Names of the types; number = shape * 4 + colour."""
PAIRS = ("train", "held out", "all")
_LEARNT = ("base", "finetune", "train")
"""Splits of the text-to-image models, which must see no held-out pair."""
_KEPT = ({"green disk", "red disk"}, {"green disk", "green square"})
"""The two pairs that the rule would hold out and that are not, which makes it a quarter exactly."""
_RADII = {"few": ((4.0, 4.5), (6.0, 6.5)), "many": ((3.2, 4.2),)}
"""Ranges of radii in pixels of a picture of 32, each as likely as the next."""
_COUNTS = {"few": ((1, 2, 3), (0.25, 0.5, 0.25)), "many": ((5, 6, 7), (1 / 3, 1 / 3, 1 / 3))}
_EXTENTS = np.array([[-1, -1, 1, 1], [-0.85, -0.85, 0.85, 0.85], [-(0.75**0.5), -0.5, 0.75**0.5, 1], [-1, -1, 1, 1]])
"""Of the shapes without rotation, in radii from the centre: left, top, right, bottom."""
GAP, EDGE = 1.0, 0.5
"""Pixels between two boxes on one axis at least, and from a box to the picture's edge (where edges are blended)."""
_CELLS, JITTER = {"few": 2, "many": 3}, 1.0
"""Cells on a side of the grid; pixels on each axis by which a thing stands off the middle of its cell at most."""
_BLOCK, _DOMAIN = 256, 100
_TRIES, _ROUNDS = 24, 1000


def type_pairs(pairs: str = "all") -> list[tuple[str, str]]:
    """Unordered pairs of types, as names: the 90 of "train", the 30 "held out", or all 120.

    Raises ValueError for another word.
    """
    check_split(pairs, PAIRS, name="pairs")
    held = [(TYPES[a], TYPES[b]) for a, b in combinations(range(len(TYPES)), 2) if _held_out(a, b)]
    every = list(combinations(TYPES, 2))
    return {"all": every, "held out": held, "train": [pair for pair in every if pair not in held]}[pairs]


class SpatialWorld:
    """Draws scenes without rotation on a plain light background: grey level 0.75 to 0.95 with a slight tint.

    regime "few": 1, 2 or 3 things (a quarter, a half, a quarter) in 2 x 2 cells, small (radius 4 to 4.5 pixels of 32)
    or large (6 to 6.5). "many": 5 to 7 in 3 x 3 cells, of radius 3.2 to 4.2; the paper's 18 and more cannot be reached
    on 32 pixels. A thing stands at most a pixel off the middle of its cell on each axis. All this grows with `size`.
    Boxes lie at least 1 pixel apart on one axis. pairs "train": no held-out pair in a picture; "held out":
    exactly two things, which are a held-out pair; "all": any different types.
    Raises ValueError for a size below 32, an unknown regime or pairs, and held-out pairs of the regime "many".
    """

    def __init__(self, seed: int = 0, *, size: int = 32, regime: str = "few", pairs: str = "train"):
        check_whole(32, size=size)
        check_whole(0, seed=seed)
        check_split(regime, tuple(_RADII), name="regime")
        check_split(pairs, PAIRS, name="pairs")
        if regime == "many" and pairs == "held out":
            raise ValueError("pairs must be 'train' or 'all' with the regime 'many', got 'held out'")
        self.seed, self.size, self.regime, self.pairs = seed, size, regime, pairs

    def draw(self, split: str, count: int, start: int = 0) -> Scenes:
        """Pictures number start, start + 1, ... of a split, the same in any number and order of calls.

        Raises ValueError for an unknown split, a count below 1, a start below 0, and for pairs other than "train" in
        the splits base, finetune and train, from which text-to-image models learn.
        """
        check_split(split, SPATIAL_SPLITS)
        check_positive(count=count)
        check_whole(0, start=start)
        if split in _LEARNT and self.pairs != "train":
            raise ValueError(f"pairs must be 'train' in the split {split!r}, got {self.pairs!r}")
        first, last = start // _BLOCK, (start + count - 1) // _BLOCK
        blocks = [self._block(split, number) for number in range(first, last + 1)]
        joined = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        ranges = _RADII[self.regime]
        scenes = Scenes(self.size, **joined, radii=(ranges[0][0] / 32, ranges[-1][1] / 32))
        return scenes[start - first * _BLOCK : start - first * _BLOCK + count]

    def _block(self, split: str, number: int) -> dict[str, np.ndarray]:
        place = (_DOMAIN + SPATIAL_SPLITS.index(split), tuple(_RADII).index(self.regime), PAIRS.index(self.pairs))
        rng = generator(self.seed, *place, number)
        kind, there = _kinds(rng, self.regime, self.pairs)
        rows = kind.shape
        ranges = np.array(_RADII[self.regime]) * self.size / 32
        low, high = ranges[rng.integers(0, len(ranges), rows)].transpose(2, 0, 1)
        radius = rng.uniform(low, high)
        shape = kind // len(COLOURS)
        centre = _places(rng, _EXTENTS[shape] * radius[..., None], there, self.size, _CELLS[self.regime])
        paper = rng.uniform(0.75, 0.95, (_BLOCK, 1)) + rng.uniform(-0.02, 0.02, (_BLOCK, 3))
        plain = np.tile([0.0, 0.0, 4.0, 0.0, 0.0], (_BLOCK, 1))  # no direction, no stripes
        return {
            "there": there,
            "shape": shape,
            "colour": kind % len(COLOURS),
            "centre": centre,
            "radius": radius,
            "rotation": np.zeros(rows),
            "hue": rng.uniform(-0.03, 0.03, rows),
            "value": rng.uniform(0.75, 1.0, rows),
            "background": np.concatenate([paper, paper, plain], axis=1),
        }


def boxes(scenes: Scenes) -> Float[np.ndarray, "pictures objects 4"]:
    """(left, top, right, bottom) of every object in pixels, from the geometry of its shape; NaN where none is.

    Raises ValueError for rotated objects.
    """
    if np.any(scenes.rotation[scenes.there]):
        raise ValueError("scenes must hold objects without rotation, got rotated ones")
    box = np.tile(scenes.centre, 2) + _EXTENTS[scenes.shape] * scenes.radius[..., None]
    return np.where(scenes.there[..., None], box, np.nan)


def things(scenes: Scenes, row: int) -> list[Thing]:
    """What one picture shows, with boxes of the shapes. Raises ValueError for rotated objects."""
    box = boxes(scenes[row : row + 1] if row >= 0 else scenes[[row]])[0]
    present = np.flatnonzero(scenes.there[row])
    shape, colour = scenes.shape[row], scenes.colour[row]
    return [Thing(SHAPES[shape[i]], COLOURS[colour[i]], tuple(box[i].tolist())) for i in present]


def noisy(
    images: Float[np.ndarray, "pictures 3 size size"], seed: int, *, sigma: float = 0.02, start: int = 0
) -> Float[np.ndarray, "pictures 3 size size"]:
    """Pictures in [-1, 1] with Gaussian pixel noise; `sigma` in shares of the range, so 0.02 adds N(0, 0.04^2).

    Picture i gets the noise number start + i of the seed. Raises ValueError for a negative sigma, seed or start.
    """
    if not sigma >= 0:
        raise ValueError(f"sigma must be at least 0, got {sigma}")
    check_whole(0, start=start)
    each = range(start, start + len(images))
    noise = [generator(seed, _DOMAIN - 1, i).standard_normal(images.shape[1:], dtype=np.float32) for i in each]
    noise = np.stack(noise) if noise else np.zeros_like(images)
    return np.clip(images + np.float32(2 * sigma) * noise, -1, 1).astype(np.float32)


def _held_out(a: int, b: int) -> bool:
    first, second = ((kind % 4 - kind // 4) % 4 for kind in (a, b))
    return first != second and first // 2 == second // 2 and {TYPES[a], TYPES[b]} not in _KEPT


_TOGETHER = np.array([[a != b and not _held_out(a, b) for b in range(len(TYPES))] for a in range(len(TYPES))])
_HELD_OUT = np.array([pair for pair in combinations(range(len(TYPES)), 2) if _held_out(*pair)])


def _kinds(rng: np.random.Generator, regime: str, pairs: str) -> tuple[np.ndarray, np.ndarray]:
    """Types (pictures, objects) and which of them are there."""
    if pairs == "held out":
        rounds = -(-_BLOCK // len(_HELD_OUT))
        order = np.concatenate([rng.permutation(len(_HELD_OUT)) for _ in range(rounds)])[:_BLOCK]
        return rng.permuted(_HELD_OUT[order], axis=1), np.ones((_BLOCK, 2), dtype=bool)
    counts, shares = _COUNTS[regime]
    there = np.arange(counts[-1]) < rng.choice(counts, (_BLOCK, 1), p=shares)
    together = _TOGETHER if pairs == "train" else ~np.eye(len(TYPES), dtype=bool)
    allowed = np.ones((_BLOCK, len(TYPES)), dtype=bool)
    kind = np.zeros(there.shape, dtype=np.int64)
    for index in range(counts[-1]):  # the largest of random numbers among those allowed: uniform
        kind[:, index] = np.where(allowed, rng.random(allowed.shape), -1).argmax(1)
        allowed &= together[kind[:, index]]
    return kind, there


def _places(rng: np.random.Generator, extents: np.ndarray, there: np.ndarray, size: int, cells: int) -> np.ndarray:
    """Centres near the middles of cells, with boxes inside of the picture and apart; without room it begins anew."""
    centre = np.full((*there.shape, 2), np.nan)
    low, high = EDGE - extents[..., :2], size - EDGE - extents[..., 2:]
    todo = np.arange(len(there))
    for _ in range(_ROUNDS):
        fits = np.ones(len(todo), dtype=bool)
        box = np.full((len(todo), there.shape[1], 4), np.inf)  # what is not there lies far away
        for index in range(there.shape[1]):
            middle = (rng.integers(0, cells, (len(todo), _TRIES, 2)) + 0.5) * size / cells
            some = middle + rng.uniform(-JITTER, JITTER, middle.shape) * size / 32
            some = np.clip(some, low[todo, index, None], high[todo, index, None])
            new = np.tile(some, 2) + extents[todo, index, None]  # (pictures, tries, 4)
            gaps = np.maximum(new[:, :, None, :2] - box[:, None, :, 2:], box[:, None, :, :2] - new[:, :, None, 2:])
            apart = (gaps.max(-1) >= GAP).all(-1)
            chosen, every = apart.argmax(1), np.arange(len(todo))
            here = there[todo, index]
            fits &= apart[every, chosen] | ~here
            box[:, index] = np.where(here[:, None], new[every, chosen], np.inf)
            centre[todo, index] = some[every, chosen]
        todo = todo[~fits]
        if not len(todo):
            return centre
    raise ValueError(f"size must leave room for {there.shape[1]} things, got {size}")
