"""Is the first thing where the prompt says it is? Three rules of the field, on what a detector sees in a picture.

VISOR (Gokhale et al., arXiv 2212.10015), the spatial score of T2I-CompBench (Huang et al., arXiv 2307.06350, code
`2D_spatial_eval.py`) and the position task of GenEval (Ghosh et al., arXiv 2310.11513, code `evaluate_images.py`).
No rule sees more than the prompt and a list of things; places in pixels, y downwards. Two random places satisfy a
relation of VISOR half the time, one of T2I-CompBench a quarter of the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lib.data.scenes.captions import COLOURS, RELATIONS, SHAPES
from lib.data.scenes.spatial_words import PHRASES
from lib.data.scenes.things import Thing

NEAR_RELATIONS = ("next to", "near", "on side of")
"""What T2I-CompBench asks for besides the four sides; the other two rules have no answer to it."""
PICTURES = 4
"""Pictures a prompt in VISOR."""

Box = tuple[float, float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True)
class SpatialPrompt:
    """The name of a thing, a relation, the name of another; as text `a red disk to the left of a blue square`.

    Raises ValueError for a name that the world does not know, two equal names, and a relation that no rule knows.
    """

    first: str
    relation: str
    second: str

    def __post_init__(self):
        for side in ("first", "second"):
            colour, _, shape = getattr(self, side).partition(" ")
            if colour not in COLOURS or shape not in SHAPES:
                raise ValueError(f"{side} must be a colour and a shape such as 'red disk', got {getattr(self, side)!r}")
        if self.first == self.second:
            raise ValueError(f"second must differ from first, got {self.second!r} twice")
        if self.relation not in RELATIONS + NEAR_RELATIONS:
            known = ", ".join(RELATIONS + NEAR_RELATIONS)
            raise ValueError(f"relation must be one of {known}, got {self.relation!r}")

    def __str__(self) -> str:
        return f"a {self.first} {PHRASES.get(self.relation, self.relation)} a {self.second}"


def holds(relation: str, first_centre: Point, second_centre: Point, margin: float = 0.0) -> bool:
    """Whether the first centre lies to the second as the relation says, by more than `margin` pixels:

        left of: x_2 - x_1 > margin     right of: x_1 - x_2 > margin
        above:   y_2 - y_1 > margin     below:    y_1 - y_2 > margin

    One axis only and strict, as in VISOR; the other axis has no say. Raises ValueError for another relation and for a
    negative margin.
    """
    if not margin >= 0:
        raise ValueError(f"margin must be at least 0, got {margin}")
    along, _ = _towards(relation, first_centre, second_centre)
    return along > margin


def visor_picture(prompt: SpatialPrompt, things: Sequence[Thing]) -> tuple[bool, bool]:
    """(both things were found, and some pair of their instances satisfies the relation) in one picture."""
    first, second = _named(things, prompt.first), _named(things, prompt.second)
    right = [holds(prompt.relation, a.centre, b.centre) for a in first for b in second]
    return bool(right), any(right)


def compbench_spatial(
    prompt: SpatialPrompt, things: Sequence[Thing], *, size: int, near: float = 150 / 512, overlap: float = 0.1
) -> float:
    """T2I-CompBench's spatial score of one picture of `size` pixels a side, in [0, 1].

    With the first thing of each name in `things` (a detector tells the surest first), confidences c, centres apart by
    (dx, dy) and boxes that overlap by IoU:

        s = c_1 / 4 + c_2 / 4 + p / 2, and 0 where s < 1/2      (one thing found: c / 4, so 0)
        sides: p = min(1, overlap / IoU) if the offset has the right sign and is the larger of |dx|, |dy|, else 0
        near:  p = 1 if |dx| or |dy| < d, else d / max(|dx|, |dy|), with d = near * size

    Their 150 pixels are of 512, hence `near` in shares of the side. A diagonal of exactly 45 degrees scores 0. One
    thing is not as in their code, which gives 1/2 to a wrong side when both confidences are exactly 1: here p = 0 is 0.
    Raises ValueError unless size and near are positive and 0 < overlap <= 1.
    """
    if not (size > 0 and near > 0 and 0 < overlap <= 1):
        raise ValueError(f"size, near and overlap must be positive, overlap at most 1, got {size}, {near}, {overlap}")
    pair = [_named(things, name)[:1] for name in (prompt.first, prompt.second)]
    if not all(pair):
        return 0.0
    first, second = (found[0] for found in pair)
    position = _position(prompt.relation, first.box, second.box, near * size, overlap)
    score = (first.confidence + second.confidence) / 4 + position / 2
    return score if position and score >= 0.5 else 0.0


def geneval_position(prompt: SpatialPrompt, things: Sequence[Thing], *, shrink: float = 0.1) -> bool:
    """GenEval's position rule on the surest thing of each name; False where one is missing.

    With o the offset of the first centre from the second and w the boxes' widths and heights, per axis

        o' = sign(o) max(|o| - shrink (w_1 + w_2), 0),    right if o' / |o| along the relation's axis exceeds 1/2.

    A diagonal satisfies two relations at once. Raises ValueError for a near-type relation and a negative shrink.
    """
    if not shrink >= 0:
        raise ValueError(f"shrink must be at least 0, got {shrink}")
    _checked(prompt.relation)
    first, second = _named(things, prompt.first), _named(things, prompt.second)
    if not first or not second:
        return False
    a, b = (max(found, key=lambda thing: thing.confidence) for found in (first, second))
    along, across = _towards(prompt.relation, a.centre, b.centre)
    axis = 0 if prompt.relation in ("left of", "right of") else 1
    extent = sum(thing.box[axis + 2] - thing.box[axis] for thing in (a, b))
    return max(along - shrink * extent, 0.0) > 0.5 * math.hypot(along, across)


def intersection_over_union(first: Box, second: Box) -> float:
    """The share of two boxes' common area in what both cover together, in [0, 1]."""
    width, height = (max(0.0, min(first[i + 2], second[i + 2]) - max(first[i], second[i])) for i in (0, 1))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return width * height / (areas - width * height)


