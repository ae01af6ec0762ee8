"""Models that predict the next byte for a coder: tables of integers, and the order in which symbols stand in them.

A coder needs the same table in the encoder and the decoder to the last bit, whatever the batch, the thread count or
the machine. So a model hands over integers (cumulative counts out of 2^14), and what leads to them must be exact.

Symbols are places in the model's `alphabet`, the bytes it knows. One more symbol stands behind them, the escape, which
every table gives at least one count: with it a coder writes the bytes that are not in the alphabet.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Int

from lib.data.coding.arithmetic_coder import TOTAL, quantize


class ByteModel(Protocol):
    """Many streams at once, one symbol a step. A state is whatever the model likes; it is not changed in place."""

    alphabet: bytes
    """The bytes that have a symbol, in the symbols' order."""

    def start(self, streams: int) -> Any:
        """The state of `streams` streams that have seen nothing."""
        ...

    def tables(self, state: Any) -> Int[np.ndarray, "streams symbols_plus_2"]:
        """C for each stream's next symbol: 0 = C[0] < ... < C[K + 1] = 2^14, K symbols and then the escape."""
        ...

    def feed(self, state: Any, symbols: Int[np.ndarray, " streams"], reset: Bool[np.ndarray, " streams"]) -> Any:
        """Forget what `reset` marks, then read each stream's symbol; -1 reads nothing."""
        ...

    def select(self, state: Any, rows: Int[np.ndarray, " kept"]) -> Any:
        """The state of these streams alone."""
        ...


class MarkovModel:
    """p(byte) or, with order 1, p(byte | byte before), counted on a text: what StaticAC codes with.

    Add-half estimates; order 1 backs off to them, p(x | c) = (n(cx) + 4 p(x)) / (n(c) + 4).
    """

    def __init__(self, text: bytes, *, order: int = 0, alphabet: bytes | None = None):
        if order not in (0, 1):
            raise ValueError(f"order must be 0 or 1, got {order}")
        self.alphabet = common_bytes(text) if alphabet is None else check_alphabet(alphabet)
        self.order, size = order, len(self.alphabet)
        seen = symbols_of(text, self.alphabet)
        seen = seen[seen < size]
        unigram = np.bincount(seen, minlength=size) + 0.5
        unigram /= unigram.sum()
        rows = np.tile(unigram, (size + 1, 1))  # the last row: nothing was seen yet
        if order:
            pairs = np.bincount(seen[:-1] * size + seen[1:], minlength=size * size).reshape(size, size)
            rows[:size] = (pairs + 4 * unigram) / (pairs.sum(1, keepdims=True) + 4)
        self._tables = with_escape(quantize(rows))

    def start(self, streams: int) -> np.ndarray:
        return np.full(streams, len(self.alphabet))

    def tables(self, state: np.ndarray) -> np.ndarray:
        return self._tables[state]

    def feed(self, state: np.ndarray, symbols: np.ndarray, reset: np.ndarray) -> np.ndarray:
        kept = np.where(reset, len(self.alphabet), state)
        return np.where((symbols >= 0) & bool(self.order), symbols, kept)

    def select(self, state: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return state[rows]


def with_escape(tables: Int[np.ndarray, "... symbols_plus_1"]) -> Int[np.ndarray, "... symbols_plus_2"]:
    """Give one count of the most probable symbol to an escape behind the last one."""
    counts = np.diff(tables, axis=-1)
    best = counts.argmax(-1)[..., None]
    np.put_along_axis(counts, best, np.take_along_axis(counts, best, -1) - 1, -1)
    table = np.zeros((*counts.shape[:-1], counts.shape[-1] + 2), dtype=np.int64)
    np.cumsum(counts, axis=-1, out=table[..., 1:-1])
    table[..., -1] = TOTAL
    return table


def common_bytes(text: bytes, at_least: int = 20) -> bytes:
    """The bytes that occur `at_least` so often, in the order of their values; the rest is left to the escape."""
    kept = bytes(sorted(byte for byte, count in Counter(text).items() if count >= at_least))
    return kept or b" "


def symbols_of(text: bytes, alphabet: bytes) -> Int[np.ndarray, " length"]:
    """The symbol of each byte; len(alphabet) for one that is not in the alphabet."""
    place = np.full(256, len(alphabet), dtype=np.int64)
    place[np.frombuffer(alphabet, dtype=np.uint8)] = np.arange(len(alphabet))
    return place[np.frombuffer(text, dtype=np.uint8)]


def check_alphabet(alphabet: bytes) -> bytes:
    """Raises ValueError unless there is at least one byte and none twice."""
    if not alphabet or len(set(alphabet)) != len(alphabet):
        raise ValueError(f"alphabet must be different bytes, at least one, got {alphabet!r}")
    return bytes(alphabet)
