"""Bits per byte: windows count every token once, and baselines are what their formulas say."""

import gzip
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lib.data import BPETokenizer, ByteTokenizer, load_corpus
from lib.evaluation import (
    bigram_bits_per_byte,
    bits_per_byte,
    compression_bits_per_byte,
    evaluate_language_model,
    language_baselines,
)
from lib.evaluation.language import _windows


def table_model(table):
    return lambda tokens: table[tokens]


@pytest.fixture(scope="module")
def corpus():
    return load_corpus("language_reference", limit=200_000)


@settings(max_examples=200, deadline=None)
@given(positions=st.integers(1, 60), window=st.integers(1, 20), data=st.data())
def test_windows_count_every_position_once_with_the_promised_context(positions, window, data):
    window = min(window, positions)
    overlap = data.draw(st.integers(0, window - 1))
    starts, firsts = _windows(positions, window, overlap)
    counted = [start + i for start, first in zip(starts, firsts, strict=True) for i in range(first, window)]
    assert counted == list(range(positions))
    assert starts[0] == 0 and all(start + window <= positions for start in starts)
    assert all(first >= overlap for first in firsts[1:])


@pytest.mark.parametrize("window", [2, 7, 64, 1000])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_model_without_memory_scores_the_same_in_any_windows(window, batch_size):
    torch.manual_seed(0)
    table, tokens = torch.randn(9, 9), torch.randint(0, 9, (200,))
    score = evaluate_language_model(table_model(table), tokens, window=window, batch_size=batch_size)
    direct = nn.functional.cross_entropy(table[tokens[:-1]].double(), tokens[1:], reduction="sum").item()
    assert score.tokens == score.num_bytes == 199
    assert score.nats == pytest.approx(direct, rel=1e-5)
    assert score.bits_per_byte == pytest.approx(score.loss / math.log(2))


def test_overlap_gives_later_windows_their_context():
    """A copier of the token eight back is right wherever it sees that far."""
    tokens = torch.arange(8).repeat(20)

    def copier(tokens):
        scores = torch.zeros(*tokens.shape, 8)
        scores[:, 7:] = 50.0 * nn.functional.one_hot(tokens[:, :-7], 8)
        return scores

    cold = evaluate_language_model(copier, tokens, window=16, overlap=0)
    warm = evaluate_language_model(copier, tokens, window=16, overlap=7)
    assert warm.nats == pytest.approx(7 * math.log(8), rel=1e-4)
    # Nine windows begin with 7 blind guesses; the tenth is moved back by one position, which counts only once.
    assert cold.nats == pytest.approx((9 * 7 + 6) * math.log(8), rel=1e-4) and cold.tokens == warm.tokens == 159


def test_a_uniform_byte_model_costs_eight_bits_a_byte_and_merges_change_only_the_unit(corpus):
    text = corpus.validation[:3000]
    by_byte = ByteTokenizer().encode(text)
    uniform = evaluate_language_model(lambda t: torch.zeros(*t.shape, 256), by_byte, window=128)
    assert uniform.bits_per_byte == pytest.approx(8)
    bpe = BPETokenizer.train(corpus.train, 512)
    ids = bpe.encode(text)
    score = evaluate_language_model(
        lambda t: torch.zeros(*t.shape, 512), ids, window=128, byte_lengths=bpe.byte_lengths
    )
    assert score.num_bytes == len(text.encode()) - bpe.byte_lengths[ids[0]]
    assert score.bits_per_byte == pytest.approx(9 * score.tokens / score.num_bytes)
    assert bits_per_byte(score.loss, score.num_bytes / score.tokens) == pytest.approx(score.bits_per_byte)


def test_a_module_is_evaluated_in_eval_mode_without_gradients_and_put_back():
    class Watching(nn.Embedding):
        def forward(self, tokens):
            assert not self.training and not torch.is_grad_enabled()
            return super().forward(tokens)

    model = Watching(5, 5)
    evaluate_language_model(model, [0, 1, 2, 3], window=2)
    assert model.training


def test_the_bigram_line_equals_its_formula_and_is_a_distribution():
    train, text = b"abracadabra", b"abab"
    single = {byte: (train.count(byte) + 5 / 256) / (11 + 5) for byte in set(train)}
    after_a = (2 + 3 * single[ord("b")]) / (4 + 3)  # a is followed four times: b twice, c, d
    after_b = (0 + 1 * single[ord("a")]) / (2 + 1)
    expected = -(2 * math.log2(after_a) + math.log2(after_b)) / 3
    assert bigram_bits_per_byte(train, text) == pytest.approx(expected)
    for context in (b"a", b"b", b"z"):
        total = sum(2 ** -bigram_bits_per_byte(train, context + bytes([byte])) for byte in range(256))
        assert total == pytest.approx(1)


def test_on_text_the_lines_come_in_the_expected_order(corpus):
    lines = language_baselines(corpus.train, corpus.validation)
    bigram = lines["byte bigram counted on the training text"]
    assert 2.5 < bigram < 4.5
    for method in ("gzip", "lzma"):
        alone, primed = lines[f"{method} of the text alone"], lines[f"{method} of the text behind the training text"]
        assert primed < alone < bigram
    counts = np.bincount(np.frombuffer(corpus.train.encode(), dtype=np.uint8), minlength=256) + 1 / 256
    unigram = -np.log2(counts / counts.sum())[np.frombuffer(corpus.validation.encode(), dtype=np.uint8)].mean()
    assert bigram < unigram


def test_priming_counts_only_the_growth_of_the_file():
    text, prime = "the same words again " * 5, "something else entirely, " * 40
    grown = len(gzip.compress((prime + text).encode(), 9)) - len(gzip.compress(prime.encode(), 9))
    assert compression_bits_per_byte(text, "gzip", prime) == pytest.approx(8 * grown / len(text))
    assert compression_bits_per_byte(text, "lzma", prime=text) < compression_bits_per_byte(text, "lzma")


def test_wrong_arguments_are_answered_in_one_sentence():
    model = table_model(torch.zeros(4, 4))
    with pytest.raises(ValueError, match="tokens must be one text of at least 2 tokens"):
        evaluate_language_model(model, [1], window=4)
    with pytest.raises(ValueError, match=r"overlap in 0\.\.window - 1, got 4 and 4"):
        evaluate_language_model(model, [1, 2, 3], window=4, overlap=4)
    with pytest.raises(ValueError, match="num_bytes must be positive, got 0"):
        bits_per_byte(1.0, 0)
    with pytest.raises(ValueError, match="method must be one of gzip, lzma, got 'zip'"):
        compression_bits_per_byte("a", "zip")
    with pytest.raises(ValueError, match="train must hold at least 2 bytes, got 1"):
        bigram_bits_per_byte("a", "abc")
