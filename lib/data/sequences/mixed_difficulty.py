"""A stream of tokens that differ in how much computation pays for them, each labelled with its category.

    filler    order-2 Markov text: next to free                       w3 w7 w7 w1 ...
    recall    pairs, then queries: attention finds the answer         k2 v5 k0 v1 ? k0 v1 ? k2 v5 ;
    compute   a digit through k functions: k steps one after another  4 f1 f3 f0 = 2 ;
    noise     uniform over 16 signs: no computation helps             n9 n2 n15 ...

The functions are fixed permutations of the digits, the same in every document, and do not commute: an answer is
f_k(... f_1(x)), which asks for depth. Labels are for analysis alone; a model never sees them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lib.data.batches import SequenceBatch
from lib.data.checks import check_positive
from lib.data.randomness import generator, stream
from lib.data.vocabulary import Vocabulary

CATEGORIES = ("filler", "recall prompt", "recall", "compute prompt", "compute", "noise", "other")
FILLER, RECALL_PROMPT, RECALL, COMPUTE_PROMPT, COMPUTE, NOISE, OTHER = range(len(CATEGORIES))
BOS, QUERY, EQUALS, END = range(4)
KEYS, VALUES, DIGITS, FUNCTIONS, NOISE_SIGNS, WORDS = (
    range(4, 12), range(12, 20), range(20, 30), range(30, 36), range(36, 52), range(52, 76)
)  # fmt: skip
VOCAB_SIZE = WORDS.stop

VOCABULARY = Vocabulary(
    [
        *("<bos>", "?", "=", ";"),
        *(f"k{number}" for number in range(len(KEYS))),
        *(f"v{number}" for number in range(len(VALUES))),
        *(str(number) for number in range(len(DIGITS))),
        *(f"f{number}" for number in range(len(FUNCTIONS))),
        *(f"n{number}" for number in range(len(NOISE_SIGNS))),
        *(f"w{number}" for number in range(len(WORDS))),
    ],
    such_as="k3, v3, 3, f1, n3, w3, ?, =, ;",
)
"""`k3` for a key, `v3` a value, `3` a digit, `f3` a function, `n3` noise, `w3` filler, or the sign itself."""

sign_name = VOCABULARY.name


def encode_signs(text: str) -> np.ndarray:
    """Tokens of a line such as "2 f1 f0 = 3 ; k1 v2". Raises ValueError for a sign that does not exist, or for none."""
    if not text.split():
        raise ValueError(f"text must hold at least one sign, got {text!r}")
    return VOCABULARY.encode(text)


@dataclass(frozen=True)
class DifficultyBatch(SequenceBatch):
    """`category` (batch, length): the category of each target, `steps`: k of a compute answer, else 0."""

    category: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True)
class MixedDifficulty:
    """Draws documents of `length` + 1 tokens, segment by segment; `shares` are the chances of the four segments.

    functions, digits: size of the compute task; operations: least and most functions in a row; problems: how many
    in a row. keys: pairs of a recall segment, each asked for `questions` times in all.
    Raises ValueError when an argument is out of range.
    """

    seed: int = 0
    length: int = 128
    shares: tuple[float, float, float, float] = (0.3, 0.2, 0.35, 0.15)
    digits: int = 5
    functions: int = 4
    operations: tuple[int, int] = (1, 4)
    problems: int = 4
    keys: int = 4
    questions: int = 4
    batch_size: int = 16
    _language: int = field(default=2404, repr=False)

    def __post_init__(self):
        check_positive(length=self.length, problems=self.problems, questions=self.questions, batch_size=self.batch_size)
        if len(self.shares) != 4 or min(self.shares) < 0 or sum(self.shares) <= 0:
            raise ValueError(f"shares must be four numbers, none negative and not all 0, got {self.shares}")
        for name, value, limit in (
            ("digits", self.digits, len(DIGITS)), ("functions", self.functions, len(FUNCTIONS)),
            ("keys", self.keys, len(KEYS)),
        ):  # fmt: skip
            if not 1 <= value <= limit:
                raise ValueError(f"{name} must be in 1..{limit}, got {value}")
        if not 1 <= self.operations[0] <= self.operations[1]:
            raise ValueError(f"operations must be (least, most) with 1 <= least <= most, got {self.operations}")

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
        rows = [(BOS, OTHER, 0)]
        segments = (self._filler, self._recall, self._compute, self._noise)
        chances = np.cumsum(self.shares) / sum(self.shares)
        while len(rows) <= self.length:
            kind = min(int(np.searchsorted(chances, rng.random(), side="right")), 3)
            rows.extend(segments[kind](rng))
            rows.append((END, OTHER, 0))
        return tuple(np.array(rows[: self.length + 1], dtype=np.int64).T)

    def _filler(self, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        count = int(rng.integers(12, 25))
        a, b, *others = rng.integers(len(WORDS), size=count + 2).tolist()
        words = []
        for strays, other in zip(rng.random(count).tolist(), others, strict=True):
            a, b = b, other if strays < 0.04 else int(self._favourite[a, b])
            words.append((WORDS[b], FILLER, 0))
        return words

    def _recall(self, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        keys = rng.permutation(len(KEYS))[: self.keys].tolist()
        values = rng.integers(len(VALUES), size=self.keys).tolist()
        rows = []
        for key, value in zip(keys, values, strict=True):
            rows += [(KEYS[key], RECALL_PROMPT, 0), (VALUES[value], RECALL_PROMPT, 0)]
        for asked in rng.integers(self.keys, size=self.questions).tolist():
            rows += [
                (QUERY, RECALL_PROMPT, 0),
                (KEYS[keys[asked]], RECALL_PROMPT, 0),
                (VALUES[values[asked]], RECALL, 0),
            ]
        return rows

    def _compute(self, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        rows = []
        for _ in range(self.problems):
            steps = int(rng.integers(self.operations[0], self.operations[1] + 1))
            digit = int(rng.integers(self.digits))
            rows.append((DIGITS[digit], COMPUTE_PROMPT, 0))
            for function in rng.integers(self.functions, size=steps).tolist():
                rows.append((FUNCTIONS[function], COMPUTE_PROMPT, 0))
                digit = int(self.tables[function, digit])
            rows += [(EQUALS, COMPUTE_PROMPT, 0), (DIGITS[digit], COMPUTE, steps)]
        return rows

    def _noise(self, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        return [
            (NOISE_SIGNS[int(sign)], NOISE, 0) for sign in rng.integers(len(NOISE_SIGNS), size=int(rng.integers(8, 17)))
        ]
