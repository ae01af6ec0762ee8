"""Writing Equal-Info Windows: all streams advance in lockstep, one byte and one step of the model at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.data.coding.arithmetic_coder import PRECISION, shortest_codes
from lib.data.coding.byte_models import ByteModel, symbols_of
from lib.data.coding.window_rules import Delay, Greedy, Pad, Rows, Rule, Streams
from lib.data.coding.windows import FRAME, LIMB, Windows, check_window, start_table
from lib.data.randomness import generator


def encode_windows(
    model: ByteModel,
    texts: Sequence[bytes],
    window: int,
    *,
    mode: str = "pad",
    longest: int = 64,
    reset_every: int = 1,
    padding: str = "zero",
    seed: int = 0,
) -> list[Windows]:
    """The windows of each text; all texts advance together.

    longest: bytes after which a window ends in any case. For ablations, in mode "greedy" only: reset_every = 2 resets
    the model with every second window, 0 never (such windows cannot be decoded alone); padding = "random" fills the
    bits left over from `seed`, as far as the frame of 48 bits reaches.
    Raises ValueError for an argument that is out of range.
    """
    check_window(window, mode, longest, reset_every=reset_every, padding=padding)
    if not texts:
        return []
    rule: Rule
    if mode == "pad":
        rule = Pad(len(texts), window, longest)
    elif mode == "delay":
        rule = Delay(len(texts), longest)
    else:
        rule = Greedy(window, generator(seed) if padding == "random" else None)
    return _Encoding(model, texts, window, longest, reset_every, rule).run()


class _Encoding:
    """One call of `encode_windows`."""

    def __init__(
        self, model: ByteModel, texts: Sequence[bytes], window: int, longest: int, reset_every: int, rule: Rule
    ):
        self.model, self.window, self.longest, self.reset_every, self.rule = model, window, longest, reset_every, rule
        self.first_table, self.escape = start_table(model, window), len(model.alphabet)
        self.digits, self.texts = -(-window // LIMB), len(texts)
        # One flat text with an end mark after each: a gather finds every stream's next symbol.
        self.symbols = np.concatenate([np.append(symbols_of(text, model.alphabet), -1) for text in texts])
        self.bytes = np.concatenate([np.append(np.frombuffer(text, dtype=np.uint8), 0) for text in texts]).astype(int)
        ends = np.cumsum([len(text) + 1 for text in texts], dtype=np.int64)
        self.streams = Streams.start(np.concatenate([[0], ends[:-1]]), self.digits)
        self.state = model.start(len(texts))
        self.written: list[tuple[np.ndarray, ...]] = []
        """(ids, digits, lengths, used) of the windows, in the order in which they were closed."""

    def run(self) -> list[Windows]:
        everything = np.arange(self.texts)
        self.state = self.model.feed(self.state, self._open(everything), np.zeros(self.texts, dtype=bool))
        while (self.streams.count > 0).any():
            self._drop_ended()
            self._step()
        return self._gathered()

    def _step(self) -> None:
        """The next symbol of every stream, in the open window where it fits, else in a new one."""
        streams, rows = self.streams, np.arange(len(self.streams))
        tables = self.model.tables(self.state)
        symbols = self.symbols[streams.place]
        known = (symbols >= 0) & (symbols < self.escape)
        chosen = np.where(known, symbols, 0)
        start = (streams.size * tables[rows, chosen]) >> PRECISION
        size = ((streams.size * tables[rows, chosen + 1]) >> PRECISION) - start
        low = streams.low + start
        bits, point = shortest_codes(low, size, FRAME)
        fits = known & (LIMB * streams.moved + bits <= self.window) & (streams.count < self.longest)
        self.rule.before(streams, tables)
        closed = np.flatnonzero(~fits & (streams.count > 0))
        self._accept(np.flatnonzero(fits), low, size, bits, point)
        fed, reset = np.where(fits, symbols, -1), np.zeros(len(rows), dtype=bool)
        if len(closed):
            self._close(closed)
            fed[closed], reset[closed] = self._reopen(closed, tables)
        self.state = self.model.feed(self.state, fed, reset)

    def _accept(self, rows: Rows, low, size, bits, point) -> None:
        self.streams.narrow(rows, low, size, bits, point)
        self.rule.after(self.streams, rows)

    def _close(self, rows: Rows) -> None:
        """Write the window and, where its end lies further back, step back to it."""
        streams = self.streams
        length, digits, used = self.rule.end(streams, rows)
        streams.place[rows] += length - streams.count[rows]
        none = length == 0
        self._write_escapes(rows[none])
        kept = ~none
        self.written.append((streams.ids[rows[kept]], digits[kept], length[kept], used[kept]))

    def _open(self, rows: Rows) -> np.ndarray:
        """Begin windows with their first symbol, from the start table; returns it, or -1 where a text has ended."""
        fed = np.full(len(rows), -1, dtype=np.int64)
        waiting, table = np.arange(len(rows)), self.first_table
        self.streams.begin(rows)
        self.rule.begin(rows)
        while len(waiting):
            symbols = self.symbols[self.streams.place[rows[waiting]]]
            waiting, symbols = waiting[symbols >= 0], symbols[symbols >= 0]
            direct = (symbols < self.escape) & (table[symbols + 1] > table[symbols])
            fed[waiting[direct]] = symbols[direct]
            waiting = waiting[~direct]
            self._write_escapes(rows[waiting])
        begun = np.flatnonzero(fed >= 0)
        self._first_symbol(rows[begun], table[fed[begun]], table[fed[begun] + 1])
        return fed

    def _reopen(self, rows: Rows, tables) -> tuple[np.ndarray, np.ndarray]:
        """The next windows' first symbols, and where the model is reset; elsewhere it reads on."""
        if self.reset_every == 1:
            return self._open(rows), np.ones(len(rows), dtype=bool)
        opened = self.streams.opened[rows]
        reset = (opened % self.reset_every == 0) if self.reset_every else np.zeros(len(rows), dtype=bool)
        fed = np.full(len(rows), -1, dtype=np.int64)
        fed[reset] = self._open(rows[reset])
        going, here = rows[~reset], np.flatnonzero(~reset)
        self.streams.begin(going)
        while True:
            symbols = self.symbols[self.streams.place[going]]
            unknown = going[symbols == self.escape]
            if not len(unknown):
                break
            self._write_escapes(unknown)
        more = symbols >= 0
        begun, first = going[more], symbols[more]
        fed[here[more]] = first
        self._first_symbol(begun, tables[begun, first], tables[begun, first + 1])
        return fed, reset

    def _first_symbol(self, rows: Rows, lower, upper) -> None:
        shift = FRAME - PRECISION
        low, size = np.zeros_like(self.streams.low), np.ones_like(self.streams.size)
        low[rows], size[rows] = lower << shift, (upper - lower) << shift
        self.streams.opened[rows] += 1
        self._accept(rows, low, size, *shortest_codes(low, size, FRAME))

    def _write_escapes(self, rows: Rows) -> None:
        """Two windows for the byte at hand, the escape's code and the byte in the upper eight bits; then go on."""
        if not len(rows):
            return
        ids, place = self.streams.ids[rows], self.streams.place[rows]
        shift = FRAME - PRECISION
        lower, upper = self.first_table[-2] << shift, self.first_table[-1] << shift
        bits, point = shortest_codes(np.array([lower]), np.array([upper - lower]), FRAME)
        digits = np.zeros((len(rows), self.digits), dtype=np.uint16)
        for column in range(min(3, self.digits)):
            digits[:, column] = int(point[0]) >> (FRAME - LIMB * (column + 1)) & 0xFFFF
        literal = np.zeros_like(digits)
        literal[:, 0] = self.bytes[place] << 8
        nothing = np.zeros(len(rows), dtype=np.int64)
        self.written.append((ids, digits, nothing, nothing + int(bits[0])))
        self.written.append((ids, literal, nothing + 1, nothing + 8))
        self.streams.place[rows] += 1

    def _drop_ended(self) -> None:
        """Drop the streams whose text has ended, once they are a tenth of all."""
        rows = np.flatnonzero(self.streams.count > 0)
        if len(rows) <= 0.9 * len(self.streams):
            self.streams, self.state = self.streams.take(rows), self.model.select(self.state, rows)
            self.rule.take(rows)

    def _gathered(self) -> list[Windows]:
        """The windows of each text, in their order."""
        if not self.written:
            empty = np.zeros(0, dtype=np.int64)
            return [Windows(np.zeros((0, self.digits), dtype=np.uint16), empty, empty) for _ in range(self.texts)]
        ids, digits, lengths, used = (np.concatenate(parts) for parts in zip(*self.written, strict=True))
        order = np.argsort(ids, kind="stable")
        cuts = np.searchsorted(ids[order], np.arange(1, self.texts))
        split = (np.split(values[order], cuts) for values in (digits, lengths, used))
        return [Windows(*parts) for parts in zip(*split, strict=True)]
