"""BERT's tokenizer against Hugging Face's, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data import WordPieces
from lib.data.text.word_pieces import SPECIAL

VOCABULARY = [*SPECIAL, *"play ##ing ##ed ##s cafe un ##play ##able a b ##b , . 日 本".split()]
TEXTS = ["Playing, played.", "CAFÉ unplayable xyz", "日本 a\tb", "", "plays [MASK] a"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return path


def test_ids_and_mask_are_those_of_bert(file):
    from transformers import BertTokenizer

    theirs = BertTokenizer(vocab=str(file))
    ids, mask = WordPieces.load(file).encode(TEXTS)
    expected = theirs(TEXTS, padding=True, return_tensors="np")
    assert np.array_equal(ids, expected["input_ids"]) and np.array_equal(mask, expected["attention_mask"])
    assert ids.dtype == np.int64 and mask.dtype == bool


def test_a_word_is_cut_into_its_longest_pieces():
    tokenizer = WordPieces(VOCABULARY)
    assert tokenizer.pieces("Unplayable cafés xyz") == ["un", "##play", "##able", "cafe", "##s", "[UNK]"]
    assert tokenizer.vocab_size == len(VOCABULARY)


def test_a_long_text_keeps_its_ends():
    ids, mask = WordPieces(VOCABULARY, max_length=4).encode(["a b a b a b"])
    first, last = VOCABULARY.index("[CLS]"), VOCABULARY.index("[SEP]")
    assert ids.tolist() == [[first, VOCABULARY.index("a"), VOCABULARY.index("b"), last]] and mask.all()


@pytest.mark.parametrize(
    ("vocabulary", "length", "message"),
    [
        (VOCABULARY[1:], 512, r"^vocabulary must hold \[PAD\], .*, it lacks \[PAD\]$"),
        ([*VOCABULARY, "a"], 512, "^vocabulary must hold each piece once, got 1 again$"),
        (VOCABULARY, 2, "^max_length must be at least 3, .*, got 2$"),
    ],
)
def test_a_vocabulary_or_length_that_does_not_serve_is_refused(vocabulary, length, message):
    with pytest.raises(ValueError, match=message):
        WordPieces(vocabulary, length)


def test_one_text_instead_of_several_and_a_missing_file_are_refused(tmp_path):
    for texts in ("a text", []):
        with pytest.raises(ValueError, match=r"^texts must be a sequence of at least one text, got "):
            WordPieces(VOCABULARY).encode(texts)
    with pytest.raises(FileNotFoundError, match=r"^path must be a vocab.txt, there is no file 'none.txt'$"):
        WordPieces.load(tmp_path / "none.txt")
