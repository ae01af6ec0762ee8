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
    token_nats,
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


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_token_nats_are_minus_log_p_of_every_target_in_any_chunks(batch_size):
    torch.manual_seed(0)
    model, tokens = nn.Embedding(6, 6), np.random.default_rng(0).integers(0, 6, (7, 5))
    nats = token_nats(model, tokens[:, :-1], tokens[:, 1:], batch_size=batch_size)
    log_p = model.weight.detach().double().log_softmax(-1)
    np.testing.assert_allclose(nats, -log_p[tokens[:, :-1], tokens[:, 1:]], rtol=1e-5)
    assert nats.shape == (7, 4) and not nats.requires_grad


def test_an_ignored_target_costs_exactly_nothing_and_nothing_else_is_hidden():
    table = torch.zeros(3, 3)
    table[1], table[2, 0] = float("nan"), -float("inf")
    tokens, targets = torch.tensor([[0, 1, 1, 2]]), torch.tensor([[2, -100, 0, 0]])
    nats = token_nats(table_model(table), tokens, targets)[0].tolist()
    assert nats[:2] == [pytest.approx(math.log(3)), 0.0] and math.isnan(nats[2]) and nats[3] == math.inf
    assert token_nats(table_model(table), tokens[:1, :1], [[2]], ignore_index=2).tolist() == [[0.0]]
    assert token_nats(table_model(table), tokens[:0], targets[:0]).shape == (0, 4)


def test_a_model_of_several_arguments_gets_the_same_rows_of_each():
    def model(tokens, shift):
        return 9.0 * nn.functional.one_hot((tokens + shift[:, None]) % 5, 5)

    tokens, shift = torch.arange(20).view(4, 5) % 5, np.array([0, 1, 2, 3])
    right = (tokens + torch.from_numpy(shift)[:, None]) % 5
    assert (token_nats(model, (tokens, shift), right, batch_size=3) < 0.01).all()


def test_token_nats_of_half_precision_are_computed_in_float32_and_of_double_in_double():
    for dtype, result in (
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ):
        assert token_nats(table_model(torch.zeros(3, 3, dtype=dtype)), [[0, 1]], [[1, 2]]).dtype == result


@pytest.mark.parametrize("training", [True, False])
def test_the_models_mode_is_restored_even_after_an_error(training):
    class Failing(nn.Embedding):
        def forward(self, tokens):
            assert not self.training and not torch.is_grad_enabled()
            raise RuntimeError("no")

    model = Failing(3, 3).train(training)
    with pytest.raises(RuntimeError, match="no"):
        token_nats(model, [[0]], [[1]])
    assert model.training is training and torch.is_grad_enabled()


def test_shapes_that_do_not_fit_are_named():
    model = table_model(torch.zeros(3, 3))
    with pytest.raises(
        ValueError, match=r"targets must be \(rows, length\) with the rows of tokens, got \(1, 2\) for 2 rows"
    ):
        token_nats(model, [[0], [1]], [[0, 1]])
    with pytest.raises(ValueError, match=r"model must give logits of \(1, 2\) and the vocabulary, got \(1, 1, 3\)"):
        token_nats(model, [[0]], [[0, 1]])
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        token_nats(model, [[0]], [[0]], batch_size=0)


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
