"""A stream of tokens that differ in how much computation pays for them, each labelled with its category.

    filler    order-2 Markov text: next to free                       w3 w7 w7 w1 ...
    compute   a digit through k functions: k steps one after another  4 f1 - f3 f0 = 2 ;
    noise     uniform over 16 signs: no computation helps             n9 n2 n15 ...

The functions are fixed permutations of the digits, the same in every document, and do not commute: an answer is
f_k(... f_1(x)), which asks for depth. A problem has the same number of slots each time, and "-" is a slot without a
function: what is needed stands at the same distance from "=" always. Labels are for analysis alone; a model never sees
them.

The stream's law is known: `MixedDifficulty.law` gives the chance of every next sign, and with it the entropy, below
which no causal model can score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lib.data.batches import SequenceBatch
from lib.data.checks import check_positive
from lib.data.randomness import generator, stream
from lib.data.vocabulary import Vocabulary

CATEGORIES = ("filler", "compute prompt", "compute", "noise", "other")
FILLER, COMPUTE_PROMPT, COMPUTE, NOISE, OTHER = range(len(CATEGORIES))
BOS, EQUALS, END, EMPTY = range(4)
DIGITS, FUNCTIONS, NOISE_SIGNS, WORDS = range(4, 14), range(14, 22), range(22, 38), range(38, 62)
FILLER_LENGTHS, NOISE_LENGTHS = range(12, 25), range(8, 17)
STRAYS = 0.04
"""How many signs a segment of filler or noise has, all equally likely; the share of filler that is drawn anew."""
VOCAB_SIZE = WORDS.stop

VOCABULARY = Vocabulary(
    [
        *("<bos>", "=", ";", "-"),
        *(str(number) for number in range(len(DIGITS))),
        *(f"f{number}" for number in range(len(FUNCTIONS))),
        *(f"n{number}" for number in range(len(NOISE_SIGNS))),
        *(f"w{number}" for number in range(len(WORDS))),
    ],
    such_as="3, f1, n3, w3, -, =, ;",
)
"""`3` for a digit, `f3` a function, `n3` noise, `w3` filler, or the sign itself."""

sign_name = VOCABULARY.name


def encode_signs(text: str) -> np.ndarray:
    """Tokens of a line such as "2 f1 f0 = 3 ; n1 w2". Raises ValueError for a sign that does not exist, or for none."""
    if not text.split():
        raise ValueError(f"text must hold at least one sign, got {text!r}")
    return VOCABULARY.encode(text)


@dataclass(frozen=True)
class DifficultyBatch(SequenceBatch):
    """`category` (batch, length): the category of each target, `steps`: k of a compute answer, -1 elsewhere."""

    category: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True)
class MixedDifficulty:
    """Draws documents of `length` + 1 tokens, segment by segment.

    shares: the chances of a segment of filler, compute and noise. functions, digits: size of the compute task; slots:
    of each problem, each empty with the chance `empty`; problems: how many in a row.
    Raises ValueError when an argument is out of range.
    """

    seed: int = 0
    length: int = 128
    shares: tuple[float, float, float] = (0.4, 0.4, 0.2)
    digits: int = 5
    functions: int = 4
    slots: int = 4
    empty: float = 0.4
    problems: int = 4
    batch_size: int = 16
    _language: int = field(default=2404, repr=False)

    def __post_init__(self):
        check_positive(length=self.length, slots=self.slots, problems=self.problems, batch_size=self.batch_size)
        if len(self.shares) != 3 or min(self.shares) < 0 or sum(self.shares) <= 0:
            raise ValueError(f"shares must be three numbers, none negative and not all 0, got {self.shares}")
        for name, value, limit in (
            ("digits", self.digits, len(DIGITS)), ("functions", self.functions, len(FUNCTIONS)),
        ):  # fmt: skip
            if not 1 <= value <= limit:
                raise ValueError(f"{name} must be in 1..{limit}, got {value}")
        if not 0 <= self.empty < 1:
            raise ValueError(f"empty must be a chance below 1, got {self.empty}")

    @property
    def num_problems(self) -> int:
        """How many different problems there are: a model that knows them all by heart needs a table of this size."""
        return self.digits * (self.functions + 1) ** self.slots

    @cached_property
    def tables(self) -> np.ndarray:
        """(functions, digits): what each function makes of each digit."""
        rng = generator(self._language)
        return np.stack([rng.permutation(self.digits) for _ in range(self.functions)])

    @cached_property
    def _favourite(self) -> np.ndarray:
        """(words, words): the word that follows a pair of words nine times of ten and more."""
        return generator(self._language + 1).integers(len(WORDS), size=(len(WORDS), len(WORDS)))

    def train(self, step: int) -> DifficultyBatch:
        """The batch of a training step: depends on seed and step alone."""
        return self.batch(stream(self.seed, "train", step), self.batch_size)

    def validation(self, size: int) -> DifficultyBatch:
        return self.batch(stream(self.seed, "validation", 0), size)

    def test(self, size: int) -> DifficultyBatch:
        return self.batch(stream(self.seed, "test", 0), size)

    def batch(self, rng: np.random.Generator, size: int) -> DifficultyBatch:
        documents = [self.document(rng) for _ in range(size)]
        tokens, category, steps = (np.stack(parts) for parts in zip(*documents, strict=True))
        return DifficultyBatch(tokens[:, :-1], tokens[:, 1:], category[:, 1:], steps[:, 1:])

    def document(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tokens, categories and steps, each (length + 1,)."""
        rows = [(BOS, OTHER, -1)]
        segments = (self._filler, self._compute, self._noise)
        chances = np.cumsum(self.shares) / sum(self.shares)
        while len(rows) <= self.length:
            kind = min(int(np.searchsorted(chances, rng.random(), side="right")), 2)
            rows.extend(segments[kind](rng))
            rows.append((END, OTHER, -1))
        return tuple(np.array(rows[: self.length + 1], dtype=np.int64).T)

    def law(self, tokens: np.ndarray) -> np.ndarray:
        """tokens (length,), a document from its start -> (length, VOCAB_SIZE): the chance of each next sign.

        Exact, given all signs before. Raises ValueError for a document that this stream cannot draw.
        """
        chances = np.zeros((len(tokens), VOCAB_SIZE))
        start = len(tokens)
        for place, token in enumerate(tokens.tolist()):
            if place and not chances[place - 1, token]:
                raise ValueError(f"tokens must be a document of this stream, found {sign_name(token)!r} at {place}")
            if token in (BOS, END):
                start = place + 1
                for share, signs in zip(self.shares, (WORDS, DIGITS[: self.digits], NOISE_SIGNS), strict=True):
                    chances[place, signs] += share / sum(self.shares) / len(signs)
            elif token in WORDS:
                self._filler_law(chances[place], tokens[start : place + 1])
            elif token in NOISE_SIGNS:
                ends = _ending(place + 1 - start, NOISE_LENGTHS)
                chances[place, END], chances[place, NOISE_SIGNS] = ends, (1 - ends) / len(NOISE_SIGNS)
            else:
                self._compute_law(chances[place], tokens[start : place + 1])
        return chances

    def _filler_law(self, chances: np.ndarray, words: np.ndarray) -> None:
        ends = _ending(len(words), FILLER_LENGTHS)
        if len(words) == 1:
            chances[WORDS] = 1 / len(WORDS)
            return
        chances[END], chances[WORDS] = ends, (1 - ends) * STRAYS / len(WORDS)
        a, b = words[-2:] - WORDS.start
        chances[WORDS[self._favourite[a, b]]] += (1 - ends) * (1 - STRAYS)

    def _compute_law(self, chances: np.ndarray, signs: np.ndarray) -> None:
        done, place = divmod(len(signs) - 1, self.slots + 3)  # digit, slots, "=", answer
        if place < self.slots:
            chances[EMPTY] = self.empty
            chances[FUNCTIONS[: self.functions]] = (1 - self.empty) / self.functions
        elif place == self.slots:
            chances[EQUALS] = 1
        elif place == self.slots + 1:
            chances[DIGITS[self.answer(signs[-self.slots - 2 : -1])]] = 1
        elif done + 1 == self.problems:
            chances[END] = 1
        else:
            chances[DIGITS[: self.digits]] = 1 / self.digits

    def answer(self, signs: Sequence[int]) -> int:
        """A digit and what stands in the slots, as tokens -> the digit that comes out."""
        digit = int(signs[0]) - DIGITS.start
        for sign in signs[1:]:
            if sign != EMPTY:
                digit = int(self.tables[int(sign) - FUNCTIONS.start, digit])
        return digit

    def _filler(self, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        count = int(rng.integers(FILLER_LENGTHS.start, FILLER_LENGTHS.stop))
        words = rng.integers(len(WORDS), size=count).tolist()  # the first two stay, the others are what strays lead to
        for place, strays in enumerate(rng.random(count).tolist()):
            if place > 1 and strays >= STRAYS:
                words[place] = int(self._favourite[words[place - 2], words[place - 1]])
        return [(WORDS[word], FILLER, -1) for word in words]

    def _compute(self, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        rows = []
        for _ in range(self.problems):
            empty = rng.random(self.slots) < self.empty
            signs = np.where(empty, EMPTY, FUNCTIONS.start + rng.integers(self.functions, size=self.slots)).tolist()
            signs = [DIGITS[int(rng.integers(self.digits))], *signs]
            rows += [(sign, COMPUTE_PROMPT, -1) for sign in [*signs, EQUALS]]
            rows.append((DIGITS[self.answer(signs)], COMPUTE, int((~empty).sum())))
        return rows

    def _noise(self, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        count = int(rng.integers(NOISE_LENGTHS.start, NOISE_LENGTHS.stop))
        return [(NOISE_SIGNS[sign], NOISE, -1) for sign in rng.integers(len(NOISE_SIGNS), size=count).tolist()]


def _ending(count: int, lengths: range) -> float:
    """The chance that a segment ends after `count` signs, given that it has not before; `lengths` equally likely."""
    return 0.0 if count < lengths.start else 1 / (lengths.stop - count)
