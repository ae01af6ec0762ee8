"""Shuffled objects: who has what after the swaps?"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lib.data.questions.base import Family, Question

_FRAMES = {
    "ball": ("At the start of a game, each holds a ball.", "the {} ball", "swap balls",
             "amber navy olive coral ivory lilac ochre teal rust mint".split()),
    "gift": ("At a party, each has got a parcel.", "the {} parcel", "exchange parcels",
             "square round flat heavy tiny striped dotted golden torn soft".split()),
    "dance": ("At a dance, each has a partner.", "{}", "change partners",
              "Alma Boris Carla Dmitri Elsa Fabio Greta Hugo Ilse Jorge".split()),
    "post": ("In a team, each plays in a position.", "{}", "trade positions",
             "goalkeeper sweeper fullback stopper winger anchor playmaker striker libero captain".split()),
    "book": ("In a reading circle, each has a book.", "the {} novel", "trade books",
             "crime desert ghost island river winter garden harbour mirror forest".split()),
}  # fmt: skip
_PLAYERS = ("Anke", "Bero", "Cleo", "Dag", "Enya", "Finn", "Gro")


def shuffled_objects(rng: np.random.Generator, size: int) -> Question:
    """`size` people (3, 5 or 7 in BBH) in a fixed order, as many swaps, never the same pair twice in a row."""
    FAMILY.check(size)
    people = list(_PLAYERS[:size])
    opening, form, verb, kinds = _FRAMES[list(_FRAMES)[rng.integers(len(_FRAMES))]]
    things = [form.format(kinds[i]) for i in rng.choice(len(kinds), size, replace=False)]
    swaps: list[list[str]] = []
    while len(swaps) < size:
        pair = [people[i] for i in rng.choice(size, 2, replace=False)]
        if not swaps or set(pair) != set(swaps[-1]):
            swaps.append(pair)
    holds = dict(zip(people, things, strict=True))
    start = ", ".join(f"{person} has {thing}" for person, thing in holds.items())
    for a, b in swaps:
        holds[a], holds[b] = holds[b], holds[a]
    openers = ["First", *["Then"] * (size - 2), "Finally"]
    told = " ".join(f"{when}, {a} and {b} {verb}." for when, (a, b) in zip(openers, swaps, strict=True))
    asked = people[rng.integers(size)]
    together = f"{', '.join(people[:-1])} and {people[-1]} are together."
    text = f"{together} {opening} {start}. {told} What has {asked} in the end?"
    arguments = ([[p, t] for p, t in zip(people, things, strict=True)], swaps, asked)
    return Question("shuffled_objects", text, tuple(things), holds[asked], arguments, size)


def solve_shuffled_objects(text: str, options: Sequence[str]) -> str:
    """Backwards: whose thing at the start does the asked person have at the end?"""
    person = re.search(r"What has (\w+) in the end", text)[1]
    for a, b in reversed(re.findall(r"(?:First|Then|Finally), (\w+) and (\w+) ", text)):
        person = b if person == a else a if person == b else person
    return re.search(rf"\b{person} has ([^,.]+)[,.]", text)[1]


FAMILY = Family(
    "shuffled_objects", shuffled_objects, solve_shuffled_objects, (3, 4, 5), (7,), range(3, len(_PLAYERS) + 1)
)
