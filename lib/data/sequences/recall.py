"""Multi-query associative recall, and one needle in filler text.

An episode states P pairs `k v` with distinct keys, then asks for them again and again until the sequence is full:

    k7 v3 k1 v9 | k1 v9 k7 v3 k1 v9 ...        (the bar is not a token)

The loss is on the answers only. Keys and values are drawn afresh for every row, so that nothing but the context
tells the answer. Arora et al. (arXiv 2312.04927) is where the many-query form comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lib.data.batches import IGNORE, SequenceBatch, check_predictions
from lib.data.checks import check_positive, check_whole
from lib.data.randomness import check_split
from lib.data.sequences.layout import KEYS, TEXT, VALUES

FEWEST = 4
"""Tokens of an episode: one pair, asked for once."""


@dataclass(frozen=True)
class RecallBatch(SequenceBatch):
    """Where each answer comes from, besides tokens and targets.

    `pairs` (batch,): P of each row. `source` (batch, length): at a query position the position of the same key in
    its original pair (the value stands one later), -1 elsewhere. `first_asked` (batch, length) bool: queries whose
    key was not asked before, so that the answer stands nowhere but in the pair.
    """

    pairs: np.ndarray
    source: np.ndarray
    first_asked: np.ndarray


@dataclass(frozen=True)
class RecallTask:
    """Draws recall episodes.

    `holdout` values of every key never meet it in split "train" (those with (key + value) mod num_values < holdout)
    and are the only ones in split "test". Without a holdout there is nothing to test on that way, and "train" has all.
    Raises ValueError when the vocabulary has too few keys or values, or an argument is out of range.
    """

    num_keys: int = 32
    num_values: int = 16
    length: int = 128
    holdout: int = 0

    def __post_init__(self):
        check_positive(num_keys=self.num_keys, num_values=self.num_values)
        check_whole(FEWEST, length=self.length)
        check_whole(0, holdout=self.holdout)
        if self.num_keys > len(KEYS):
            raise ValueError(f"num_keys must be at most {len(KEYS)}, got {self.num_keys}")
        if self.num_values > len(VALUES):
            raise ValueError(f"num_values must be at most {len(VALUES)}, got {self.num_values}")
        if not 0 <= self.holdout < self.num_values:
            raise ValueError(f"holdout must be in 0..num_values - 1 = {self.num_values - 1}, got {self.holdout}")

    @property
    def chance(self) -> float:
        """Accuracy of a uniform guess over the values."""
        return 1 / self.num_values

    def batch(
        self,
        rng: np.random.Generator,
        size: int,
        pairs: int | Sequence[int] = (2, 4, 8, 16),
        split: str = "train",
    ) -> RecallBatch:
        """`size` episodes, each with a number of pairs drawn from `pairs`, whose values are the split's."""
        check_positive(size=size)
        choices = np.atleast_1d(np.asarray(pairs))
        if choices.size and choices.dtype.kind not in "iu":
            raise ValueError(f"pairs must be whole numbers, got {pairs}")
        choices = choices.astype(np.int64)
        most = min(self.num_keys, self.length // 4)
        if choices.size == 0 or choices.min() < 1 or choices.max() > most:
            raise ValueError(f"pairs must be in 1..{most} (every key asked at least once), got {pairs}")
        self._check_split(split)
        pairs_of_row = rng.choice(choices, size=size)
        tokens = np.zeros((size, self.length), dtype=np.int64)
        source = np.full((size, self.length), -1, dtype=np.int64)
        first_asked = np.zeros((size, self.length), dtype=bool)
        for row, count in enumerate(pairs_of_row):
            self._fill_row(rng, int(count), split, tokens[row], source[row], first_asked[row])
        targets = np.where(source >= 0, np.roll(tokens, -1, axis=1), IGNORE)
        return RecallBatch(tokens, targets, pairs_of_row, source, first_asked)

    def needle(
        self,
        rng: np.random.Generator,
        size: int,
        length: int,
        depth: float,
        filler: Callable[[np.random.Generator, int, int], np.ndarray] | None = None,
        split: str = "train",
    ) -> RecallBatch:
        """One pair at relative `depth` (0 first, 1 just before the query) in `length` tokens, asked at the end.

        The loss is on the last position. `filler(rng, size, length)` gives the text around the pair as
        (size, length) tokens; without it, text tokens are drawn uniformly. It may hold no key of this task.
        """
        check_positive(size=size)
        check_whole(3, length=length)  # a pair and its query
        if not 0 <= depth <= 1:
            raise ValueError(f"depth must be in [0, 1], got {depth}")
        self._check_split(split)
        draw = filler or (lambda rng, size, length: rng.integers(TEXT.start, TEXT.stop, size=(size, length)))
        tokens = np.array(draw(rng, size, length), dtype=np.int64)
        if tokens.shape != (size, length):
            raise ValueError(f"filler must return shape {(size, length)}, got {tokens.shape}")
        if np.any((tokens >= KEYS.start) & (tokens < KEYS.start + self.num_keys)):
            raise ValueError("filler must not hold key tokens, or the question would have two answers")
        place = round(depth * (length - 3))
        keys = rng.integers(0, self.num_keys, size=size)
        values = self._draw_values(rng, keys, split)
        tokens[:, place] = tokens[:, -1] = KEYS.start + keys
        tokens[:, place + 1] = VALUES.start + values
        targets = np.full_like(tokens, IGNORE)
        targets[:, -1] = VALUES.start + values
        source = np.full_like(tokens, -1)
        source[:, -1] = place
        return RecallBatch(tokens, targets, np.ones(size, dtype=np.int64), source, source >= 0)

    def accuracy(self, predictions, batch: RecallBatch, first_asked_only: bool = False) -> dict[int, float]:
        """Share of right answers for every number of pairs in the batch; `predictions` are tokens, never masked."""
        right = check_predictions(predictions, batch) == batch.targets
        asked = batch.first_asked if first_asked_only else batch.scored
        rows = {int(count): batch.pairs == count for count in np.unique(batch.pairs)}
        return {count: float(right[row][asked[row]].mean()) for count, row in rows.items()}

    def guessing(self, batch: RecallBatch) -> dict[str, float]:
        """What can be had without binding keys to values, over the batch's queries.

        "chance": a uniform guess over all values. "present": the value of one of the row's pairs, taken at random.
        "majority": always the row's most frequent value (the first of equals).
        """
        present, majority = [], []
        for tokens, targets, count in zip(batch.tokens, batch.targets, batch.pairs, strict=True):
            stated, answers = tokens[1 : 2 * count : 2], targets[targets != IGNORE]
            if not np.isin(answers, stated).all():
                raise ValueError("batch must come from RecallTask.batch: its rows must open with their pairs")
            present.append((answers[:, None] == stated).mean(axis=1))
            majority.append(answers == np.bincount(stated).argmax())
        means = (float(np.concatenate(part).mean()) for part in (present, majority))
        return {"chance": self.chance, **dict(zip(("present", "majority"), means, strict=True))}

    def is_held_out(self, keys, values) -> np.ndarray:
        """Whether the pairs (numbers from 0, not tokens) are kept out of split "train"."""
        return (np.asarray(keys) + np.asarray(values)) % self.num_values < self.holdout

    def _check_split(self, split: str) -> None:
        check_split(split, ("train", "test") if self.holdout else ("train",))

    def _draw_values(self, rng: np.random.Generator, keys: np.ndarray, split: str) -> np.ndarray:
        low, high = (0, self.holdout) if split == "test" else (self.holdout, self.num_values)
        return (rng.integers(low, high, size=len(keys)) - keys) % self.num_values

    def _fill_row(self, rng, count: int, split: str, tokens, source, first_asked) -> None:
        keys = rng.permutation(self.num_keys)[:count]
        values = self._draw_values(rng, keys, split)
        queries = (self.length - 2 * count) // 2
        rounds = -(-queries // count)
        order = np.concatenate([rng.permutation(count) for _ in range(rounds)])[:queries]
        sequence = np.concatenate([np.arange(count), order])
        tokens[: 2 * len(sequence) : 2] = KEYS.start + keys[sequence]
        tokens[1 : 2 * len(sequence) : 2] = VALUES.start + values[sequence]
        positions = 2 * count + 2 * np.arange(queries)
        source[positions] = 2 * order
        first_asked[positions[:count]] = True
