"""Training texts of register programs: a program or its plan, and two questions on it, answered in one of six forms.

Every question's answer differs from what the returned register starts with. Without that, half of the answers could be
read off one word of the program, and a model that is to answer at once learns just that.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from lib.data.checks import check_positive, check_whole
from lib.data.programs.shorthand import facts_of
from lib.data.programs.traces import FORMS, INDICES, TRUE_OF, execute, head_words, question_words, response
from lib.data.programs.tree import Program
from lib.data.randomness import by_step
from lib.data.vocabulary import Vocabulary

MODULUS = 5
"""Digits and sums are 0 to 4."""
KIND = {"modulus": MODULUS, "tests": ("<", ">"), "minus": False, "varied": True}
"""The register programs of this task, as options of `register_programs`."""

VOCABULARY = Vocabulary(
    [
        *map(str, range(MODULUS)),
        *(f"i{number}" for number in range(INDICES)),
        *FORMS,
        *"a b x xs = + - < > == : nl return answer # for in if then else print".split(),
        *"go through the digits".split(),
        # the plan in English
        *"For Go If Let Otherwise: Say That The all and be case do each is less more next on plus minus equal "
        "than this this: to with".split(),
    ],
    first=("pad", "eos"),
)
"""The words of programs, plans, questions and answers."""

Pair = tuple[str, float]
TRIES = 30


class RegisterTask:
    """step -> a batch: `tokens` and `weights`, (size, length); weight 1 on the words to write, 0 on those to read.

    Each step is of one form, in turn. A row is one of `programs` and two questions on it, of 1 to `most` digits. Below
    step `drills` a batch has `drill tokens` and `drill weights` as well: rows of twelve facts, sums and comparisons in
    turn. Raises ValueError for sizes below 1, more digits than index words, or an unknown form.
    """

    def __init__(
        self, programs: Sequence[Program], seed: int, forms: Sequence[str] = FORMS, *, size: int, most: int,
        drills: int = 0,
    ):  # fmt: skip
        check_positive(size=size, programs=len(programs), forms=len(forms))
        check_whole(1, INDICES, most=most)
        check_whole(0, drills=drills)
        if unknown := set(forms) - set(FORMS):
            raise ValueError(f"forms must be of {', '.join(FORMS)}, got {', '.join(sorted(unknown))}")
        self.programs, self.seed, self.forms = programs, seed, tuple(forms)
        self.size, self.most, self.drills = size, most, drills

    def form(self, step: int) -> str:
        """What the batch of a step asks for."""
        return self.forms[step % len(self.forms)]

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        draw, form = by_step(self.seed, step), self.form(step)
        counts = draw.integers(1, self.most + 1, 2).tolist()
        batch = encoded([self._row(draw, form, counts) for _ in range(self.size)])
        if step >= self.drills:
            return batch
        drills = encoded([drill(draw) for _ in range(self.size)])
        return batch | {f"drill {name}": part for name, part in drills.items()}

    def _row(self, draw: np.random.Generator, form: str, counts: Sequence[int]) -> list[Pair]:
        """A program for which a question of each length was found, and those questions."""
        for _ in range(TRIES):
            program = self.programs[int(draw.integers(len(self.programs)))]
            asked = [question(draw, program, count) for count in counts]
            if all(asked):
                break
        pairs = [(word, 0.0) for word in head_words(program, form)]
        for found in asked:
            xs, first = found or _any_question(draw, counts[0])
            pairs += marked(question_words(xs, first, form), response(program, xs, first, form))
        return pairs


def question(
    draw: np.random.Generator, program: Program, count: int, *, modulus: int = MODULUS
) -> tuple[list[int], int] | None:
    """(`count` digits, index of the first) whose answer is not the result's start value; None where none was found."""
    check_whole(1, INDICES, count=count)
    result = facts_of(program)["return"]
    for _ in range(8):
        xs, first = _any_question(draw, count, modulus)
        if str(execute(program, xs, first)[-1][result]) != facts_of(program)[result]:
            return xs, first
    return None


def _any_question(draw: np.random.Generator, count: int, modulus: int = MODULUS) -> tuple[list[int], int]:
    return draw.integers(0, modulus, count).tolist(), int(draw.integers(0, INDICES - count + 1))


def drill(draw: np.random.Generator, *, facts: int = 12) -> list[Pair]:
    """Facts in a row, sums and comparisons in turn: `3 + 4 = 2 1 < 3 then ...`; results and branches are written."""
    row: list[Pair] = []
    for number in range(facts):
        one, other = (int(value) for value in draw.integers(0, MODULUS, 2))
        if number % 2:
            sign = KIND["tests"][int(draw.integers(2))]
            row += marked([str(one), sign, str(other)], ["then" if TRUE_OF[sign](one, other) else "else"])
        else:
            row += marked([str(one), "+", str(other), "="], [str((one + other) % MODULUS)])
    return row


def marked(read: Sequence[str], written: Sequence[str]) -> list[Pair]:
    """Words with the weight of their loss: 0 for what is read, 1 for what is written."""
    return [*((word, 0.0) for word in read), *((word, 1.0) for word in written)]


def encoded(rows: Sequence[Sequence[Pair]]) -> dict[str, np.ndarray]:
    """Rows of (word, weight), all of one length, as arrays of that shape."""
    words = VOCABULARY.encode([word for word, _ in chain.from_iterable(rows)])
    weights = np.array([weight for _, weight in chain.from_iterable(rows)], dtype=np.float32)
    return {"tokens": words.reshape(len(rows), -1), "weights": weights.reshape(len(rows), -1)}
