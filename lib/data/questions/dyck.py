"""Dyck: close the brackets that are still open."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lib.data.questions.base import Family, Question

_PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">"}


def dyck(rng: np.random.Generator, size: int) -> Question:
    """A well-formed word of `size` brackets whose last one to three, all closing, are missing."""
    FAMILY.check(size)
    length = max(4, size + size % 2)
    while True:
        word, stack = [], []
        for left in range(length, 0, -1):
            if stack and (len(stack) == left or rng.random() < 0.5):
                word.append(_PAIRS[stack.pop()])
            else:
                stack.append("([{<"[rng.integers(4)])
                word.append(stack[-1])
        closing = next(n for n, token in enumerate(reversed(word)) if token in _PAIRS)
        cut = int(rng.choice(3, p=(0.32, 0.39, 0.29))) + 1
        if closing >= cut:
            break
    shown, missing = word[:-cut], word[-cut:]
    text = "Close all brackets that are still open, in the right order. Input: " + " ".join(shown)
    return Question("dyck", text, (), " ".join(missing), (shown,), length)


def solve_dyck(text: str, options: Sequence[str]) -> str:
    """Take away matched neighbours until none is left."""
    rest = text.rpartition("Input: ")[2].replace(" ", "")
    while (shorter := re.sub(r"\(\)|\[\]|\{\}|<>", "", rest)) != rest:
        rest = shorter
    return " ".join(reversed(rest.translate(str.maketrans("([{<", ")]}>"))))


FAMILY = Family("dyck", dyck, solve_dyck, (4, 6, 8, 10, 12, 14), (16, 20, 24), range(4, 65))
