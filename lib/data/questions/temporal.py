"""Temporal sequences: a day full of sightings has one free slot."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lib.data.questions.base import PEOPLE, Family, Question

_SEEN_DOING = (
    "repairing a bicycle", "feeding the ducks", "painting a fence", "tuning a piano", "sorting stamps", "baking bread",
    "pruning roses", "flying a kite", "playing chess", "mending a net", "reading maps", "washing a van",
    "picking pears", "rehearsing a play", "testing a drone", "folding paper",
)  # fmt: skip
_PLACES = (
    "library", "swimming hall", "market", "museum", "harbour", "town hall", "bakery", "cinema", "workshop", "garden",
    "post office", "gallery",
)  # fmt: skip


def _clock(hour: int) -> str:
    return f"{(hour - 1) % 12 + 1}{'am' if hour % 24 < 12 else 'pm'}"


def temporal(rng: np.random.Generator, size: int) -> Question:
    """`size` sightings (three to five in BBH) leave one gap between waking up and closing time."""
    FAMILY.check(size)
    who, *witnesses = [PEOPLE[i] for i in rng.choice(len(PEOPLE), size + 1, replace=False)]
    place = _PLACES[rng.integers(len(_PLACES))]
    while True:
        wake = int(rng.choice([5, 6, 7, 8, 9, 10], p=(0.25, 0.25, 0.25, 0.1, 0.1, 0.05)))
        lengths = rng.choice([1, 2, 3, 4, 5], size + 1, p=(0.35, 0.3, 0.2, 0.1, 0.05))
        ends = wake + np.cumsum(lengths)
        if ends[-1] <= 22:
            break
    gap = int(rng.choice(size + 1, p=_gap_shares(size + 1)))
    slots = list(zip([wake, *ends[:-1].tolist()], ends.tolist(), strict=True))
    busy = slots[:gap] + slots[gap + 1 :]
    doing = rng.choice(len(_SEEN_DOING), size, replace=False)
    lines = [f"{who} got up at {_clock(wake)}."]
    for witness, (start, end), what in zip(witnesses, busy, doing, strict=True):
        lines.append(f"{witness} saw {who} {_SEEN_DOING[what]} from {_clock(start)} to {_clock(end)}.")
    lines.append(f"The {place} was closed after {_clock(int(ends[-1]))}.")
    wrong = [busy[i] for i in rng.choice(size, 3, replace=False)]
    options = [wrong[0], wrong[1], wrong[2], slots[gap]]
    options = [options[i] for i in rng.permutation(4)]
    said = tuple(f"{_clock(start)} to {_clock(end)}" for start, end in options)
    text = f"{who} went to the {place} today. {' '.join(lines)} When can that have been?"
    answer = f"{_clock(slots[gap][0])} to {_clock(slots[gap][1])}"
    return Question("temporal", text, said, answer, (wake, [list(b) for b in busy], int(ends[-1])), size)


def _gap_shares(slots: int) -> list[float]:
    """First 24 %, last 17 %, the middle ones share the rest."""
    return [0.24, *[0.59 / (slots - 2)] * (slots - 2), 0.17]


def solve_temporal(text: str, options: Sequence[str]) -> str:
    """Mark every hour; the free ones between getting up and closing are the answer."""

    def hour(word: str) -> int:
        number, half = int(word[:-2]) % 12, word[-2:]
        return number + (12 if half == "pm" else 0)

    wake, close = (hour(re.search(p, text)[1]) for p in (r"got up at (\w+)", r"closed after (\w+)"))
    free = set(range(wake, close))
    for start, end in re.findall(r"from (\w+) to (\w+)", text):
        free -= set(range(hour(start), hour(end)))
    start, end = min(free), max(free) + 1
    return next(option for option in options if tuple(map(hour, option.split(" to "))) == (start, end))


FAMILY = Family("temporal", temporal, solve_temporal, (3, 4), (5,), range(3, 9))
