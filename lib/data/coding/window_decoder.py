"""Reading Equal-Info Windows: each by itself, all that differ in lockstep. The rules stand in `equal_info`."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from lib.data.coding.arithmetic_coder import PRECISION, TOTAL, shortest_codes
from lib.data.coding.byte_models import ByteModel
from lib.data.coding.windows import ESCAPE, FRAME, LIMB, NO_TEXT, check_window, start_table


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
    if digits.shape[1] != -(-window // LIMB):
        raise ValueError(f"digits must be {-(-window // LIMB)} a window of {window} bits, got {digits.shape[1]}")
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
    low, size = np.zeros(count, dtype=np.int64), np.full(count, 1 << FRAME, dtype=np.int64)
    offset = (padded[:, 0] << 2 * LIMB) | (padded[:, 1] << LIMB) | padded[:, 2]  # of the point above low
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
        bits, point = shortest_codes(low, size, FRAME)
        goes_on = (symbol < escape) & (LIMB * moved + bits <= window)
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
        small = np.flatnonzero(size <= 1 << (FRAME - LIMB))
        if len(small):
            low[small] = (low[small] & ((1 << (FRAME - LIMB)) - 1)) << LIMB
            size[small] <<= LIMB
            ahead = np.minimum(moved[small] + 3, padded.shape[1] - 1)
            offset[small] = (offset[small] << LIMB) | padded[rows[small], ahead]
            moved[small] += 1
    return symbols, lengths
