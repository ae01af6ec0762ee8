"""Skills with control tokens: a small language model learns them, and adapters are then asked to choose among them.

    <bos> T S x1 ... xn = y1 ... yn <eos>

T names a task (copy, reverse, sort, rotate, shift, swap), S a style: in which of two alphabets y is written. Either may
be neutral, and then the example says nothing of which task or style it follows: a model trained on many such examples
is at chance there, and somebody who adapts it has to say what is wanted. (Our stand-in for finetuning a pretrained
model; ReFT, arXiv 2404.03592, is the first to use it.)
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from lib.data.batches import IGNORE, SequenceBatch
from lib.data.randomness import SPLITS, bounded, by_step, check_split, generator, split_of_hash
from lib.data.vocabulary import Vocabulary

SKILL_PAD, SKILL_BOS, SKILL_EOS, EQUALS = range(4)
SYMBOLS = 16
TASKS_OF_SKILL: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "copy": lambda x: x,
    "reverse": lambda x: x[::-1],
    "sort": np.sort,
    "rotate": lambda x: np.roll(x, -1),
    "shift": lambda x: (x + 1) % SYMBOLS,
    "swap": lambda x: np.concatenate([x[: len(x) // 2 * 2].reshape(-1, 2)[:, ::-1].ravel(), x[len(x) // 2 * 2 :]]),
}
"""Each task on the numbers of the symbols, 0 to 15; swap exchanges neighbours and leaves an odd last one."""
TASK_NAMES = tuple(TASKS_OF_SKILL)
STYLES = 2
_FIRST_TASK = 4
_FIRST_STYLE = _FIRST_TASK + len(TASK_NAMES) + 1
_FIRST_SYMBOL = _FIRST_STYLE + STYLES + 1
NEUTRAL_TASK, NEUTRAL_STYLE = _FIRST_STYLE - 1, _FIRST_SYMBOL - 1
SKILL_VOCAB = _FIRST_SYMBOL + STYLES * SYMBOLS
"""46 tokens; inputs are written in the first alphabet."""

VOCABULARY = Vocabulary(
    [
        *("_", "<bos>", "<eos>", "="),
        *(f"T:{task}" for task in (*TASK_NAMES, "-")),
        *(f"S:{style}" for style in (*range(STYLES), "-")),
        *(chr(ord(first) + symbol) for first in "aA" for symbol in range(SYMBOLS)),
    ]
)
"""`<bos>`, `T:sort`, `S:1`, `T:-` for the neutral one, `a` to `p` and `A` to `P` for the symbols of the styles."""

skill_name = VOCABULARY.name

Rule = Callable[[np.ndarray], tuple[np.ndarray, int]]
"""From the input's symbols to (the answer's symbols, its style)."""


@dataclass(frozen=True)
class SkillBatch(SequenceBatch):
    """Tokens and targets (loss on answers and <eos>), and `prompt_lengths`: tokens up to and with the sign =."""

    prompt_lengths: Int[np.ndarray, " batch"]

    def arrays(self) -> dict[str, np.ndarray]:
        """`tokens`, `targets` and the prompts' `lengths`, which say where an adapter edits."""
        return super().arrays() | {"lengths": self.prompt_lengths}


def task_token(task: str | None) -> int:
    """The control token of a task, or the neutral one. Raises ValueError for an unknown task."""
    if task is None:
        return NEUTRAL_TASK
    if task not in TASK_NAMES:
        raise ValueError(f"task must be one of {', '.join(TASK_NAMES)} or None, got {task!r}")
    return _FIRST_TASK + TASK_NAMES.index(task)


def style_token(style: int | None) -> int:
    """The control token of a style, or the neutral one. Raises ValueError for an unknown style."""
    if style is None:
        return NEUTRAL_STYLE
    if style not in range(STYLES):
        raise ValueError(f"style must be 0..{STYLES - 1} or None, got {style!r}")
    return _FIRST_STYLE + style


def symbol_token(symbol: int | np.ndarray, style: int = 0):
    """The token of a symbol 0 to 15 in an alphabet."""
    return _FIRST_SYMBOL + style * SYMBOLS + symbol


