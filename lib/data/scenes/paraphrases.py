"""Two captions that say the same of a picture, and one that says the opposite: for an encoder that reads and never
sees.

"a red disk above a blue square" and "the blue square is below the red disk ." are the same; the opposite turns every
relation around, or puts the two things into each other's place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.data.scenes.spatial_captions import prompt, relation_between, spatial_long
from lib.data.scenes.spatial_words import OPPOSITE, PHRASES, wrong_relations
from lib.data.scenes.things import Thing

WHOLE = 0.3
"""Share of the triples that tell all of a picture; the others tell one relation."""


def paraphrases(things: Sequence[Thing], rng: np.random.Generator) -> tuple[str, str, str] | None:
    """(a caption, another of the same meaning, one that contradicts both), or None where no relation may be said.

    One relation of two things, told from either side, in one of three forms; or, for a share of `WHOLE`, two long
    captions of all the things, the opposite being the second with every relation turned around.
    """
    related = [
        (first, relation, second)
        for first in things
        for second in things
        if first is not second and first.name != second.name and (relation := relation_between(first, second))
    ]
    if not related:
        return None
    if rng.random() < WHOLE:
        first, second = (spatial_long(things, rng, sentences=4) for _ in range(2))
        if (opposite := wrong_relations(second, 1.0, rng)) != second:
            return first, second, opposite
    a, relation, b = related[int(rng.integers(len(related)))]
    turned = (b.name, OPPOSITE[relation], a.name)
    wrong = (a.name, OPPOSITE[relation], b.name) if rng.random() < 0.5 else (b.name, relation, a.name)
    return tell(a.name, relation, b.name, rng), tell(*turned, rng), tell(*wrong, rng)


def tell(first: str, relation: str, second: str, rng: np.random.Generator) -> str:
    """One relation in one of three forms: as a prompt, as a sentence, or as a sentence after both were named.

    Raises ValueError for a name or a relation that the world does not know.
    """
    asked = prompt(first, relation, second)
    form = int(rng.integers(3))
    if form == 0:
        return asked
    sentence = f"the {first} is {PHRASES[relation]} the {second} ."
    if form == 1:
        return sentence
    one, other = (first, second) if rng.random() < 0.5 else (second, first)
    return f"two objects : a {one} and a {other} . {sentence}"
