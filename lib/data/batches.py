"""What every batch of sequences carries, and the two ways in which a training step draws one from data at hand.

windows      a random stretch of one long text in each row
drawn_rows   row numbers of a fixed set, with replacement; `shuffled_rows` goes through the set in rounds instead
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Int

from lib.data.checks import check_positive
from lib.data.randomness import by_step, generator

IGNORE = -100
"""Target at a position without loss: the default `ignore_index` of PyTorch's cross-entropy."""


@dataclass(frozen=True)
class SequenceBatch:
    """`tokens` and `targets`, both (batch, length) int64.

    `targets[:, t]` is the token to be predicted at position t, that is from tokens 0..t: it is already shifted,
    so logits at t are scored against it as they are. -100 where there is no loss.
    """

    tokens: Int[np.ndarray, "batch length"]
    targets: Int[np.ndarray, "batch length"]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def length(self) -> int:
        return self.tokens.shape[1]

    @property
    def scored(self) -> Bool[np.ndarray, "batch length"]:
        """The positions that carry loss."""
        return self.targets != IGNORE

    def arrays(self) -> dict[str, np.ndarray]:
        """What a training step needs, by name, one row a sequence: `tokens`, `targets`, and what the kind adds."""
        return {"tokens": self.tokens, "targets": self.targets}

    def digest(self) -> str:
        """SHA-256 of tokens and targets as little-endian 64-bit integers: equal on every platform."""
        sha = hashlib.sha256()
        for array in (self.tokens, self.targets):
            sha.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        return sha.hexdigest()


def shift_left(tokens: Int[np.ndarray, "batch length"]) -> Int[np.ndarray, "batch length"]:
    """Targets for plain language modelling: the next token, -100 at the last position."""
    targets = np.full_like(tokens, IGNORE)
    targets[:, :-1] = tokens[:, 1:]
    return targets


def check_predictions(predictions, batch: SequenceBatch) -> np.ndarray:
    """Predicted tokens as an array of the batch's shape; they must be the argmax over the whole vocabulary."""
    predictions = np.asarray(predictions)
    if predictions.shape != batch.tokens.shape:
        raise ValueError(f"predictions must have the shape of tokens {batch.tokens.shape}, got {predictions.shape}")
    return predictions


def windows(
    tokens: Int[np.ndarray, " text"],
    length: int,
    batch_size: int,
    rng: np.random.Generator,
    *,
    first: int | None = None,
) -> dict[str, Int[np.ndarray, "batch_size length"]]:
    """`tokens` and `targets` of windows from random places of a text: targets are the tokens one further on.

    With `first`, a token such as BOS, each window begins with it and its targets are `length` tokens of the text.
    Raises ValueError when the text has no two places for a window to begin.
    """
    check_positive(length=length, batch_size=batch_size)
    text = np.asarray(tokens)
    span = length + (first is None)
    if text.ndim != 1 or len(text) <= span:
        raise ValueError(f"tokens must be one text of more than {span}, got shape {text.shape}")
    starts = rng.integers(0, len(text) - span, batch_size)
    rows = text[starts[:, None] + np.arange(span)].astype(np.int64, copy=False)
    if first is None:
        return {"tokens": rows[:, :-1], "targets": rows[:, 1:]}
    return {"tokens": np.concatenate([np.full_like(rows[:, :1], first), rows[:, :-1]], axis=1), "targets": rows}


def drawn_rows(
    count: int, batch_size: int, seed: int, step: int, *, part: int | None = None
) -> Int[np.ndarray, " batch_size"]:
    """Rows of a set of `count`, with replacement, for a training step: a function of seed, step and `part` alone."""
    check_positive(count=count, batch_size=batch_size)
    return by_step(seed, step, part).integers(0, count, batch_size)


def shuffled_rows(
    count: int, batch_size: int, seed: int, step: int, *, part: int | None = None
) -> Int[np.ndarray, " batch_size"]:
    """Rows for a training step that goes through a set of `count` in rounds, each row once a round, in one order."""
    check_positive(count=count, batch_size=batch_size)
    places = np.arange(step * batch_size, (step + 1) * batch_size) % count
    return _order(count, seed, part)[places]


@lru_cache(maxsize=16)
def _order(count: int, seed: int, part: int | None) -> np.ndarray:
    order = generator(seed, *() if part is None else (part,)).permutation(count)
    order.setflags(write=False)
    return order