@dataclass(frozen=True, eq=False)
class PromptScores:
    """One value a picture, so that prompts can be drawn anew or chosen: `scores[rows].mean`."""

    values: Float[np.ndarray, "prompts pictures"]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows) -> PromptScores:
        """Some of the prompts: a slice, a list of numbers or a mask."""
        return PromptScores(self.values[rows])

    @property
    def mean(self) -> float:
        """Over all pictures."""
        return float(self.values.mean())


@dataclass(frozen=True, eq=False)
class VisorScores:
    """VISOR of some prompts with four pictures each: what was found (OA) and what was right (OA * R)."""

    found: Bool[np.ndarray, "prompts 4"]
    right: Bool[np.ndarray, "prompts 4"]

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, rows) -> VisorScores:
        """Some of the prompts: a slice, a list of numbers or a mask."""
        return VisorScores(self.found[rows], self.right[rows])

    @property
    def object_accuracy(self) -> float:
        """OA: share of pictures with both things."""
        return float(self.found.mean())

    @property
    def unconditional(self) -> float:
        """Share of pictures with both things in the relation: OA times `conditional`."""
        return float(self.right.mean())

    @property
    def conditional(self) -> float:
        """Share of the pictures with both things that have them in the relation; nan where no picture has both."""
        return float(self.right.sum() / self.found.sum()) if self.found.any() else math.nan

    def at_least(self, pictures: int) -> float:
        """VISOR_n: share of prompts with at least n of their four pictures right. Raises ValueError outside 1..4."""
        if pictures not in range(1, PICTURES + 1):
            raise ValueError(f"pictures must be in 1..{PICTURES}, got {pictures}")
        return float((self.right.sum(1) >= pictures).mean())


def visor(prompts: Sequence[SpatialPrompt], things: Sequence[Sequence[Sequence[Thing]]]) -> VisorScores:
    """VISOR from what was seen: `things[p][i]` are the things of picture i of prompt p.

    Raises ValueError without prompts, for other than four pictures of one of them, and for a near-type relation.
    """
    _check_pictures(prompts, things, PICTURES)
    for prompt in prompts:
        _checked(prompt.relation)
    pairs = [[visor_picture(prompt, seen) for seen in row] for prompt, row in zip(prompts, things, strict=True)]
    table = np.array(pairs, dtype=bool)  # (prompts, pictures, 2)
    return VisorScores(table[..., 0], table[..., 1])


def prompt_scores(
    rule: Callable[[SpatialPrompt, Sequence[Thing]], float],
    prompts: Sequence[SpatialPrompt],
    things: Sequence[Sequence[Sequence[Thing]]],
) -> PromptScores:
    """A rule of one picture on all: `prompt_scores(partial(compbench_spatial, size=32), prompts, things)`.

    Raises ValueError without prompts or when they do not have equally many pictures.
    """
    _check_pictures(prompts, things, len(things[0]) if len(things) else 1)
    values = [[float(rule(prompt, seen)) for seen in row] for prompt, row in zip(prompts, things, strict=True)]
    return PromptScores(np.array(values, dtype=np.float64))


def _position(relation: str, first: Box, second: Box, near: float, overlap: float) -> float:
    centres = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (first, second)]
    if relation in NEAR_RELATIONS:
        smaller, larger = sorted(abs(a - b) for a, b in zip(*centres, strict=True))
        return 1.0 if smaller < near else near / larger
    along, across = _towards(relation, *centres)
    if along <= abs(across):
        return 0.0
    shared = intersection_over_union(first, second)
    return 1.0 if shared < overlap else overlap / shared


def _towards(relation: str, first: Point, second: Point) -> Point:
    """How far the first lies from the second in the direction of the relation, and across it."""
    dx, dy = first[0] - second[0], first[1] - second[1]
    return {"left of": (-dx, dy), "right of": (dx, dy), "above": (-dy, dx), "below": (dy, dx)}[_checked(relation)]


def _checked(relation: str) -> str:
    if relation not in RELATIONS:
        raise ValueError(f"relation must be one of {', '.join(RELATIONS)}, got {relation!r}")
    return relation


def _named(things: Sequence[Thing], name: str) -> list[Thing]:
    return [thing for thing in things if thing.name == name]


def _check_pictures(prompts: Sequence, things: Sequence, pictures: int) -> None:
    if not prompts or len(prompts) != len(things):
        raise ValueError(f"things must have one row a prompt, got {len(things)} rows for {len(prompts)} prompts")
    counts = {len(row) for row in things}
    if counts != {pictures} or not pictures:
        raise ValueError(f"things must have {pictures or 'some'} pictures a prompt, got {sorted(counts)}")
