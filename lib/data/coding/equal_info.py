"""Equal-Info Windows (Lester et al., arXiv 2404.03626): text cut where an arithmetic code fills W bits.

The coder and its model start afresh with every window, so that W bits can be read on their own. An interval is coded
until the next byte would need more than W bits; how the bits left over are filled decides whether a window can be
read back. With T(I) the length of the shortest code inside I, and a window's value v taken as the point v / 2^W:

- "greedy", the paper's own: the longest prefix that fits, then zeros. The decoder takes the longest prefix whose
  padded code is v. *Not lossless*: a likely byte may be added to a prefix without changing v.
- "delay" (appendix A.5): the shortest prefix with that same padded code; the decoder stops at the first match.
- "pad" (ours): the decoder reads on at the point v until the next symbol's interval has no code of W bits. The encoder
  picks a v where that happens after the right symbol, for the longest prefix that has one.

What no window can hold, a byte outside the model's alphabet or one without a v, takes two: the escape, then the byte.

All streams advance in lockstep, one byte and one step of the model at a time. Intervals live in a frame of 48 bits;
when a size falls to 2^32 the frame moves on by 16 bits and a limb of the lower end is put aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from lib.data.coding.arithmetic_coder import PRECISION, TOTAL, shortest_codes
from lib.data.coding.byte_models import ByteModel, symbols_of
from lib.data.randomness import generator

MODES = ("greedy", "delay", "pad")
_FRAME, _LIMB = 48, 16
ESCAPE, NO_TEXT = -1, 0
"""What `parse_windows` gives for a length where a window holds no text."""


@dataclass(frozen=True)
class Windows:
    """The windows of one text, one row each.

    `digits`: the value in 16-bit digits, its W bits first and zeros behind them. `lengths`: bytes of text; an escape
    has 0 and the byte behind it 1. `used`: bits of the shortest code, what the window would have needed.
    """

    digits: Int[np.ndarray, "windows digits"]
    lengths: Int[np.ndarray, " windows"]
    used: Int[np.ndarray, " windows"]

    def __len__(self) -> int:
        return len(self.lengths)


def start_table(model: ByteModel, window: int) -> Int[np.ndarray, " symbols_plus_2"]:
    """The table of a window's first symbol, in which every entry that is not empty has a code of `window` bits.

    A symbol below 2^(1 - W), which might have none, is left to the escape together with its share; where that is
    nothing, the escape's own share comes from the most probable symbol, or is the rarest one's.
    """
    counts = np.diff(model.tables(model.start(1))[0])
    known, unit = counts[:-1], 1 << max(0, PRECISION + 1 - window)
    small = known < unit
    counts[-1] += known[small].sum()
    known[small] = 0
    missing = unit - counts[-1]
    if missing > 0:
        best = known.argmax()
        place, taken = best, missing
        if known[best] - missing < unit:
            place = np.where(known > 0, known, TOTAL).argmin()
            taken = known[place]
        known[place] -= taken
        counts[-1] += taken
    return np.concatenate([[0], counts.cumsum()])


def check_window(
    window: int, mode: str = "pad", longest: int = 64, *, reset_every: int = 1, padding: str = "zero"
) -> None:
    """What every function below takes. Raises ValueError in one sentence for what is not allowed."""
    if not 8 <= window <= 1024:
        raise ValueError(f"window must be 8..1024 bits, got {window}")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if mode == "delay" and window > _FRAME:
        raise ValueError(f"window must be at most {_FRAME} bits with mode 'delay', got {window}")
    if mode != "greedy" and (reset_every != 1 or padding != "zero"):
        raise ValueError("mode must be 'greedy' where the model is not reset with every window or padding is random")
    if padding not in ("zero", "random") or longest < 1 or reset_every < 0:
        raise ValueError(
            "padding must be 'zero' or 'random', longest at least 1 and reset_every at least 0, "
            f"got {padding!r}, {longest} and {reset_every}"
        )
    if reset_every != 1 and window < PRECISION + 2:
        raise ValueError(f"window must be at least {PRECISION + 2} bits without a reset, got {window}")


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
    return _Encoding(model, texts, window, mode, longest, reset_every, padding, seed).run()


class _Encoding:
    """One call of `encode_windows`. Arrays hold one entry a stream that has text left; `ids` says which text it is."""

    def __init__(self, model, texts, window, mode, longest, reset_every, padding, seed):
        self.model, self.window, self.mode, self.longest = model, window, mode, longest
        self.reset_every, self.random = reset_every, generator(seed) if padding == "random" else None
        self.start = start_table(model, window)
        self.escape = len(model.alphabet)
        self.digits = -(-window // _LIMB)
        self.columns = self.digits + 4
        self.lengths = np.array([len(text) for text in texts], dtype=np.int64)
        # One flat text with an end mark after each: a gather finds every stream's next symbol.
        flat = [np.append(symbols_of(text, model.alphabet), -1) for text in texts]
        self.symbols = np.concatenate(flat)
        self.bytes = np.concatenate([np.append(np.frombuffer(text, dtype=np.uint8), 0) for text in texts]).astype(int)
        self.place = np.concatenate([[0], np.cumsum(self.lengths + 1)[:-1]])
        count = len(texts)
        self.ids = np.arange(count)
        self.low, self.size = np.zeros(count, dtype=np.int64), np.full(count, 1 << _FRAME, dtype=np.int64)
        self.moved = np.zeros(count, dtype=np.int64)  # 16-bit limbs put aside
        self.limbs = np.zeros((count, self.columns), dtype=np.int64)
        self.count = np.zeros(count, dtype=np.int64)  # symbols in the open window
        self.opened = np.zeros(count, dtype=np.int64)
        self.best = np.zeros(count, dtype=np.int64)  # mode "pad": the longest prefix with a value so far
        self.best_digits = np.zeros((count, self.digits), dtype=np.uint16)
        self.best_used = np.zeros(count, dtype=np.int64)
        self.history = np.zeros((count, longest + 1 if mode == "delay" else 0), dtype=np.int64)
        self.used = np.zeros(count, dtype=np.int64)
        self.point = np.zeros(count, dtype=np.int64)
        self.state = model.start(count)
        self.results: list[tuple[np.ndarray, ...]] = []

    def run(self) -> list[Windows]:
        texts = len(self.ids)
        everything = np.arange(texts)
        self.state = self.model.feed(self.state, self._open(everything), np.zeros(texts, dtype=bool))
        while (self.count > 0).any():
            self._compact()
            tables = self.model.tables(self.state)
            symbols = self.symbols[self.place]
            rows = np.arange(len(self.ids))
            known = (symbols >= 0) & (symbols < self.escape)
            chosen = np.where(known, symbols, 0)
            start = (self.size * tables[rows, chosen]) >> PRECISION
            size = ((self.size * tables[rows, chosen + 1]) >> PRECISION) - start
            low = self.low + start
            bits, point = shortest_codes(low, size, _FRAME)
            fits = known & (_LIMB * self.moved + bits <= self.window) & (self.count < self.longest)
            if self.mode == "pad":
                self._note_candidates(tables)
            closed = np.flatnonzero(~fits & (self.count > 0))
            self._accept(np.flatnonzero(fits), low, size, bits, point)
            fed, reset = np.where(fits, symbols, -1), np.zeros(len(rows), dtype=bool)
            if len(closed):
                self._close(closed)
                fed[closed], reset[closed] = self._reopen(closed, tables)
            self.state = self.model.feed(self.state, fed, reset)
        return self._gathered(texts)

    def _accept(self, rows, low, size, bits, point) -> None:
        """Narrow the interval to the next symbol, which fits."""
        self.low[rows], self.size[rows] = low[rows], size[rows]
        self.used[rows], self.point[rows] = _LIMB * self.moved[rows] + bits[rows], point[rows]
        self.count[rows] += 1
        self.place[rows] += 1
        self._move(rows)
        if self.mode == "delay":
            self.history[rows, self.count[rows]] = self._values(rows)

    def _move(self, rows) -> None:
        """Where the size has fallen to 2^32, put 16 bits of the lower end aside."""
        rows = rows[self.size[rows] <= 1 << (_FRAME - _LIMB)]
        if len(rows):
            keep = (1 << (_FRAME - _LIMB)) - 1
            limb = self.low[rows] >> (_FRAME - _LIMB)
            self.limbs[rows, self.moved[rows]] = limb
            self.point[rows] = (self.point[rows] - (limb << (_FRAME - _LIMB))) << _LIMB
            self.low[rows] = (self.low[rows] & keep) << _LIMB
            self.size[rows] <<= _LIMB
            self.moved[rows] += 1

    def _values(self, rows) -> np.ndarray:
        """The padded code of windows of at most 48 bits as one integer."""
        value = np.zeros(len(rows), dtype=np.int64)
        for column in range(3):
            value = (value << _LIMB) + np.where(column < self.moved[rows], self.limbs[rows, column], 0)
        shift = _LIMB * self.moved[rows]
        return value + (self.point[rows] >> shift)

    def _note_candidates(self, tables) -> None:
        """Where the window could end now: a value at which the decoder stops after exactly `count` symbols."""
        rows = np.flatnonzero(self.count > 0)
        cell = (_FRAME + _LIMB * self.moved[rows] - self.window)[:, None]  # a value is worth 2^cell units
        bounds = self.size[rows, None] * tables[rows]
        bounds >>= PRECISION
        bounds += self.low[rows, None]
        grid = np.maximum(cell, 0)
        first = -(-bounds >> grid)  # values below each bound
        inside = first[:, :-1] < first[:, 1:]
        usable = inside & (bounds[:, 1:] >> grid <= first[:, :-1]) & (cell >= 0)  # no room for a code of W bits
        usable[:, -1] = inside[:, -1]  # the escape ends a window whatever its size
        full = self.count[rows] == self.longest  # the decoder stops here anyway
        usable[full] |= inside[full]
        found = usable.any(1)
        chosen = usable[found].argmax(1)
        point = (first[found, chosen]) << grid[found, 0]
        rows = rows[found]
        self.best[rows] = self.count[rows]
        self.best_used[rows] = self.used[rows]
        self.best_digits[rows] = self._digits(rows, point)

    def _digits(self, rows, point) -> np.ndarray:
        """The window's value: the limbs put aside, then the point in the frame, carries resolved."""
        columns = np.arange(self.columns)
        moved = self.moved[rows]
        limbs = np.where(columns < moved[:, None], self.limbs[rows], 0)
        index = np.arange(len(rows))
        limbs[index, moved] += point >> (2 * _LIMB)
        limbs[index, moved + 1] += (point >> _LIMB) & 0xFFFF
        limbs[index, moved + 2] += point & 0xFFFF
        for column in range(self.columns - 1, 0, -1):
            limbs[:, column - 1] += limbs[:, column] >> _LIMB
            limbs[:, column] &= 0xFFFF
        return limbs[:, : self.digits].astype(np.uint16)

    def _close(self, rows) -> None:
        """Write the window and, where its end lies further back, step back to it."""
        if self.mode == "pad":
            none = self.best[rows] == 0
            if none.any():
                self._write_escapes(rows[none], self.place[rows[none]] - self.count[rows[none]])
                self.place[rows[none]] += 1 - self.count[rows[none]]
            rows = rows[~none]
            length, digits, used = self.best[rows], self.best_digits[rows], self.best_used[rows]
        elif self.mode == "delay":
            same = self.history[rows] == self.history[rows, self.count[rows]][:, None]
            length = same[:, 1:].argmax(1) + 1
            digits, used = self._digits(rows, self.point[rows]), self.used[rows]
        else:
            length, point, used = self.count[rows], self.point[rows], self.used[rows]
            if self.random is not None:
                cell = np.maximum(_FRAME + _LIMB * self.moved[rows] - self.window, 0)
                room = _FRAME + _LIMB * self.moved[rows] - used - cell
                point = point + (self.random.integers(0, np.int64(1) << room) << cell)
            digits = self._digits(rows, point)
        self.place[rows] += length - self.count[rows]
        self.results.append((self.ids[rows], digits, length.copy(), used.copy()))

    def _open(self, rows) -> np.ndarray:
        """Begin windows with their first symbol, from the start table; returns it, or -1 where a text has ended."""
        fed = np.full(len(rows), -1, dtype=np.int64)
        waiting = np.arange(len(rows))
        self.low[rows], self.size[rows], self.moved[rows] = 0, 1 << _FRAME, 0
        self.count[rows], self.best[rows] = 0, 0
        while len(waiting):
            symbols = self.symbols[self.place[rows[waiting]]]
            waiting, symbols = waiting[symbols >= 0], symbols[symbols >= 0]
            direct = (symbols < self.escape) & (self.start[symbols + 1] > self.start[symbols])
            fed[waiting[direct]] = symbols[direct]
            waiting = waiting[~direct]
            self._write_escapes(rows[waiting], self.place[rows[waiting]])
            self.place[rows[waiting]] += 1
        begun = np.flatnonzero(fed >= 0)
        self._first_symbol(rows[begun], self.start[fed[begun]], self.start[fed[begun] + 1])
        return fed

    def _reopen(self, rows, tables) -> tuple[np.ndarray, np.ndarray]:
        """The next windows' first symbols, and where the model is reset; elsewhere it reads on."""
        if self.reset_every == 1:
            return self._open(rows), np.ones(len(rows), dtype=bool)
        reset = (self.opened[rows] % self.reset_every == 0) if self.reset_every else np.zeros(len(rows), dtype=bool)
        fed = np.full(len(rows), -1, dtype=np.int64)
        fed[reset] = self._open(rows[reset])
        going, here = rows[~reset], np.flatnonzero(~reset)
        self.low[going], self.size[going], self.moved[going], self.count[going] = 0, 1 << _FRAME, 0, 0
        while True:
            symbols = self.symbols[self.place[going]]
            unknown = going[symbols == self.escape]
            if not len(unknown):
                break
            self._write_escapes(unknown, self.place[unknown])
            self.place[unknown] += 1
        more = symbols >= 0
        begun, first = going[more], symbols[more]
        fed[here[more]] = first
        self._first_symbol(begun, tables[begun, first], tables[begun, first + 1])
        return fed, reset

    def _first_symbol(self, rows, lower, upper) -> None:
        shift = _FRAME - PRECISION
        low, size = np.zeros_like(self.low), np.ones_like(self.size)
        low[rows], size[rows] = lower << shift, (upper - lower) << shift
        bits, point = shortest_codes(low, size, _FRAME)
        self.opened[rows] += 1
        self._accept(rows, low, size, bits, point)

    def _write_escapes(self, rows, place) -> None:
        """Two windows: the escape's code, and the byte in the upper eight bits."""
        if not len(rows):
            return
        shift = _FRAME - PRECISION
        lower, upper = self.start[-2] << shift, self.start[-1] << shift
        bits, point = shortest_codes(np.array([lower]), np.array([upper - lower]), _FRAME)
        digits = np.zeros((len(rows), self.digits), dtype=np.uint16)
        for column in range(min(3, self.digits)):
            digits[:, column] = int(point[0]) >> (_FRAME - _LIMB * (column + 1)) & 0xFFFF
        literal = np.zeros_like(digits)
        literal[:, 0] = self.bytes[place] << 8
        nothing = np.zeros(len(rows), dtype=np.int64)
        self.results.append((self.ids[rows], digits, nothing, nothing + int(bits[0])))
        self.results.append((self.ids[rows], literal, nothing + 1, nothing + 8))

    def _compact(self) -> None:
        """Drop the streams whose text has ended, once they are a tenth of all."""
        rows = np.flatnonzero(self.count > 0)
        if len(rows) > 0.9 * len(self.count):
            return
        for name in ("ids", "low", "size", "moved", "limbs", "count", "opened", "place", "used", "point"):
            setattr(self, name, getattr(self, name)[rows])
        for name in ("best", "best_digits", "best_used", "history"):
            setattr(self, name, getattr(self, name)[rows])
        self.state = self.model.select(self.state, rows)

    def _gathered(self, texts: int) -> list[Windows]:
        if not self.results:
            empty = np.zeros(0, dtype=np.int64)
            return [Windows(np.zeros((0, self.digits), dtype=np.uint16), empty, empty) for _ in range(texts)]
        ids, digits, lengths, used = (np.concatenate(parts) for parts in zip(*self.results, strict=True))
        order = np.argsort(ids, kind="stable")
        cuts = np.searchsorted(ids[order], np.arange(1, texts))
        split = (np.split(values[order], cuts) for values in (digits, lengths, used))
        return [Windows(*parts) for parts in zip(*split, strict=True)]


