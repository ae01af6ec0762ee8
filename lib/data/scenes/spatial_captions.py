"""Pictures told from what is in them, with and without saying where: general, spatial long and spatial short captions.

Told are lists of `Thing`, so that a detector's things can be told as well as a scene's. A relation may be said when the
centres of the boxes are at least 3 pixels apart on its axis and farther apart on it than on the other; a size when the
longer sides of the boxes differ by at least 2 pixels. Who comes first, and so which of the two opposite words is said,
is drawn. (SPRIGHT, arXiv 2404.01197, section 3: general captions hardly ever say where; the long ones do.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from lib.data.checks import check_whole
from lib.data.scenes.captions import COLOURS, RELATIONS, SHAPES
from lib.data.scenes.spatial_words import CONTEXT_LENGTH, NUMBERS, PHRASES
from lib.data.scenes.things import Thing

LEAST_OFFSET, LEAST_DIFFERENCE = 3.0, 2.0
"""Pixels from which a relation and a difference of sizes may be said."""
MOST_WORDS = CONTEXT_LENGTH - 2


def relation_between(first: Thing, second: Thing) -> str | None:
    """How the first lies to the second (y grows downwards), or None where nothing may be said."""
    dx, dy = (a - b for a, b in zip(first.centre, second.centre, strict=True))
    if max(abs(dx), abs(dy)) < LEAST_OFFSET or abs(dx) == abs(dy):
        return None
    if abs(dx) > abs(dy):
        return "left of" if dx < 0 else "right of"
    return "above" if dy < 0 else "below"


def size_between(first: Thing, second: Thing) -> str | None:
    """Whether the first is `larger` or `smaller` than the second, or None where nothing may be said."""
    difference = first.size - second.size
    if abs(difference) < LEAST_DIFFERENCE:
        return None
    return "larger" if difference > 0 else "smaller"


def general(things: Sequence[Thing], rng: np.random.Generator, rho: float = 0.01) -> str:
    """`a red disk , a blue square and a green plus` in random order; of at most ten things, the surest.

    With probability `rho`, and where a relation may be said, it is put between two of them. Nothing seen gives "".
    Raises ValueError for a rho outside of 0..1.
    """
    if not 0 <= rho <= 1:
        raise ValueError(f"rho must be in 0..1, got {rho}")
    told = _told(things, rng)
    names = [f"a {thing.name}" for thing in told]
    if rng.random() < rho and (found := _relations(told, rng)):
        first, relation, second = found[0]
        rest = [f"a {thing.name}" for thing in told if thing is not first and thing is not second]
        place = int(rng.integers(0, len(rest) + 1))
        names = [*rest[:place], prompt(first.name, relation, second.name), *rest[place:]]
    return _joined(names)


def spatial_long(things: Sequence[Thing], rng: np.random.Generator, *, sentences: int = 3) -> str:
    """What there is, then where: `two objects : a red disk and a blue square . the red disk is above the blue square .`

    The first sentence names all objects (at most ten, the surest) in random order. The second tells a relation. The
    others tell relations of other pairs or, half of the time and once, a size. There are `sentences` of them or fewer:
    two things have one relation and one size; no caption is over 62 words; things whose name comes twice are only
    named. Nothing seen gives "". Raises ValueError for fewer than one sentence.
    """
    check_whole(1, sentences=sentences)
    return " ".join(_sentences(_told(things, rng), rng, sentences))


def spatial_short(things: Sequence[Thing], rng: np.random.Generator) -> str:
    """One random relation sentence of the long caption, or its first sentence where no relation may be said."""
    first, *others = _sentences(_told(things, rng), rng, 4) or [""]
    relations = [sentence for sentence in others if " than " not in sentence]
    return relations[int(rng.integers(len(relations)))] if relations else first


def prompt(first: str, relation: str, second: str, *, negate: bool = False) -> str:
    """`a red disk to the left of a blue square`, from two names and one of RELATIONS; with `negate`, `not to the ...`.

    Raises ValueError for a name or a relation that the world does not know.
    """
    for side, name in {"first": first, "second": second}.items():
        colour, _, shape = name.partition(" ")
        if colour not in COLOURS or shape not in SHAPES:
            raise ValueError(f"{side} must be a colour and a shape such as 'red disk', got {name!r}")
    if relation not in PHRASES:
        raise ValueError(f"relation must be one of {', '.join(RELATIONS)}, got {relation!r}")
    return f"a {first} {'not ' if negate else ''}{PHRASES[relation]} a {second}"


def swapped(first: str, relation: str, second: str) -> str:
    """The prompt with the two things in each other's place: "B left of A", which is not what "A left of B" says."""
    return prompt(second, relation, first)


def _told(things: Sequence[Thing], rng: np.random.Generator) -> list[Thing]:
    """The surest ten in random order."""
    kept = sorted(things, key=lambda thing: -thing.confidence)[: len(NUMBERS)]
    return [kept[index] for index in rng.permutation(len(kept))]


def _joined(parts: list[str]) -> str:
    return " and ".join([" , ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _pairs(told: list[Thing], rng: np.random.Generator) -> list[tuple[Thing, Thing]]:
    """Pairs of things with names of their own, in random order and direction."""
    times = Counter(thing.name for thing in told)
    pairs = list(combinations([thing for thing in told if times[thing.name] == 1], 2))
    order, turned = rng.permutation(len(pairs)), rng.random(len(pairs)) < 0.5
    return [pairs[index][::-1] if turned[index] else pairs[index] for index in order]


def _relations(told: list[Thing], rng: np.random.Generator) -> list[tuple[Thing, str, Thing]]:
    said = [(first, relation_between(first, second), second) for first, second in _pairs(told, rng)]
    return [(first, relation, second) for first, relation, second in said if relation]


def _sizes(told: list[Thing], rng: np.random.Generator) -> list[tuple[Thing, str, Thing]]:
    said = [(first, size_between(first, second), second) for first, second in _pairs(told, rng)]
    return [(first, size, second) for first, size, second in said if size]


def _sentences(told: list[Thing], rng: np.random.Generator, most: int) -> list[str]:
    if not told:
        return []
    noun = "object" if len(told) == 1 else "objects"
    naming = f"{NUMBERS[len(told) - 1]} {noun} : {_joined([f'a {thing.name}' for thing in told])} ."
    where = [f"the {a.name} is {PHRASES[relation]} the {b.name} ." for a, relation, b in _relations(told, rng)]
    size = [f"the {a.name} is {word} than the {b.name} ." for a, word, b in _sizes(told, rng)[:1]]
    if len(where) > most - 2 and size and rng.random() < 0.5:
        where = where[: max(1, most - 2)]
    sentences, words = [naming], len(naming.split())
    for sentence in (where + size)[: most - 1]:
        words += len(sentence.split())
        if words > MOST_WORDS:
            break
        sentences.append(sentence)
    return sentences
