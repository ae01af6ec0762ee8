"""Training batches that mix recall, format and topic-text rows, as a pure function of seed and step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lib.data.batches import SequenceBatch
from lib.data.checks import check_positive
from lib.data.randomness import stream
from lib.data.sequences.format_following import FormatBatch, FormatTask
from lib.data.sequences.recall import RecallBatch, RecallTask
from lib.data.sequences.topic_text import TopicBatch, TopicText

TASKS = ("recall", "format", "text")
"""Task ids: a row with `task` 1 is a format episode."""


@dataclass(frozen=True)
class MixtureBatch(SequenceBatch):
    """Rows of all tasks in the order recall, format, text; `task` (batch,) names each row's task by its id.

    The parts keep what is needed to measure them (None for a task without rows).
    """

    task: np.ndarray
    recall: RecallBatch | None
    format: FormatBatch | None
    text: TopicBatch | None

    def rows(self, task: str) -> slice:
        """The rows of one task: `logits[batch.rows("format")]` belongs to `batch.format`."""
        if task not in TASKS:
            raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
        first, last = np.searchsorted(self.task, [TASKS.index(task), TASKS.index(task) + 1])
        return slice(int(first), int(last))

    def arrays(self) -> dict[str, np.ndarray]:
        """`tokens`, `targets` and `task`: what a training step needs."""
        return super().arrays() | {"task": self.task}


@dataclass(frozen=True)
class Mixture:
    """`rows` of (recall, format, text) in each batch; the three tasks must have one length.

    `train(step)` depends on seed and step alone, whatever was drawn before, so a resumed run sees the same data.
    `validation` and `test` draw from streams of their own.
    """

    seed: int = 0
    rows: tuple[int, int, int] = (7, 5, 4)
    pairs: tuple[int, ...] = (2, 4, 8, 16)
    recall: RecallTask = field(default_factory=RecallTask)
    format: FormatTask = field(default_factory=FormatTask)
    text: TopicText = field(default_factory=TopicText)

    def __post_init__(self):
        stream(self.seed, "train")
        whole = all(isinstance(number, (int, np.integer)) for number in self.rows)
        if not whole or len(self.rows) != 3 or min(self.rows) < 0 or sum(self.rows) < 1:
            raise ValueError(f"rows must be three whole numbers, none negative and not all 0, got {self.rows}")
        lengths = {self.recall.length, self.format.length, self.text.length}
        if len(lengths) > 1:
            raise ValueError(f"recall, format and text must have one length, got {sorted(lengths)}")

    def train(self, step: int) -> MixtureBatch:
        """The batch of training step `step`."""
        return self._batch(stream(self.seed, "train", step), self.rows)

    def validation(self, size: int, index: int = 0) -> MixtureBatch:
        """`size` rows of every task, for choosing settings."""
        check_positive(size=size)
        return self._batch(stream(self.seed, "validation", index), (size,) * 3)

    def test(self, size: int, index: int = 0) -> MixtureBatch:
        """`size` rows of every task, for the figures that are reported."""
        check_positive(size=size)
        return self._batch(stream(self.seed, "test", index), (size,) * 3)

    def _batch(self, rng: np.random.Generator, rows: tuple[int, int, int]) -> MixtureBatch:
        recall = self.recall.batch(rng, rows[0], pairs=self.pairs) if rows[0] else None
        format = self.format.batch(rng, rows[1]) if rows[1] else None
        text = self.text.batch(rng, rows[2]) if rows[2] else None
        parts = [part for part in (recall, format, text) if part is not None]
        return MixtureBatch(
            tokens=np.concatenate([part.tokens for part in parts]),
            targets=np.concatenate([part.targets for part in parts]),
            task=np.repeat(np.arange(3, dtype=np.int64), rows),
            recall=recall,
            format=format,
            text=text,
        )
