"""The one place where random numbers begin, and where it is decided what belongs to which split.

    stream(seed, role, *index)     one role's numbers: train, validation and test never share any
    generator(seed, *place)        a place in a table of independent numbers: what a task counts (a block, a document)
    by_step(seed, step, part)      what a training step draws, the same whatever was drawn before; `part` parts two uses

All are functions of whole numbers alone, so that a process that begins anew draws what it would have drawn. `stream`
puts its place into the spawn key of NumPy's `SeedSequence` and the others into its entropy.
`bounded` ends a search that cannot succeed with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

import numpy as np

SPLITS = ("train", "validation", "test")
ROLES = {role: number for number, role in enumerate(SPLITS)}
"""The number of each role in its stream's key."""
DRAWS_PER_ITEM, FEWEST_DRAWS = 50, 1000
"""So many draws for each item that was asked for, and at least so many in all; then a search gives up."""

Item = TypeVar("Item")


def stream(seed: int, role: str, *index: int) -> np.random.Generator:
    """The random numbers of one role and index; no two (seed, role, index) share any.

    Raises ValueError for a negative seed or index and for an unknown role.
    """
    check_split(role, name="role")
    if seed < 0 or any(number < 0 for number in index):
        raise ValueError(f"seed and index must not be negative, got seed {seed} and index {index}")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(ROLES[role], *index)))


def language_stream(seed: int, language: int) -> np.random.Generator:
    """The numbers that make a generated language itself, beside every role's: `language` is the language's own key."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(language,)))


def generator(seed: int, *place: int) -> np.random.Generator:
    """Numbers of a seed and a place: `default_rng([seed, *place])`. Raises ValueError when one is negative."""
    if seed < 0 or any(number < 0 for number in place):
        raise ValueError(f"seed and place must not be negative, got seed {seed} and place {place}")
    return np.random.default_rng([seed, *map(int, place)])


def by_step(seed: int, step: int, part: int | None = None) -> np.random.Generator:
    """Numbers of a training step: `default_rng([seed, step])`, or `[seed, part, step]` for one of several uses."""
    return generator(seed, step) if part is None else generator(seed, part, step)


def check_split(split: str, allowed: tuple[str, ...] = SPLITS, *, name: str = "split") -> str:
    """Raises ValueError unless the split is one of those allowed."""
    if split not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {split!r}")
    return split


def split_of_hash(number: int, *, validation: bool = True) -> str:
    """The split of an item from a checksum of its content, by its last decimal digit.

    0 to 7 train, 8 validation, 9 test; without a validation split 8 is train as well. What an item is decides alone, so
    no item is in two splits and more items move none.
    """
    digit = number % 10
    if digit == 9:
        return "test"
    return "validation" if digit == 8 and validation else "train"


def bounded(count: int, draw: Callable[[], tuple[Hashable, Item] | None], what: str) -> list[Item]:
    """`count` different items in the order found; `draw` gives (key, item), or None for one that is not wanted.

    Raises ValueError for a count below 1, and with a sentence of `what` there are too few, such as "dyck has too few
    different questions", after 50 draws for each item (1,000 at least) or, to end sooner where hardly any are left,
    after 1,000 and 50 for each item found without a new one.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    found: dict[Hashable, Item] = {}
    fruitless = 0
    for _ in range(max(FEWEST_DRAWS, DRAWS_PER_ITEM * count)):
        drawn, before = draw(), len(found)
        if drawn is not None:
            found.setdefault(*drawn)
        if len(found) == count:
            return list(found.values())
        fruitless = 0 if len(found) > before else fruitless + 1
        if fruitless > FEWEST_DRAWS + DRAWS_PER_ITEM * len(found):
            break
    raise ValueError(f"{what} for count {count} (found {len(found)})")
