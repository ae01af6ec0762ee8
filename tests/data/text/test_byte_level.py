"""What a tokenizer.json may be: byte-level BPE that changes nothing. All else is refused with the part's name."""

from __future__ import annotations

import numpy as np
import pytest
import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from lib.data import BPE, BPETokenizer
from lib.data.text.byte_level import byte_of_character, check_byte_level

TEXT = "the cat sat on the mat, 12 naïve cats ☃ "


@pytest.fixture(scope="module")
def plain():
    return BPETokenizer.train(TEXT * 40, 330)


def changed(plain, change) -> tokenizers.Tokenizer:
    other = Tokenizer.from_str(plain._tokenizer.to_str())
    change(other)
    return other


def saved(plain, change, folder):
    path = folder / "tokenizer.json"
    changed(plain, change).save(str(path))
    return path


def put(**parts):
    return lambda tokenizer: [setattr(tokenizer, name, part) for name, part in parts.items()]


LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)
REFUSED = {
    "a normalizer": (put(normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])), "normalizer"),
    "a prefix space": (put(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True)), "put a space before"),
    "SentencePiece's marks": (put(pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace()), "Metaspace"),
    "lost spaces": (put(pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), LEVEL])), "Whitespace"),
    "removed parts": (
        put(pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "removed"), LEVEL])),
        "remove parts of the text",
    ),
    "no cutting": (put(pre_tokenizer=None), "pre_tokenizer must be byte-level, got none"),
    "another decoder": (put(decoder=decoders.WordPiece()), "decoder must be byte-level"),
    "a greedy mark": (lambda t: t.add_tokens([AddedToken("<x>", lstrip=True)]), "must not take the spaces"),
    "a mark that reads as a byte": (lambda t: t.add_tokens(["é"]), "must be decoded to themselves"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_loses_something_is_refused_in_one_sentence(plain, tmp_path, kind):
    change, words = REFUSED[kind]
    with pytest.raises(ValueError, match=rf"^path must be a byte-level tokenizer.json, [^\n]*{words}[^\n]*$"):
        BPETokenizer.load(saved(plain, change, tmp_path))


def test_models_of_other_kinds_are_refused():
    fallback = models.BPE({"<0x61>": 0, "a": 1}, [], byte_fallback=True)
    for model, words in (
        (models.WordLevel({"a": 0}, "a"), "got WordLevel"),
        (fallback, "got BPE with byte fallback, as SentencePiece's"),
        (models.BPE({"a": 0}, [], dropout=0.1), "dropout of the BPE must not be set"),
        (models.BPE({"a": 0}, [], end_of_word_suffix="</w>"), "end_of_word_suffix of the BPE must not be set"),
    ):
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer, tokenizer.decoder = LEVEL, decoders.ByteLevel()
        with pytest.raises(ValueError, match=words):
            check_byte_level(tokenizer)


KEPT = {
    "truncation": lambda t: t.enable_truncation(4),
    "padding": lambda t: t.enable_padding(length=50),
    "digits one by one": put(pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Digits(True), LEVEL])),
    "cut by a pattern": put(
        pre_tokenizer=pre_tokenizers.Sequence(
            [pre_tokenizers.Split(" ", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    ),
    "marks outside ASCII and with a space": lambda t: t.add_special_tokens(["<｜begin▁of▁text｜>", "<a b>"]),
}


@pytest.mark.parametrize("kind", KEPT)
def test_what_loses_nothing_is_read_whole(plain, tmp_path, kind):
    read = BPETokenizer.load(saved(plain, KEPT[kind], tmp_path))
    for text in (TEXT, "", "cat", "  two  spaces\n", "<｜begin▁of▁text｜>the<a b> cat"):
        ids = read.encode(text)
        assert read.decode(ids) == text and read.byte_lengths[ids].sum() == len(text.encode())
        assert b"".join(read.token_bytes[i] for i in ids) == text.encode()
        assert BPE(read).decode(BPE(read).encode(text.encode())) == text.encode()


def test_a_mark_is_as_long_as_its_own_utf8(plain, tmp_path):
    read = BPETokenizer.load(saved(plain, KEPT["marks outside ASCII and with a space"], tmp_path))
    assert read.byte_lengths[-2:].tolist() == [len("<｜begin▁of▁text｜>".encode()), 5]
    assert np.array_equal(read.byte_lengths[:-2], plain.byte_lengths)


def test_a_byte_that_the_vocabulary_lacks_is_named_and_not_left_out():
    letters = {character: number for number, character in enumerate("abc")}
    tokenizer = Tokenizer(models.BPE(letters, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = LEVEL, decoders.ByteLevel()
    read = BPETokenizer(tokenizer)
    assert read.decode(read.encode("cab")) == "cab"
    with pytest.raises(ValueError, match=r"^text must hold bytes that the vocabulary knows, it lacks 0x64$"):
        read.encode("cad")


def test_the_alphabet_is_tokenizers_own():
    assert set(byte_of_character()) == set(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(byte_of_character().values()) == list(range(256))
