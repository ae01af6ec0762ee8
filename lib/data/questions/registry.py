"""The families by name, and how questions are drawn from them: many different ones of a split."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from lib.data.questions import coloured_objects, dyck, navigate, shapes, shuffled_objects, temporal, web_of_lies
from lib.data.questions.base import Family, Question
from lib.data.randomness import bounded, check_split, generator, split_of_hash

FAMILIES: dict[str, Family] = {
    module.FAMILY.name: module.FAMILY
    for module in (web_of_lies, navigate, dyck, temporal, shuffled_objects, coloured_objects, shapes)
}


def questions(
    family: str, count: int, *, seed: int, split: str, longer: bool = False, sizes: Sequence[int] | None = None
) -> list[Question]:
    """`count` different questions of a split, by the last digit of their checksum: no question is in two splits.

    Their sizes are drawn from the family's, from its `longer` ones, or from `sizes`.
    Raises ValueError for an unknown family or split, sizes that the family cannot have, and where there are fewer
    different questions than asked for.
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, got {family!r}")
    check_split(split)
    kind = FAMILIES[family]
    sizes = kind.check(*((kind.longer if longer else kind.sizes) if sizes is None else sizes))
    rng = generator(seed, zlib.crc32(family.encode()), longer)

    def draw() -> tuple[int, Question] | None:
        question = kind.ask(rng, sizes[rng.integers(len(sizes))])
        key = question.key
        return (key, question) if split_of_hash(key) == split else None

    return bounded(count, draw, f"{family} has too few different questions of sizes {sizes} in {split}")
