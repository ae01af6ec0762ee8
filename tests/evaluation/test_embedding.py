"""Vectors of texts: in the texts' order, whatever the batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib.data import WordPieces
from lib.data.text.word_pieces import SPECIAL
from lib.evaluation import OurEmbedder
from lib.nn import EncoderConfig, TextEncoder

TEXTS = ["a b c", "c", "a a b b c c a", "b a"]


def embedder(batch: int) -> OurEmbedder:
    tokenizer = WordPieces([*SPECIAL, "a", "b", "c"])
    torch.manual_seed(0)
    return OurEmbedder(TextEncoder(EncoderConfig(tokenizer.vocab_size, 16, 1, 2, 24)), tokenizer, batch=batch)


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_rows_are_the_texts_whatever_the_batches(batch):
    vectors = embedder(batch).embed(TEXTS)
    alone = np.concatenate([embedder(2).embed([text]) for text in TEXTS])
    assert vectors.dtype == np.float32 and vectors.shape == (4, 16)
    np.testing.assert_allclose(vectors, alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.abs(vectors - vectors[::-1]).max() > 0.01


def test_no_texts_and_no_batch_are_refused():
    for texts in ("a", []):
        with pytest.raises(ValueError, match=r"^texts must be a sequence of at least one text, got "):
            embedder(2).embed(texts)
    with pytest.raises(ValueError, match=r"^batch must be at least 1, got 0$"):
        embedder(0)
