"""The three rules by which a window's end and its value are chosen; `equal_info` says what they mean.

A rule sees the open windows of all streams. It may note something at every step, and gives, when a window is full, how
many symbols it keeps, its value, and the bits it would have needed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from jaxtyping import Int

from lib.data.coding.arithmetic_coder import PRECISION
from lib.data.coding.windows import FRAME, LIMB

Rows = Int[np.ndarray, " rows"]
End = tuple[Int[np.ndarray, " rows"], Int[np.ndarray, "rows digits"], Int[np.ndarray, " rows"]]


@dataclass
class Streams:
    """The open window of every stream that has text left, one entry a stream.

    `ids`: which text it is. `place`: of its next symbol. `low`, `size`: the interval in the frame. `moved`: how many
    16-bit limbs were put aside, and `limbs` themselves. `count`: symbols in the window. `opened`: windows begun.
    `used`, `point`: bits of the shortest code, and where its interval begins.
    """

    ids: Int[np.ndarray, " streams"]
    place: Int[np.ndarray, " streams"]
    low: Int[np.ndarray, " streams"]
    size: Int[np.ndarray, " streams"]
    moved: Int[np.ndarray, " streams"]
    limbs: Int[np.ndarray, "streams columns"]
    count: Int[np.ndarray, " streams"]
    opened: Int[np.ndarray, " streams"]
    used: Int[np.ndarray, " streams"]
    point: Int[np.ndarray, " streams"]

    @classmethod
    def start(cls, places: Int[np.ndarray, " streams"], digits: int) -> Streams:
        """Streams that have coded nothing; windows have `digits` 16-bit digits."""
        number = len(places)
        zeros = {
            name: np.zeros(number, dtype=np.int64) for name in ("low", "moved", "count", "opened", "used", "point")
        }
        size, limbs = np.full(number, 1 << FRAME, dtype=np.int64), np.zeros((number, digits + 4), dtype=np.int64)
        return cls(ids=np.arange(number), place=places, size=size, limbs=limbs, **zeros)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Rows) -> Streams:
        """These streams alone."""
        return Streams(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def begin(self, rows: Rows) -> None:
        """Empty windows."""
        self.low[rows], self.size[rows], self.moved[rows], self.count[rows] = 0, 1 << FRAME, 0, 0

    def narrow(self, rows: Rows, low, size, bits, point) -> None:
        """Take the interval of the next symbol; where the size has fallen to 2^32, put 16 bits of low aside."""
        self.low[rows], self.size[rows] = low[rows], size[rows]
        self.used[rows], self.point[rows] = LIMB * self.moved[rows] + bits[rows], point[rows]
        self.count[rows] += 1
        self.place[rows] += 1
        rows = rows[self.size[rows] <= 1 << (FRAME - LIMB)]
        if len(rows):
            keep = (1 << (FRAME - LIMB)) - 1
            limb = self.low[rows] >> (FRAME - LIMB)
            self.limbs[rows, self.moved[rows]] = limb
            self.point[rows] = (self.point[rows] - (limb << (FRAME - LIMB))) << LIMB
            self.low[rows] = (self.low[rows] & keep) << LIMB
            self.size[rows] <<= LIMB
            self.moved[rows] += 1

    def digits(self, rows: Rows, point) -> Int[np.ndarray, "rows digits"]:
        """The value of a window that ends at `point`: the limbs put aside, then the frame's, carries resolved."""
        width = self.limbs.shape[1]
        moved = self.moved[rows]
        limbs = np.where(np.arange(width) < moved[:, None], self.limbs[rows], 0)
        index = np.arange(len(rows))
        limbs[index, moved] += point >> (2 * LIMB)
        limbs[index, moved + 1] += (point >> LIMB) & 0xFFFF
        limbs[index, moved + 2] += point & 0xFFFF
        for column in range(width - 1, 0, -1):
            limbs[:, column - 1] += limbs[:, column] >> LIMB
            limbs[:, column] &= 0xFFFF
        return limbs[:, : width - 4].astype(np.uint16)


