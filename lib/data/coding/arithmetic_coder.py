"""Arithmetic coding with integers: many independent streams in lockstep, every platform to the same bit.

An interval inside [0, 1) narrows with every symbol to the part that the symbol's probability gives it,

    low' = low + size C(x),      size' = size (C(x + 1) - C(x)),      C the cumulative distribution,

and any binary fraction inside the last interval is a code: about -sum log2 p(x) bits (Lester et al., arXiv 2404.03626,
section 2.4; Witten, Neal and Cleary, 1987). Probabilities are integers out of 2^14, so that encoder and decoder cannot
disagree about a float.

The coder keeps low in 32 bits and size in (2^16, 2^32]. When size falls to 2^16 the upper 16 bits of low go out as a
digit; an addition that overflows low adds one to the digit before, and a last pass from right to left resolves the
carries. Decoding needs only the distance of the code from low, so it never sees a carry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

PRECISION = 14
"""Bits of a probability: every symbol has at least 2^-14."""
TOTAL = 1 << PRECISION
_DIGIT, _WORD = 16, 32


def quantize(probabilities: Float[np.ndarray, "... symbols"]) -> Int[np.ndarray, "... symbols_plus_1"]:
    """Cumulative integer tables: 0 = C[0] < C[1] < ... < C[K] = 2^14.

    Each p, first rounded to 2^-32 of the largest, becomes 1 + floor(p (2^14 - K)); what is left over goes to the most
    probable symbol. From the rounding on all is integers, so that the result depends on no order of summation.
    Raises ValueError for a negative or non-finite entry, more than 2^13 symbols or a row without any probability.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    symbols = p.shape[-1] if p.ndim else 0
    if not 1 <= symbols <= TOTAL // 2:
        raise ValueError(f"probabilities must have 1..{TOTAL // 2} symbols, got {symbols}")
    if not np.isfinite(p).all() or (p < 0).any():
        wrong = p[~np.isfinite(p) | (p < 0)].flat[0]
        raise ValueError(f"probabilities must be finite and not negative, got {wrong}")
    largest = p.max(-1, keepdims=True)
    if (largest <= 0).any():
        raise ValueError("probabilities must have a positive entry in every row, got a row of zeros")
    weights = np.floor(p / largest * 2.0**32 + 0.5).astype(np.int64)
    counts = 1 + weights * (TOTAL - symbols) // weights.sum(-1, keepdims=True)
    best = counts.argmax(-1)[..., None]
    left = TOTAL - counts.sum(-1, keepdims=True)
    np.put_along_axis(counts, best, np.take_along_axis(counts, best, -1) + left, -1)
    table = np.zeros((*p.shape[:-1], symbols + 1), dtype=np.int64)
    np.cumsum(counts, axis=-1, out=table[..., 1:])
    return table


class Encoder:
    """Codes one symbol a stream and call; `finish` gives each stream's bits.

    Streams of unequal length: pass the streams that go on as `active`.
    """

    def __init__(self, streams: int):
        if streams < 1:
            raise ValueError(f"streams must be at least 1, got {streams}")
        self.low = np.zeros(streams, dtype=np.int64)
        self.size = np.full(streams, 1 << _WORD, dtype=np.int64)
        self.emitted = np.zeros(streams, dtype=np.int64)
        self._digits = np.zeros((streams, 16), dtype=np.int64)

    def encode(self, lower: Int[np.ndarray, " active"], upper: Int[np.ndarray, " active"], active=slice(None)) -> None:
        """Narrow to [lower, upper) out of 2^14, the symbol's two entries of its table."""
        lower, upper = np.asarray(lower, dtype=np.int64), np.asarray(upper, dtype=np.int64)
        if ((lower < 0) | (lower >= upper) | (upper > TOTAL)).any():
            wrong = int(((lower < 0) | (lower >= upper) | (upper > TOTAL)).argmax())
            raise ValueError(
                f"lower and upper must satisfy 0 <= lower < upper <= {TOTAL}, got {lower[wrong]} and {upper[wrong]}"
            )
        size = self.size[active]
        start = (size * lower) >> PRECISION
        low, size = self.low[active] + start, ((size * upper) >> PRECISION) - start
        rows = np.arange(len(self.low))[active]
        carried = low >> _WORD
        if carried.any():
            over = rows[carried > 0]
            self._digits[over, self.emitted[over] - 1] += 1
            low &= (1 << _WORD) - 1
        small = size <= 1 << _DIGIT
        if small.any():
            out = rows[small]
            if int(self.emitted[out].max()) >= self._digits.shape[1]:
                self._digits = np.concatenate([self._digits, np.zeros_like(self._digits)], axis=1)
            self._digits[out, self.emitted[out]] = low[small] >> _DIGIT
            self.emitted[out] += 1
            low[small] = (low[small] & ((1 << _DIGIT) - 1)) << _DIGIT
            size[small] <<= _DIGIT
        self.low[active], self.size[active] = low, size

    def finish(self) -> list[np.ndarray]:
        """Bits of every stream, uint8 arrays of 0 and 1: its digits and the shortest code of the last interval."""
        length, point = shortest_codes(self.low, self.size, _WORD)
        rows, columns = np.arange(len(self.low)), np.arange(int(self.emitted.max()) + 2)
        digits = np.zeros((len(rows), len(columns)), dtype=np.int64)
        kept = min(len(columns), self._digits.shape[1])
        digits[:, :kept] = np.where(columns[:kept] < self.emitted[:, None], self._digits[:, :kept], 0)
        digits[rows, self.emitted] += point >> _DIGIT
        digits[rows, self.emitted + 1] += point & ((1 << _DIGIT) - 1)
        for place in columns[:0:-1]:
            digits[:, place - 1] += digits[:, place] >> _DIGIT
            digits[:, place] &= (1 << _DIGIT) - 1
        bits = np.unpackbits(digits.astype(">u2").view(np.uint8), axis=1)
        return [row[:count].copy() for row, count in zip(bits, _DIGIT * self.emitted + length, strict=True)]