def decode_windows(
    model: ByteModel,
    digits: Int[np.ndarray, "windows digits"],
    window: int,
    *,
    mode: str = "pad",
    longest: int = 64,
) -> list[bytes]:
    """The bytes of each window (an escape gives none, the window behind it one).

    In mode "greedy" these are what the published rule reads, which need not be what was written.
    Raises ValueError for a window that no text has, and for an escape without its byte.
    """
    check_window(window, mode, longest)
    if not len(digits):
        return []
    if digits.shape[1] != -(-window // _LIMB):
        raise ValueError(f"digits must be {-(-window // _LIMB)} a window of {window} bits, got {digits.shape[1]}")
    values, which = np.unique(digits, axis=0, return_inverse=True)
    symbols, lengths = parse_windows(model, values, window, mode=mode, longest=longest)
    which = which.reshape(-1)
    parsed, lengths = lengths, lengths[which]
    literal = np.zeros(len(digits) + 1, dtype=bool)
    for place in np.flatnonzero(lengths == ESCAPE):
        literal[place + 1] = not literal[place]
    if literal[-1]:
        raise ValueError(f"the windows end in an escape: the byte behind window {len(digits)} is missing")
    literal = literal[:-1]
    damaged = np.where(literal, (digits[:, 0] & 0xFF > 0) | (digits[:, 1:] > 0).any(1), lengths == NO_TEXT)
    if damaged.any():
        raise ValueError(f"window {int(damaged.argmax()) + 1} of {len(digits)} stands for no text: it is damaged")
    known = np.frombuffer(model.alphabet, dtype=np.uint8)
    texts = [bytes(known[row[: max(0, length)]]) for row, length in zip(symbols, parsed, strict=True)]
    return [
        bytes([first >> 8]) if is_literal else texts[place]
        for is_literal, first, place in zip(literal.tolist(), digits[:, 0].tolist(), which.tolist(), strict=True)
    ]


def parse_windows(
    model: ByteModel,
    digits: Int[np.ndarray, "windows digits"],
    window: int,
    *,
    mode: str = "pad",
    longest: int = 64,
    batch: int = 8192,
) -> tuple[Int[np.ndarray, "windows longest"], Int[np.ndarray, " windows"]]:
    """Each window read by itself: its symbols and how many there are, or ESCAPE, or NO_TEXT.

    In mode "pad" every value stands for something, so that all 2^W values are a dictionary of texts.
    """
    check_window(window, mode, longest)
    if not len(digits):
        return np.zeros((0, longest), dtype=np.int64), np.zeros(0, dtype=np.int64)
    parts = [
        _parse(model, digits[begin : begin + batch], window, mode, longest) for begin in range(0, len(digits), batch)
    ]
    return np.concatenate([symbols for symbols, _ in parts]), np.concatenate([lengths for _, lengths in parts])


def _parse(model, digits, window, mode, longest):
    count = len(digits)
    symbols, lengths = np.zeros((count, longest), dtype=np.int64), np.zeros(count, dtype=np.int64)
    padded = np.concatenate([digits.astype(np.int64), np.zeros((count, 4), dtype=np.int64)], axis=1)
    rows = np.arange(count)
    low, size = np.zeros(count, dtype=np.int64), np.full(count, 1 << _FRAME, dtype=np.int64)
    offset = (padded[:, 0] << 2 * _LIMB) | (padded[:, 1] << _LIMB) | padded[:, 2]  # of the point above low
    moved = np.zeros(count, dtype=np.int64)
    start, escape = start_table(model, window), len(model.alphabet)
    state = model.start(count)
    for step in range(longest):
        tables = np.broadcast_to(start, (len(rows), len(start))) if step == 0 else model.tables(state)
        # (size C) >> 14 <= offset  is the same as  C <= ((offset + 1) 2^14 - 1) / size.
        target = np.minimum((((offset + 1) << PRECISION) - 1) // size, TOTAL - 1)
        symbol = (tables[:, 1:-1] <= target[:, None]).sum(1)
        index = np.arange(len(rows))
        begin = (size * tables[index, symbol]) >> PRECISION
        size = ((size * tables[index, symbol + 1]) >> PRECISION) - begin
        low, offset = low + begin, offset - begin
        bits, point = shortest_codes(low, size, _FRAME)
        goes_on = (symbol < escape) & (_LIMB * moved + bits <= window)
        if step == 0:
            lengths[rows[symbol == escape]] = ESCAPE
        symbols[rows[goes_on], step] = symbol[goes_on]
        if mode == "pad":
            lengths[rows[goes_on]] = step + 1
        else:
            beyond = np.arange(padded.shape[1]) > (moved + 2)[:, None]
            same = goes_on & (point == low + offset) & ~((padded[rows] > 0) & beyond).any(1)
            lengths[rows[same]] = step + 1
            if mode == "delay":
                goes_on &= ~same
        kept = np.flatnonzero(goes_on)
        if not len(kept):
            break
        rows, low, size, offset, moved = rows[kept], low[kept], size[kept], offset[kept], moved[kept]
        state = model.feed(model.select(state, kept), symbol[kept], np.zeros(len(kept), dtype=bool))
        small = np.flatnonzero(size <= 1 << (_FRAME - _LIMB))
        if len(small):
            low[small] = (low[small] & ((1 << (_FRAME - _LIMB)) - 1)) << _LIMB
            size[small] <<= _LIMB
            ahead = np.minimum(moved[small] + 3, padded.shape[1] - 1)
            offset[small] = (offset[small] << _LIMB) | padded[rows[small], ahead]
            moved[small] += 1
    return symbols, lengths
