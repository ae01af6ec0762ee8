"""The 256 tokens shared by the generated tasks, and what every batch of them carries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

VOCAB_SIZE = 256
SPECIALS = ("PAD", "BOS", "SEP", "QUERY", "COLON", "NL")
PAD, BOS, SEP, QUERY, COLON, NL = range(len(SPECIALS))
KEYS = range(6, 86)
VALUES = range(86, 166)
TEXT = range(166, VOCAB_SIZE)
IGNORE = -100
"""Target at a position without loss: the default `ignore_index` of PyTorch's cross-entropy."""

_SPECIAL_NAMES = ("_", "<bos>", "|", "?", ":", "/")


def token_name(token: int) -> str:
    """`k3` for a key, `v3` for a value or label, `w3` for a text token, a sign for a special one."""
    if not 0 <= token < VOCAB_SIZE:
        raise ValueError(f"token must be in 0..{VOCAB_SIZE - 1}, got {token}")
    if token < len(SPECIALS):
        return _SPECIAL_NAMES[token]
    for letter, tokens in (("k", KEYS), ("v", VALUES), ("w", TEXT)):
        if token in tokens:
            return f"{letter}{token - tokens.start}"
    raise AssertionError("the layout covers every token")


def decode(tokens, names: Mapping[int, str] | None = None) -> str:
    """One sequence as a line that can be read; `names` (a task's `names`) takes precedence over `token_name`."""
    names = names or {}
    sequence = np.asarray(tokens)
    if sequence.ndim != 1:
        raise ValueError(f"tokens must be one sequence (1 dimension), got shape {sequence.shape}")
    return " ".join(names.get(int(token)) or token_name(int(token)) for token in sequence)


@dataclass(frozen=True)
class SequenceBatch:
    """`tokens` and `targets`, both (batch, length) int64.

    `targets[:, t]` is the token to be predicted at position t, that is from tokens 0..t: it is already shifted,
    so logits at t are scored against it as they are. -100 where there is no loss.
    """

    tokens: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def length(self) -> int:
        return self.tokens.shape[1]

    @property
    def scored(self) -> np.ndarray:
        """(batch, length) bool: the positions that carry loss."""
        return self.targets != IGNORE

    def digest(self) -> str:
        """SHA-256 of tokens and targets as little-endian 64-bit integers: equal on every platform."""
        sha = hashlib.sha256()
        for array in (self.tokens, self.targets):
            sha.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        return sha.hexdigest()


def shift_left(tokens: np.ndarray) -> np.ndarray:
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


def check_positive(**arguments: int) -> None:
    """Raise ValueError for the first argument that is not an integer of at least 1."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
