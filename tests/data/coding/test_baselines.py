"""Bytes, byte-pair encoding and gzip: what they are, on any bytes, in linear time."""

from __future__ import annotations

import zlib

import numpy as np

from lib.data import BPE, Bytes, GZip

SAMPLE = (b"def f(x):\n    return x + 1  # the next number\n" * 20) + b"the cat sat on the mat. " * 20


def test_gzip_is_zlib_with_its_header():
    tokens = GZip(8).encode(SAMPLE)
    assert bytes(tokens.astype(np.uint8)) == zlib.compress(SAMPLE)


def test_bytes_that_are_no_text_take_linear_time():
    data, bpe = bytes(range(128, 256)) * 2000, BPE.train(SAMPLE, 300)
    assert bpe.decode(bpe.encode(data)) == data


def test_a_byte_is_its_own_token():
    assert Bytes().encode(b"a\x00\xff").tolist() == [97, 0, 255] and Bytes().decode([104, 105]) == b"hi"


def test_merges_make_text_shorter_and_what_is_no_text_stands_byte_by_byte():
    bpe = BPE.train([SAMPLE, SAMPLE], 300)
    assert len(bpe.encode(SAMPLE)) < 0.5 * len(SAMPLE)
    assert len(bpe.encode(b"\xff\xfe")) == 2
    mixed = b"the cat\xff\xfethe cat"
    assert len(bpe.encode(mixed)) == 2 * len(bpe.encode(b"the cat")) + 2 and bpe.decode(bpe.encode(mixed)) == mixed


def test_two_bytes_of_gzip_are_one_token_of_sixteen_bits():
    wide, narrow = GZip(16).encode(SAMPLE), GZip(8).encode(SAMPLE)
    pairs = np.append(narrow, 0)[: 2 * len(wide)].reshape(-1, 2)
    assert (wide == pairs @ [256, 1]).all() and GZip(16).decode(wide) == SAMPLE