class Skills:
    """Draws examples; `lengths`: the fewest and the most symbols of an input.

    Raises ValueError for lengths that are not 1 <= fewest <= most.
    """

    def __init__(self, seed: int = 0, *, lengths: tuple[int, int] = (4, 8), neutral: float = 0.3):
        whole = all(isinstance(length, (int, np.integer)) for length in lengths)
        if not whole or not 1 <= lengths[0] <= lengths[1] or not 0 <= neutral <= 1:
            raise ValueError(
                f"lengths must grow from 1 in whole numbers and neutral be 0..1, got {lengths} and {neutral}"
            )
        self.seed, self.lengths, self.neutral = seed, lengths, neutral

    @property
    def width(self) -> int:
        """Tokens of the longest example, one less than with its <eos>: what a model is fed with."""
        return 2 * self.lengths[1] + 4

    def pretraining(self, batch: int, step: int) -> SkillBatch:
        """Random tasks and styles; each control is neutral in a share `neutral` of the examples, the answer is not."""
        rng = by_step(self.seed, step, 0)
        rows = []
        for x in self._inputs("train", batch, rng):
            task, style = TASK_NAMES[rng.integers(len(TASK_NAMES))], int(rng.integers(STYLES))
            hide_task, hide_style = rng.random(2) < self.neutral
            shown = (None if hide_task else task, None if hide_style else style)
            rows.append((x, TASKS_OF_SKILL[task](x), style, *shown))
        return self._batch(rows)

    def explicit(self, split: str, count: int, *, task: str | None = None, style: int | None = None) -> SkillBatch:
        """Examples with both controls, of a task and style or of all in turn: what a pretrained model must know."""
        rng = generator(self.seed, 1, SPLITS.index(check_split(split)))
        rows = []
        for index, x in enumerate(self._inputs(split, count, rng)):
            name = TASK_NAMES[index % len(TASK_NAMES)] if task is None else TASK_NAMES[task_token(task) - _FIRST_TASK]
            alphabet = index // len(TASK_NAMES) % STYLES if style is None else style
            rows.append((x, TASKS_OF_SKILL[name](x), alphabet, name, alphabet))
        return self._batch(rows)

    def suite(
        self, split: str, count: int, rule: Rule, *, task: str | None = None, style: int | None = None
    ) -> SkillBatch:
        """Examples whose answers follow `rule`, behind the given controls, neutral unless told otherwise.

        Raises ValueError when the rule gives other than as many symbols as it got, and a style.
        """
        rng = generator(self.seed, 2, SPLITS.index(check_split(split)))
        return self._batch([(x, *_answer(rule, x), task, style) for x in self._inputs(split, count, rng)])

    def _inputs(self, split: str, count: int, rng: np.random.Generator) -> list[np.ndarray]:
        """`count` inputs of a split, by a checksum of their symbols; one may come more than once."""
        number = itertools.count()

        def draw() -> tuple[int, np.ndarray] | None:
            x = rng.integers(0, SYMBOLS, rng.integers(self.lengths[0], self.lengths[1] + 1))
            return (next(number), x) if split_of_hash(zlib.crc32(x.astype(np.uint8).tobytes())) == split else None

        return bounded(count, draw, f"Skills has too few inputs of lengths {self.lengths} in {split}")

    def _batch(self, rows: Sequence[tuple]) -> SkillBatch:
        tokens = np.full((len(rows), self.width), SKILL_PAD, dtype=np.int64)
        targets = np.full((len(rows), self.width), IGNORE, dtype=np.int64)
        lengths = np.empty(len(rows), dtype=np.int64)
        for index, (x, y, style, shown_task, shown_style) in enumerate(rows):
            prompt = [SKILL_BOS, task_token(shown_task), style_token(shown_style), *symbol_token(x), EQUALS]
            whole = np.array([*prompt, *symbol_token(np.asarray(y), style), SKILL_EOS])
            lengths[index] = len(prompt)
            tokens[index, : len(whole) - 1] = whole[:-1]
            targets[index, len(prompt) - 1 : len(whole) - 1] = whole[len(prompt) :]
        return SkillBatch(tokens, targets, lengths)


def _answer(rule: Rule, x: np.ndarray) -> tuple[np.ndarray, int]:
    """What a rule says, checked: a wrong symbol or style would be a token of something else."""
    symbols, style = rule(x.copy())
    symbols = np.asarray(symbols)
    if symbols.dtype.kind not in "iu" or symbols.shape != x.shape or not ((symbols >= 0) & (symbols < SYMBOLS)).all():
        raise ValueError(f"the rule must give {len(x)} whole numbers from 0 to {SYMBOLS - 1}, got {symbols.tolist()}")
    style_token(style)
    return symbols, style