class Rule(Protocol):
    """How a window ends. Lengths of 0 stand for a window that can hold none of its symbols."""

    def before(self, streams: Streams, tables: Int[np.ndarray, "streams symbols_plus_2"]) -> None:
        """Called before the next symbol is read, with its tables."""

    def after(self, streams: Streams, rows: Rows) -> None:
        """Called when these streams have read a symbol."""

    def begin(self, rows: Rows) -> None:
        """Called when these streams begin a window."""

    def end(self, streams: Streams, rows: Rows) -> End:
        """(symbols kept, value in digits, bits needed) of windows that are full or whose text has ended."""
        ...

    def take(self, rows: Rows) -> None:
        """Keep these streams alone."""


class Greedy:
    """All symbols that fit, then zeros; with `random`, whatever it draws in place of the zeros."""

    def __init__(self, window: int, random: np.random.Generator | None = None):
        self.window, self.random = window, random

    def before(self, streams: Streams, tables) -> None:
        pass

    def after(self, streams: Streams, rows: Rows) -> None:
        pass

    def begin(self, rows: Rows) -> None:
        pass

    def take(self, rows: Rows) -> None:
        pass

    def end(self, streams: Streams, rows: Rows) -> End:
        point, used = streams.point[rows], streams.used[rows]
        if self.random is not None:
            frame = FRAME + LIMB * streams.moved[rows]
            cell = np.maximum(frame - self.window, 0)
            point = point + (self.random.integers(0, np.int64(1) << (frame - used - cell)) << cell)
        return streams.count[rows], streams.digits(rows, point), used


class Delay(Greedy):
    """The shortest prefix that has the padded code of all symbols that fit; windows of at most 48 bits."""

    def __init__(self, streams: int, longest: int):
        self.history = np.zeros((streams, longest + 1), dtype=np.int64)
        """The padded code behind each symbol of the open window."""

    def after(self, streams: Streams, rows: Rows) -> None:
        value = np.zeros(len(rows), dtype=np.int64)
        for column in range(3):
            value = (value << LIMB) + np.where(column < streams.moved[rows], streams.limbs[rows, column], 0)
        value += streams.point[rows] >> (LIMB * streams.moved[rows])
        self.history[rows, streams.count[rows]] = value

    def take(self, rows: Rows) -> None:
        self.history = self.history[rows]

    def end(self, streams: Streams, rows: Rows) -> End:
        same = self.history[rows] == self.history[rows, streams.count[rows]][:, None]
        return same[:, 1:].argmax(1) + 1, streams.digits(rows, streams.point[rows]), streams.used[rows]


class Pad(Greedy):
    """The longest prefix behind which some value makes the decoder stop, and that value."""

    def __init__(self, streams: int, window: int, longest: int):
        self.window, self.longest = window, longest
        self.length = np.zeros(streams, dtype=np.int64)
        self.value = np.zeros((streams, -(-window // LIMB)), dtype=np.uint16)
        self.used = np.zeros(streams, dtype=np.int64)

    def before(self, streams: Streams, tables) -> None:
        """Where the window could end now: a value at which the decoder stops after exactly `count` symbols."""
        rows = np.flatnonzero(streams.count > 0)
        cell = (FRAME + LIMB * streams.moved[rows] - self.window)[:, None]  # a value is worth 2^cell units
        bounds = streams.size[rows, None] * tables[rows]
        bounds >>= PRECISION
        bounds += streams.low[rows, None]
        grid = np.maximum(cell, 0)
        first = -(-bounds >> grid)  # values below each bound
        inside = first[:, :-1] < first[:, 1:]
        usable = inside & (bounds[:, 1:] >> grid <= first[:, :-1]) & (cell >= 0)  # no room for a code of W bits
        usable[:, -1] = inside[:, -1]  # the escape ends a window whatever its size
        full = streams.count[rows] == self.longest  # the decoder stops here anyway
        usable[full] |= inside[full]
        found = usable.any(1)
        chosen = usable[found].argmax(1)
        point = (first[found, chosen]) << grid[found, 0]
        rows = rows[found]
        self.length[rows] = streams.count[rows]
        self.used[rows] = streams.used[rows]
        self.value[rows] = streams.digits(rows, point)

    def begin(self, rows: Rows) -> None:
        self.length[rows] = 0

    def take(self, rows: Rows) -> None:
        self.length, self.value, self.used = self.length[rows], self.value[rows], self.used[rows]

    def end(self, streams: Streams, rows: Rows) -> End:
        return self.length[rows], self.value[rows], self.used[rows]
