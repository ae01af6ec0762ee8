"""Equal-Info Windows: equal to exact fractions, lossless on any bytes, and honest about damage."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data.coding.arithmetic_coder import TOTAL
from lib.data.coding.byte_models import MarkovModel, symbols_of
from lib.data.coding.equal_info import (
    ESCAPE,
    decode_windows,
    encode_windows,
    parse_windows,
    start_table,
)

SAMPLE = (b"the cat sat on the mat, and the rat sat on the cat; that is that. " * 12) + b"0123456789 zebra " * 3
MODEL = MarkovModel(SAMPLE, order=1, alphabet=bytes(sorted(set(SAMPLE))))
SENTENCES = st.text("the cat, sao.\n", max_size=90).map(str.encode)


def values_of(windows, bits):
    """Windows as exact integers of `bits` bits."""
    total = 16 * windows.digits.shape[1]
    return [
        sum(int(d) << (total - 16 * (i + 1)) for i, d in enumerate(row)) >> (total - bits) for row in windows.digits
    ]


def table_after(history):
    state = MODEL.start(1)
    for symbol in history:
        state = MODEL.feed(state, np.array([symbol]), np.array([False]))
    return MODEL.tables(state)[0]


def code_of(low: Fraction, size: Fraction):
    """(length, code): the shortest binary fraction whose interval lies inside, leftmost, without floats."""
    length = 0
    while True:
        code = -((-low * 2**length) // 1)
        if (code + 1) / Fraction(2**length) <= low + size:
            return length, int(code)
        length += 1


def greedy_by_fractions(text, bits):
    """The published rule with exact fractions: (value, number of bytes) of every window."""
    symbols, windows, place = symbols_of(text, MODEL.alphabet).tolist(), [], 0
    while place < len(symbols):
        low, size, history, best = Fraction(0), Fraction(1), [], None
        while place + len(history) < len(symbols) and len(history) < 64:
            table = start_table(MODEL, bits) if not history else table_after(history)
            x = symbols[place + len(history)]
            low, size = (
                low + size * Fraction(int(table[x]), TOTAL),
                size * Fraction(int(table[x + 1] - table[x]), TOTAL),
            )
            length, code = code_of(low, size)
            if length > bits:
                break
            history.append(x)
            best = code << (bits - length)
        windows.append((best, len(history)))
        place += len(history)
    return windows


@pytest.mark.parametrize("bits", [12, 16, 24, 40])
def test_greedy_windows_are_those_of_exact_fractions(bits):
    text = SAMPLE[100:260]
    (windows,) = encode_windows(MODEL, [text], bits, mode="greedy")
    assert list(zip(values_of(windows, bits), windows.lengths.tolist(), strict=True)) == greedy_by_fractions(text, bits)


@settings(max_examples=120, deadline=None)
@given(
    texts=st.lists(
        st.one_of(st.binary(max_size=60), st.text("the cat, sao.\n", max_size=90).map(str.encode)), max_size=4
    ),
    window=st.sampled_from([8, 9, 10, 12, 15, 16, 17, 24, 31, 32, 33, 48, 49, 64, 100, 128]),
    mode=st.sampled_from(["delay", "pad"]),
    longest=st.sampled_from([1, 5, 64]),
)
def test_any_bytes_come_back_window_by_window(texts, window, mode, longest):
    if mode == "delay" and window > 48:
        mode = "pad"
    for text, windows in zip(texts, encode_windows(MODEL, texts, window, mode=mode, longest=longest), strict=True):
        parts = decode_windows(MODEL, windows.digits, window, mode=mode, longest=longest)
        assert b"".join(parts) == text
        assert [len(part) for part in parts] == windows.lengths.tolist()
        assert (windows.used <= window).all()


@pytest.mark.parametrize("window", [8, 9, 10])
def test_every_alphabet_keeps_every_symbol_readable(window):
    """Near-uniform alphabets of all sizes: where the smallest code just fits, and where the escape takes its room."""
    for size in [1, 2, *range(60, 257, 3)]:
        alphabet = bytes(range(size))
        model = MarkovModel(alphabet * 40, alphabet=alphabet)
        counts = np.diff(start_table(model, window))
        assert counts.sum() == TOTAL and counts[-1] >= 2 ** (15 - window)
        assert ((counts == 0) | (counts >= 2 ** (15 - window))).all()
        texts = [bytes([byte]) * 3 for byte in range(0, 256, 5)]
        for text, windows in zip(texts, encode_windows(model, texts, window), strict=True):
            assert b"".join(decode_windows(model, windows.digits, window)) == text


@pytest.mark.parametrize("letters", [b"ab", b"abcd", b"abcdef"])
def test_padded_windows_are_longest_matches_for_small_alphabets_too(letters):
    rng = np.random.default_rng(len(letters))
    source = bytes(rng.choice(list(letters), 3000, p=rng.dirichlet(np.full(len(letters), 0.7))).tolist())
    model = MarkovModel(source, order=1, alphabet=letters)
    symbols, lengths = parse_windows(model, np.arange(256, dtype=np.uint16)[:, None] << 8, 8)
    dictionary = {bytes(letters[s] for s in row[:n]) for row, n in zip(symbols, lengths, strict=True) if n > 0}
    text, place = source[:400], 0
    (windows,) = encode_windows(model, [text], 8)
    for length in windows.lengths[windows.lengths > 0].tolist():
        best = max((n for n in range(1, min(64, 400 - place) + 1) if text[place : place + n] in dictionary), default=1)
        assert length == best
        place += length


def test_texts_do_not_depend_on_their_neighbours():
    texts = [SAMPLE[i : i + 50 + i] for i in range(0, 60, 7)]
    for mode in ("greedy", "delay", "pad"):
        together = encode_windows(MODEL, texts, 16, mode=mode)
        for text, windows in zip(texts, together, strict=True):
            (alone,) = encode_windows(MODEL, [text], 16, mode=mode)
            np.testing.assert_array_equal(alone.digits, windows.digits)


def test_the_published_windows_are_not_lossless_one_by_one():
    """A likely byte fits without changing the padded code: the decoder cannot know that it was not there."""
    texts = [SAMPLE[i : i + 200] for i in range(0, 600, 40)]
    wrong = total = 0
    for windows in encode_windows(MODEL, texts, 16, mode="greedy"):
        parts = decode_windows(MODEL, windows.digits, 16, mode="greedy")
        wrong += sum(len(part) != length for part, length in zip(parts, windows.lengths, strict=True))
        total += len(windows)
    assert 0.05 < wrong / total < 0.5


def test_every_value_of_a_padded_window_stands_for_one_text():
    """So windows of one token are a dictionary, and encoding takes its longest match."""
    values = np.arange(1 << 10, dtype=np.uint16)[:, None] << 6
    symbols, lengths = parse_windows(MODEL, values, 10)
    assert ((lengths > 0) | (lengths == ESCAPE)).all()
    known = np.frombuffer(MODEL.alphabet, dtype=np.uint8)
    dictionary = {bytes(known[row[:n]]) for row, n in zip(symbols, lengths, strict=True) if n > 0}
    text, place = SAMPLE[37:300], 0
    (windows,) = encode_windows(MODEL, [text], 10)
    for length in windows.lengths.tolist():
        best = max((n for n in range(1, len(text) - place + 1) if text[place : place + n] in dictionary), default=0)
        assert length == best or (length in (0, 1) and best == 0)
        place += length


def test_windows_longer_than_a_frame_use_their_bits():
    (windows,) = encode_windows(MODEL, [SAMPLE], 128, longest=500)
    assert windows.used[:-1].mean() > 120


def test_random_padding_keeps_the_code_and_fills_the_rest():
    texts = [SAMPLE[i : i + 100] for i in range(0, 500, 10)]
    zeros = encode_windows(MODEL, texts, 16, mode="greedy")
    drawn = encode_windows(MODEL, texts, 16, mode="greedy", padding="random", seed=1)
    other = encode_windows(MODEL, texts, 16, mode="greedy", padding="random", seed=2)
    changed = 0
    for plain, random, again in zip(zeros, drawn, other, strict=True):
        np.testing.assert_array_equal(plain.lengths, random.lengths)
        kept = 16 - plain.used
        np.testing.assert_array_equal(plain.digits[:, 0] >> kept, random.digits[:, 0] >> kept)
        changed += int((random.digits != again.digits).sum())
    assert changed > 100


def test_without_a_reset_the_model_reads_on():
    texts = [SAMPLE[:400]]
    lengths = {every: len(encode_windows(MODEL, texts, 16, mode="greedy", reset_every=every)[0]) for every in (0, 1, 2)}
    assert lengths[0] < lengths[2] < lengths[1]


def test_damage_stays_in_its_window():
    (windows,) = encode_windows(MODEL, [SAMPLE[:300]], 16)
    parts = decode_windows(MODEL, windows.digits, 16)
    damaged = windows.digits.copy()
    damaged[5, 0] ^= 1 << 7
    after = decode_windows(MODEL, damaged, 16)
    assert after[5] != parts[5] and after[:5] + after[6:] == parts[:5] + parts[6:]


def test_bad_input_is_named_in_one_sentence():
    with pytest.raises(ValueError, match=r"^window must be 8\.\.1024 bits, got 7$"):
        encode_windows(MODEL, [b"a"], 7)
    with pytest.raises(ValueError, match=r"^mode must be one of greedy, delay, pad, got 'best'$"):
        encode_windows(MODEL, [b"a"], 16, mode="best")
    with pytest.raises(ValueError, match=r"^window must be at most 48 bits with mode 'delay', got 64$"):
        encode_windows(MODEL, [b"a"], 64, mode="delay")
    with pytest.raises(ValueError, match=r"^mode must be 'greedy' where"):
        encode_windows(MODEL, [b"a"], 16, reset_every=0)
    with pytest.raises(ValueError, match=r"^window must be at least 16 bits without a reset, got 12$"):
        encode_windows(MODEL, [b"a"], 12, mode="greedy", reset_every=0)
    (escape,) = encode_windows(MODEL, [b"\xff"], 16)
    assert escape.lengths.tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"^the windows end in an escape: the byte behind window 1 is missing$"):
        decode_windows(MODEL, escape.digits[:1], 16)
    broken = escape.digits.copy()
    broken[1, 0] |= 1
    with pytest.raises(ValueError, match=r"^window 2 of 2 stands for no text: it is damaged$"):
        decode_windows(MODEL, broken, 16)
    with pytest.raises(ValueError, match=r"^digits must be 1 a window of 16 bits, got 2$"):
        decode_windows(MODEL, np.zeros((1, 2), dtype=np.uint16), 16)
    with pytest.raises(ValueError, match=r"^padding must be 'zero' or 'random', longest at least 1"):
        decode_windows(MODEL, escape.digits, 16, longest=0)
    assert parse_windows(MODEL, escape.digits[:0], 16)[0].shape == (0, 64)
    assert encode_windows(MODEL, [], 16) == [] and decode_windows(MODEL, escape.digits[:0], 16) == []
