"""Tokenizers: nothing is lost, training is reproducible, files say when they are damaged."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lib.data import BPETokenizer, ByteTokenizer, Tokenizer, load_corpus

TRAIN = "from lib.data import BPETokenizer, load_corpus\n"
TRAIN += "print(BPETokenizer.train(load_corpus('language_reference').train, 600)._tokenizer.to_str())"


@pytest.fixture(scope="module")
def corpus():
    return load_corpus("language_reference")


@pytest.fixture(scope="module")
def bpe(corpus):
    return BPETokenizer.train(corpus.train, 600)


@pytest.fixture(params=["bytes", "bpe"])
def tokenizer(request, bpe):
    return ByteTokenizer() if request.param == "bytes" else bpe


@settings(max_examples=150, deadline=None)
@given(text=st.text())
@example(text="")
@example(text="  def f(x):\r\n\t\treturn  'é日本🙂' \x00\n\n ")
def test_decode_of_encode_is_the_text(bpe, text):
    for tokenizer in (ByteTokenizer(), bpe):
        ids = tokenizer.encode(text)
        assert ids.dtype == np.int64 and ids.ndim == 1
        assert tokenizer.decode(ids) == text
        assert tokenizer.byte_lengths[ids].sum() == len(text.encode())


def test_both_follow_the_protocol(tokenizer):
    assert isinstance(tokenizer, Tokenizer)
    assert tokenizer.byte_lengths.shape == (tokenizer.vocab_size,) and tokenizer.byte_lengths.min() >= 1


def test_bytes_per_token_is_one_for_bytes_and_more_for_merges(bpe, corpus):
    assert ByteTokenizer().bytes_per_token("añ") == 1
    assert bpe.vocab_size == 600
    assert bpe.bytes_per_token(corpus.validation) > 2
    assert bpe.bytes_per_token("añ") == 3 / len(bpe.encode("añ"))


def test_training_gives_the_same_merges_in_another_process(bpe):
    root = Path(__file__).resolve().parents[3]
    environment = os.environ | {"RAYON_NUM_THREADS": "1", "PYTHONHASHSEED": "3"}
    run = subprocess.run([sys.executable, "-c", TRAIN], cwd=root, env=environment, capture_output=True, text=True)
    assert run.stdout.strip() == bpe._tokenizer.to_str(), run.stderr


def test_tokens_of_a_text_join_to_the_text(bpe):
    tokens = bpe.tokens("the assignment statement")
    assert "".join(tokens) == "the assignment statement" and len(tokens) < 24


def test_a_saved_tokenizer_reads_back(bpe, tmp_path):
    bpe.save(tmp_path / "tokenizer.json")
    again = BPETokenizer.load(tmp_path / "tokenizer.json")
    assert (again.encode("yield from it") == bpe.encode("yield from it")).all()
    damaged = tmp_path / "damaged.json"
    damaged.write_text((tmp_path / "tokenizer.json").read_text()[:-500])
    with pytest.raises(ValueError, match=r"'damaged\.json' is damaged or none"):
        BPETokenizer.load(damaged)
    with pytest.raises(FileNotFoundError, match=r"there is no file 'none\.json'"):
        BPETokenizer.load(tmp_path / "none.json")


def test_bytes_that_are_no_text_become_the_replacement_character(tokenizer):
    half = tokenizer.encode("日")[:1] if tokenizer.vocab_size == 256 else tokenizer.encode("\u00ff")[:1]
    assert tokenizer.decode(half) == "\ufffd"


def test_wrong_arguments_are_answered_in_one_sentence(tokenizer):
    with pytest.raises(ValueError, match=r"ids must be in 0\.\."):
        tokenizer.decode([tokenizer.vocab_size])
    with pytest.raises(ValueError, match="ids must be one sequence"):
        tokenizer.decode([[1]])
    with pytest.raises(ValueError, match="text must not be empty"):
        tokenizer.bytes_per_token("")
    with pytest.raises(ValueError, match="vocab_size must be at least 256"):
        BPETokenizer.train("a", 255)
