"""Every tokenizer of compressed text: lossless on any bytes, lengths as promised, one sentence for damage."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data import BPE, ArithmeticCode, Bytes, EqualInfo, GZip, TextCompressor
from lib.data.coding.arithmetic_coder import TOTAL
from lib.data.coding.byte_models import MarkovModel, symbols_of

SAMPLE = (b"def f(x):\n    return x + 1  # the next number\n" * 20) + b"the cat sat on the mat. " * 20
ORDER_1, ORDER_0 = MarkovModel(SAMPLE, order=1), MarkovModel(SAMPLE)
ALL = {
    "bytes": Bytes(),
    "bpe": BPE.train(SAMPLE, 300),
    "gzip[8]": GZip(8),
    "gzip[16]": GZip(16),
    "ac[8]": ArithmeticCode(ORDER_1),
    "ac[16]": ArithmeticCode(ORDER_1, 16),
    "ac[1]": ArithmeticCode(ORDER_1, 1),
    "static[8]": ArithmeticCode(ORDER_0),
    "windows[10,10]": EqualInfo(ORDER_1, 10, 10),
    "windows[12,6]": EqualInfo(ORDER_1, 12, 6, mode="delay"),
    "windows[16,8]": EqualInfo(ORDER_1, 16, 8),
    "windows[16,16]": EqualInfo(ORDER_1, 16, 16, chunk=50),
    "windows[24,16]": EqualInfo(ORDER_1, 24, 16),
    "windows[64,8]": EqualInfo(ORDER_1, 64, 8),
}
EDGES = [b"", b"x", bytes(range(256)), b"\0" * 2000, b" " * 700, b"\xff\xfe\xc3", "na\u00efve \u2603".encode(), SAMPLE]


@pytest.mark.parametrize("name", ALL)
def test_edges_come_back(name):
    compressor = ALL[name]
    assert isinstance(compressor, TextCompressor) and compressor.bits == pytest.approx(np.log2(compressor.vocab_size))
    for text in EDGES:
        tokens = compressor.encode(text)
        assert tokens.dtype == np.int64 and (tokens >= 0).all() and (tokens < compressor.vocab_size).all()
        assert compressor.decode(tokens) == text
    assert [compressor.decode(tokens) for tokens in compressor.encode_many(EDGES)] == EDGES
    assert compressor.encode_many([]) == []


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=25, deadline=None)
@given(data=st.one_of(st.binary(max_size=150), st.text(max_size=80).map(str.encode)))
def test_any_bytes_come_back(name, data):
    assert ALL[name].decode(ALL[name].encode(data)) == data


@pytest.mark.parametrize("name", [name for name in ALL if name != "bytes" and name != "bpe"])
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_damaged_and_cut_tokens_give_a_sentence_or_a_text_and_never_hang(name, data):
    compressor = ALL[name]
    tokens = compressor.encode(SAMPLE[:120])
    kind = data.draw(st.sampled_from(["cut", "changed", "noise"]))
    if kind == "cut":
        tokens = tokens[: data.draw(st.integers(0, len(tokens) - 1))]
    elif kind == "changed":
        tokens = tokens.copy()
        tokens[data.draw(st.integers(0, len(tokens) - 1))] = data.draw(st.integers(0, compressor.vocab_size - 1))
    else:
        tokens = np.array(data.draw(st.lists(st.integers(0, compressor.vocab_size - 1), max_size=40)), dtype=np.int64)
    begin = time.process_time()
    try:
        assert isinstance(compressor.decode(tokens), bytes)
    except ValueError as error:
        assert "\n" not in str(error) and len(str(error)) > 20
    assert time.process_time() - begin < 20  # of computing; a decoder that hangs computes for good


@pytest.mark.parametrize("name", ["windows[10,10]", "windows[16,8]", "windows[16,16]"])
def test_windows_cut_at_a_window_give_a_clean_prefix(name):
    compressor = ALL[name]
    text = SAMPLE[:200]
    per_window = compressor.window // int(compressor.bits)
    tokens = compressor.encode(text)
    for windows in (1, 3, 7):
        assert text.startswith(compressor.decode(tokens[: windows * per_window]))


def test_an_arithmetic_code_costs_its_models_bits_and_its_end():
    text = SAMPLE * 4
    symbols, state, ideal = symbols_of(text, ORDER_1.alphabet), ORDER_1.start(1), 0.0
    for symbol in symbols:
        table = ORDER_1.tables(state)[0]
        ideal -= np.log2((table[symbol + 1] - table[symbol]) / TOTAL)
        state = ORDER_1.feed(state, np.array([symbol]), np.array([False]))
    end = 14 + np.log2(257)
    (bits,) = ArithmeticCode(ORDER_1).streams([text])
    assert ideal - 1 <= len(bits) - end <= 1.001 * ideal + 3


def test_encoding_many_equals_encoding_each():
    texts = [SAMPLE[i : i + 40 + 3 * i] for i in range(0, 90, 13)] + [SAMPLE * 2]  # the last is longer than a chunk
    for name in ("ac[8]", "static[8]", "windows[16,8]"):
        for text, tokens in zip(texts, ALL[name].encode_many(texts), strict=True):
            np.testing.assert_array_equal(tokens, ALL[name].encode(text))


def test_bad_input_is_named_in_one_sentence():
    with pytest.raises(ValueError, match=r"^bits must be a whole number, 1\.\.16 a token, got 17$"):
        GZip(17)
    with pytest.raises(ValueError, match=r"^bits must be at most window \(12\), got 16$"):
        EqualInfo(ORDER_1, 12, 16)
    with pytest.raises(ValueError, match=r"^tokens must be in 0\.\.255, got 3\.\.256$"):
        ALL["ac[8]"].decode([3, 256])
    with pytest.raises(ValueError, match=r"^tokens must be one sequence, got shape \(1, 1\)$"):
        ALL["bytes"].decode(np.array([[1]]))
    with pytest.raises(ValueError, match=r"^tokens must end with a window of 16 bits, these end 8 bits into window 2$"):
        ALL["windows[16,8]"].decode([1, 2, 3])
    with pytest.raises(ValueError, match=r"^tokens must hold an end mark"):
        ALL["ac[8]"].decode([])
    with pytest.raises(ValueError, match=r"^tokens must reach an end mark, these stop or go astray within \d+ bytes$"):
        ALL["ac[8]"].decode(ALL["ac[8]"].encode(SAMPLE)[:20])
    with pytest.raises(ValueError, match=r"^tokens must be a whole zlib stream, these end too early$"):
        ALL["gzip[8]"].decode(ALL["gzip[8]"].encode(SAMPLE)[:20])
    for wrong in ([2**70], [None], ["a"], [1.7], [[1], [2, 3]]):
        with pytest.raises(ValueError, match=r"^tokens must be whole numbers of at most 64 bits, in one sequence$"):
            ALL["bytes"].decode(wrong)
    with pytest.raises(ValueError, match=r"^tokens must be one zlib stream, these go on behind its end$"):
        ALL["gzip[8]"].decode([*ALL["gzip[8]"].encode(SAMPLE), 0, 0])
    with pytest.raises(ValueError, match=r"within 101 bytes$"):
        ArithmeticCode(MarkovModel(b"a" * 9000), max_bytes=100).decode([0] * 5)
    ablation = EqualInfo(ORDER_1, 16, 8, mode="greedy", reset_every=0)
    says = r"^reset_every and padding must be 1 and 'zero' for decoding, got 0 and 'zero'$"
    with pytest.raises(ValueError, match=says):
        ablation.decode(ablation.encode(b"the cat"))


def test_a_text_that_could_not_be_read_again_is_not_written():
    for code in (ArithmeticCode(ORDER_1, max_bytes=10), GZip(max_bytes=10)):
        assert code.decode(code.encode(b"0123456789")) == b"0123456789"
        with pytest.raises(ValueError, match=r"^data must be at most max_bytes \(10\) long, got 11 bytes$"):
            code.encode(b"0123456789a")


def test_few_damaged_tokens_do_not_become_a_long_text():
    sure = ArithmeticCode(MarkovModel(b"a" * 5000), max_bytes=3000)
    with pytest.raises(ValueError, match="go astray within 3001 bytes"):
        sure.decode([0] * 400)
    bomb = GZip(max_bytes=50_000_000).encode(bytes(30_000_000))
    assert len(bomb) < 50_000
    with pytest.raises(ValueError, match=r"^tokens must stand for at most max_bytes \(1048576\), these stand for"):
        GZip().decode(bomb)
