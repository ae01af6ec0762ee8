"""How well a detector reads pictures whose things are known: what it finds, of which kind, and where.

    recall = right / true      precision = right / found

A found thing is matched with the nearest true one, each with one at most and within `reach` pixels of its centre. Right
is a match of the same name. On pictures that are generated nobody knows the truth; on renders one does, and there the
instrument has to show what it is good for (the question that `microsoft/VISOR#1` asks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.data.scenes.things import Thing

REACH = 3.0
"""Pixels within which two centres may belong to the same thing."""


@dataclass(frozen=True)
class Readings:
    """Figures of many pictures; nan where there was nothing to count.

    recall, precision: of things of the right name near their place. shape_accuracy, colour_accuracy: of the matches.
    centre_error: mean distance of matched centres in pixels. entire: share of pictures with every true thing found and
    nothing else.
    """

    recall: float
    precision: float
    shape_accuracy: float
    colour_accuracy: float
    centre_error: float
    entire: float
    pictures: int
    true: int
    found: int


def read_correctly(
    found: Sequence[Sequence[Thing]], true: Sequence[Sequence[Thing]], *, reach: float = REACH
) -> Readings:
    """Compare what was found in each picture with what it shows.

    Raises ValueError without pictures, for unequal numbers of them, and unless reach is positive.
    """
    if not len(found) or len(found) != len(true):
        raise ValueError(f"found must hold as many pictures as true, at least one, got {len(found)} and {len(true)}")
    if not reach > 0:
        raise ValueError(f"reach must be above 0, got {reach}")
    rows = []
    for seen, shown in zip(found, true, strict=True):
        pairs = matched(seen, shown, reach)
        right = sum(a.name == b.name for a, b, _ in pairs)
        rows.append(
            (
                len(shown), len(seen), len(pairs), right,
                sum(a.shape == b.shape for a, b, _ in pairs), sum(a.colour == b.colour for a, b, _ in pairs),
                sum(distance for *_, distance in pairs), len(shown) == len(seen) == right,
            )
        )  # fmt: skip
    shown, seen, pairs, right, shape, colour, distance, entire = np.array(rows, dtype=np.float64).sum(0)
    share = lambda part, whole: float(part / whole) if whole else float("nan")  # noqa: E731
    return Readings(
        recall=share(right, shown), precision=share(right, seen), shape_accuracy=share(shape, pairs),
        colour_accuracy=share(colour, pairs), centre_error=share(distance, pairs), entire=float(entire / len(rows)),
        pictures=len(rows), true=int(shown), found=int(seen),
    )  # fmt: skip


def matched(found: Sequence[Thing], true: Sequence[Thing], reach: float = REACH) -> list[tuple[Thing, Thing, float]]:
    """(found, true, distance of the centres): the nearest pair first, then the nearest of what is left."""
    pairs = sorted(
        (float(np.hypot(a.centre[0] - b.centre[0], a.centre[1] - b.centre[1])), i, j)
        for i, a in enumerate(found)
        for j, b in enumerate(true)
    )
    kept, left, right = [], set(), set()
    for distance, i, j in pairs:
        if distance <= reach and i not in left and j not in right:
            kept.append((found[i], true[j], distance))
            left.add(i)
            right.add(j)
    return kept
