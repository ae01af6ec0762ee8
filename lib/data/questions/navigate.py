"""Navigate: after some steps and turns, is one back at the start?"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lib.data.questions.base import Family, Question


def navigate(rng: np.random.Generator, size: int) -> Question:
    """Half facing one way all the time, half turning; about four of ten come back."""
    FAMILY.check(size)
    turning, home = bool(rng.integers(2)), rng.random() < 0.42
    for _ in range(2000):
        moves = _turning_moves(rng, size) if turning else _facing_moves(rng, size)
        if (_displacement(moves) == 0) == home:
            break
    said = {"turn": "Turn {}.", "step": "Go {} step{}{}."}
    lines = [] if turning else ["Look north all the time."]
    for kind, value in moves:
        if kind == "turn":
            lines.append(said["turn"].format(value))
        else:
            way = "" if turning else f" {kind}"
            lines.append(said["step"].format(value, "" if value == 1 else "s", way))
    text = f"Follow these instructions: {' '.join(lines)} Are you where you began?"
    listed = [[kind, value] for kind, value in moves]
    answer = "Yes" if _displacement(moves) == 0 else "No"
    return Question("navigate", text, ("Yes", "No"), answer, (listed,), size)


def _facing_moves(rng, size):
    ways = ("forward", "backward", "left", "right")
    return [(ways[rng.integers(4)], int(rng.integers(1, 11))) for _ in range(size)]


def _turning_moves(rng, size):
    kinds, moves = ("ahead", "left", "right", "around"), []
    for kind in rng.choice(4, size, p=(0.64, 0.11, 0.09, 0.16)):
        moves.append(("ahead", int(rng.integers(1, 11))) if kind == 0 else ("turn", kinds[kind]))
    return moves


def _displacement(moves) -> complex:
    at, heading = 0j, 1j
    side = {"forward": 1, "ahead": 1, "backward": -1, "left": 1j, "right": -1j}
    for kind, value in moves:
        if kind == "turn":
            heading *= {"left": 1j, "right": -1j, "around": -1}[value]
        else:
            at += heading * side[kind] * value
    return at


def solve_navigate(text: str, options: Sequence[str]) -> str:
    """Walk on a grid, the compass in quarters."""
    x = y = quarter = 0
    for word, steps, way in re.findall(r"Turn (\w+)\.|Go (\d+) steps?(?: (\w+))?\.", text):
        if word:
            quarter += {"right": 1, "around": 2, "left": 3}[word]
            continue
        direction = (quarter + {"": 0, "forward": 0, "right": 1, "backward": 2, "left": 3}[way]) % 4
        x += (0, int(steps), 0, -int(steps))[direction]
        y += (int(steps), 0, -int(steps), 0)[direction]
    return "Yes" if x == 0 and y == 0 else "No"


FAMILY = Family("navigate", navigate, solve_navigate, (2, 3, 4, 5, 6), (7, 8, 9), range(1, 21))