class Decoder:
    """The inverse: finds one symbol a stream and call. Bits past a stream's end read as zero."""

    def __init__(self, streams: Sequence[np.ndarray]):
        if not streams:
            raise ValueError("streams must hold at least one array of bits, got none")
        longest = max(len(bits) for bits in streams)
        words = -(-longest // _DIGIT) + 2
        padded = np.zeros((len(streams), words * _DIGIT), dtype=np.uint8)
        for row, bits in zip(padded, streams, strict=True):
            row[: len(bits)] = bits
        self._digits = np.packbits(padded, axis=1).view(">u2").astype(np.int64)
        self.size = np.full(len(streams), 1 << _WORD, dtype=np.int64)
        self.offset = (self._digits[:, 0] << _DIGIT) | self._digits[:, 1]
        self._next = np.full(len(streams), 2, dtype=np.int64)

    @property
    def digits_read(self) -> int:
        """16-bit digits that the farthest stream has taken up; two more than its bits means it is past its end."""
        return int(self._next.max())

    def decode(
        self, tables: Int[np.ndarray, "active symbols_plus_1"], active=slice(None)
    ) -> Int[np.ndarray, " active"]:
        """One symbol of each active stream; `tables` are those the encoder used at this step."""
        rows = np.arange(len(self.size))[active]
        size, offset = self.size[rows], self.offset[rows]
        # (size C) >> 14 <= offset  is the same as  C <= ((offset + 1) 2^14 - 1) / size.
        target = (((offset + 1) << PRECISION) - 1) // size
        tables = np.broadcast_to(tables, (len(rows), np.shape(tables)[-1]))
        symbol = (tables[:, 1:-1] <= target[:, None]).sum(1)
        start = (size * np.take_along_axis(tables, symbol[:, None], 1)[:, 0]) >> PRECISION
        size = ((size * np.take_along_axis(tables, symbol[:, None] + 1, 1)[:, 0]) >> PRECISION) - start
        offset = offset - start
        small = size <= 1 << _DIGIT
        if small.any():
            ahead = np.minimum(self._next[rows[small]], self._digits.shape[1] - 1)  # the last digit is zero
            offset[small] = (offset[small] << _DIGIT) | self._digits[rows[small], ahead]
            size[small] <<= _DIGIT
            self._next[rows[small]] += 1
        self.size[rows], self.offset[rows] = size, offset
        return symbol


def shortest_code(low: int, size: int, bits: int) -> tuple[int, int]:
    """(length, code): the shortest binary fraction whose whole interval lies in [low, low + size), in units of 2^-bits.

    code is the leftmost of that length; it may be 2^length where low + size reaches beyond 2^bits.
    """
    length = max(0, bits - (size.bit_length() - 1))
    while True:
        unit = 1 << (bits - length)
        code = -(-low // unit)
        if (code + 1) * unit <= low + size:
            return length, code
        length += 1


def shortest_codes(
    low: Int[np.ndarray, " intervals"], size: Int[np.ndarray, " intervals"], bits: int
) -> tuple[Int[np.ndarray, " intervals"], Int[np.ndarray, " intervals"]]:
    """(length, point) of many intervals at once: `shortest_code`, the code as the place where its interval begins."""
    exponent = np.frexp(size.astype(np.float64))[1].astype(np.int64) - 1  # exact below 2^53
    point = -(-low >> exponent) << exponent
    exponent = exponent - (point + (np.int64(1) << exponent) > low + size)
    return bits - exponent, -(-low >> exponent) << exponent


def encode_streams(
    symbols: Int[np.ndarray, "streams length"], table_of: Callable[[int], Int[np.ndarray, "#streams symbols_plus_1"]]
) -> list[np.ndarray]:
    """Bits of each row of symbols; `table_of(step)` gives the tables for that step."""
    coder, rows = Encoder(len(symbols)), np.arange(len(symbols))
    for step in range(symbols.shape[1]):
        tables = np.asarray(table_of(step))
        tables = np.broadcast_to(tables, (len(symbols), tables.shape[-1]))
        coder.encode(tables[rows, symbols[:, step]], tables[rows, symbols[:, step] + 1])
    return coder.finish()
