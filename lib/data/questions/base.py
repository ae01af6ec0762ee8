"""What a question and a family of questions are."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

PEOPLE = (
    "Aino Bela Chidi Dora Emil Freya Goran Hana Ivo Jaya Kofi Lena Milo Nadia Oskar Petra Quinn Rosa Sami Tove Uma "
    "Viktor Wanda Yusuf Zora Anton Bruna Cyril Delia Edda Faris Gilda Henk Ines Jonas Kaia Lorenz Mira Nils Olga Pavel "
    "Rhea Silas Tilda Ugo Vera Wim Xenia Yana Zeno"
).split()
"""Fifty first names."""


@dataclass(frozen=True)
class Question:
    """`text` with the question, `options` where there are any, the right `answer` (an option's words, or the text to
    give), `arguments` for the family's pseudocode, and `size` (people, swaps, instructions, tokens ...)."""

    family: str
    text: str
    options: tuple[str, ...]
    answer: str
    arguments: tuple
    size: int

    @property
    def prompt(self) -> str:
        """The text, and the options with their letters."""
        if not self.options:
            return self.text
        return "\n".join(
            [self.text, "Options:", *(f"({chr(65 + i)}) {option}" for i, option in enumerate(self.options))]
        )

    @property
    def key(self) -> int:
        """What tells questions apart: equal ones are the same in every process."""
        return zlib.crc32(self.prompt.encode())

    def is_right(self, given: str) -> bool:
        """Exact match after the letter is taken away: `(B)`, `B`, `(B) words` and the option's words all count."""
        text = " ".join(given.split())
        if not self.options:
            return text == self.answer
        letter = chr(65 + self.options.index(self.answer))
        rest = re.sub(
            r"^\(?([A-Z])\)(?:\s+|$)|^([A-Z])$", lambda m: "" if letter in m.groups() else "\0", text, count=1
        )
        if rest != text:
            return rest in ("", self.answer)
        return text == self.answer


def final_answer(text: str, marker: str = "Final answer:") -> str:
    """What follows the last marker, up to the end of its line; '' where there is none."""
    _, found, rest = text.rpartition(marker)
    return rest.strip().split("\n")[0].strip().rstrip(".") if found and rest.strip() else ""


@dataclass(frozen=True)
class Family:
    """`ask(rng, size)` draws a question, `solve(text, options)` answers it.

    `sizes` are those of training, `longer` those beyond; `allowed` are all that the generator can write: any other is
    a ValueError of `check`, where it would be a search without an end or a list that is too short.
    """

    name: str
    ask: Callable[[np.random.Generator, int], Question]
    solve: Callable[[str, Sequence[str]], str]
    sizes: tuple[int, ...]
    longer: tuple[int, ...]
    allowed: range

    def check(self, *sizes: int) -> tuple[int, ...]:
        """The sizes as whole numbers. Raises ValueError unless there are some, all of them allowed."""
        if not sizes or any(size not in self.allowed for size in sizes):
            first, last = self.allowed[0], self.allowed[-1]
            raise ValueError(f"sizes must be in {first}..{last} for {self.name}, got {sizes}")
        return tuple(int(size) for size in sizes)
