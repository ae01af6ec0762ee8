"""Exercises of notebook 03: the shortest code, two texts in one window, tokens cut elsewhere, a window's worth."""

from __future__ import annotations

import numpy as np

from lib.data import MarkovModel, encode_windows
from lib.workbench.exercises import exercise

_BITS = 48


@exercise("the shortest code", returns=(int, int))
def code(answer):
    """answer(low, size) -> (length, code) in units of 2**-48."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        low = int(rng.integers(0, 2**_BITS - 2))
        size = int(min(2**_BITS - low, 2 ** int(rng.integers(1, _BITS)) + rng.integers(0, 2)))
        best = next(t for t in range(_BITS + 1) if (_code(low, t) + 1) * 2 ** (_BITS - t) <= low + size)
        length, value = answer(low, size)
        where = f"[{low}, {low + size})"
        assert length <= best, f"a code of {best} bits fits into {where}, got {length}"
        assert length == best, f"the shortest code for {where} has {best} bits; one of {length} reaches beyond it"
        assert value == _code(low, best), (
            f"the smallest code of {best} bits in {where} is {_code(low, best)}, got {value}"
        )


def _code(low: int, length: int) -> int:
    return -(-low // 2 ** (_BITS - length))


_TEXTS = (b"she sells sea shells by the sea shore, and the shells she sells are sea shells. " * 8,
          b"round the rugged rock the ragged rascal ran; the rascal ran round the rock. " * 8)  # fmt: skip


@exercise("two texts, one window", returns=(bytes, bytes))
def pair(answer):
    """answer(model, text) -> two texts, one a prefix of the other, whose greedy windows of 16 bits are the same one."""
    for text in _TEXTS:
        model = MarkovModel(text, order=1, alphabet=bytes(sorted(set(text))))
        first, second = answer(model, text)
        assert first != second, "the two texts must differ"
        assert second.startswith(first), f"the first text must be a prefix of the second, got {first!r} and {second!r}"
        a, b = (encode_windows(model, [part], 16, mode="greedy")[0] for part in (first, second))
        assert len(a) == len(b) == 1, f"one window each, got {len(a)} for {first!r} and {len(b)} for {second!r}"
        assert (a.digits == b.digits).all(), f"values {a.digits[0, 0]:016b} and {b.digits[0, 0]:016b} differ"
        c, d = (encode_windows(model, [part], 16)[0] for part in (first, second))
        assert len(c) != len(d) or (c.digits != d.digits).any(), "in mode 'pad' they must differ"


@exercise("move the knife", returns=np.ndarray)
def shifted(answer):
    """answer(tokens, bits) -> the tokens of 8 bits of the same stream without its first `bits` bits."""
    rng = np.random.default_rng(2)
    drawn = zip(rng.integers(2, 40, 6).tolist(), rng.integers(1, 16, 6).tolist(), strict=True)
    for count, bits in ((4, 8), (5, 4), (1, 0), *drawn):
        tokens = rng.integers(0, 256, count)
        stream = "".join(f"{token:08b}" for token in tokens)[bits:]
        wanted = [int(stream[i : i + 8], 2) for i in range(0, len(stream) - 7, 8)]
        got = answer(tokens.copy(), bits).tolist()
        where = f"{tokens.tolist()} without {bits} bits"
        assert len(got) == len(wanted), f"{where} leaves {len(wanted)} whole tokens, got {len(got)}"
        assert got == wanted, f"{where} is {wanted}, got {got}"


@exercise("a window's worth", returns=(float, float))
def worth(answer):
    """answer(bits, slack, first, later) -> (bytes in a window, bits per byte without learning)."""
    rng = np.random.default_rng(1)
    cases = [(16, 1.6, 4.6, 3.2), (40, 2.0, 5.0, 2.5), *((b, *rng.uniform(1, 5, 3).tolist()) for b in (16, 24, 64))]
    for bits, slack, first, later in cases:
        held, pays = answer(bits, slack, first, later)
        wanted = 1 + (bits - slack - first) / later
        assert abs(held - wanted) < 1e-9, f"one first byte, then what the rest pays for: {wanted:.3f}, got {held:.3f}"
        assert abs(pays - bits / wanted) < 1e-9, (
            f"every window costs all of its bits: {bits / wanted:.3f} bits per byte, got {pays:.3f}"
        )
