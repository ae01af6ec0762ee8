"""Web of lies: everybody speaks of the one before; does the last one tell the truth?"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

from lib.data.questions.base import PEOPLE, Family, Question


def web_of_lies(rng: np.random.Generator, size: int) -> Question:
    """`size` people, five in BBH."""
    FAMILY.check(size)
    people = [PEOPLE[i] for i in rng.choice(len(PEOPLE), size, replace=False)]
    says = [bool(rng.integers(2)) for _ in people]
    spoken = {True: "tells the truth", False: "lies"}
    lines = [f"{people[0]} {spoken[says[0]]}."]
    pairs = zip(itertools.pairwise(people), says[1:], strict=True)
    lines += [f"{person} claims that {before} {spoken[said]}." for (before, person), said in pairs]
    truth = says[0]
    for said in says[1:]:
        truth = truth == said
    text = f"{' '.join(lines)} Is {people[-1]} telling the truth?"
    about = [people[0], *people[:-1]]
    claims = [[person, before, said] for person, before, said in zip(people, about, says, strict=True)]
    return Question("web_of_lies", text, ("Yes", "No"), "Yes" if truth else "No", (claims, people[-1]), size)


def solve_web_of_lies(text: str, options: Sequence[str]) -> str:
    """An even number of lies is none: whether 'lies' is said an odd number of times."""
    return "No" if len(re.findall(r"\blies\b", text)) % 2 else "Yes"


FAMILY = Family("web_of_lies", web_of_lies, solve_web_of_lies, tuple(range(3, 13)), (15, 18), range(1, len(PEOPLE) + 1))
