"""BERT's tokenizer (Devlin et al., arXiv 1810.04805): words, cut into the longest pieces that a vocabulary knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""Padding, a word that no pieces make, the first and the last token of a text, a hidden word."""


class WordPieces:
    """Texts as rows of ids, [CLS] text [SEP] and padding behind it; at most `max_length` ids of each text.

    Letters lose case and accents; a piece that goes on within a word begins with ##. Raises ValueError for a
    vocabulary without the special tokens or with a piece twice, or a `max_length` without room for a text.
    """

    def __init__(self, vocabulary: Sequence[str], max_length: int = 512):
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

        numbers = {piece: number for number, piece in enumerate(vocabulary)}
        if missing := [token for token in SPECIAL if token not in numbers]:
            raise ValueError(f"vocabulary must hold {', '.join(SPECIAL)}, it lacks {', '.join(missing)}")
        if len(numbers) < len(vocabulary):
            raise ValueError(f"vocabulary must hold each piece once, got {len(vocabulary) - len(numbers)} again")
        if max_length < 3:
            raise ValueError(f"max_length must be at least 3, [CLS], a piece and [SEP], got {max_length}")
        self.max_length, self.pad = max_length, numbers["[PAD]"]
        self._tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=100))
        self._tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        ends = [(token, numbers[token]) for token in ("[SEP]", "[CLS]")]
        self._tokenizer.post_processor = processors.BertProcessing(*ends)
        self._tokenizer.decoder = decoders.WordPiece()
        self._tokenizer.add_special_tokens(list(SPECIAL))
        self._tokenizer.enable_truncation(max_length)
        self._tokenizer.enable_padding(pad_id=self.pad, pad_token="[PAD]")

    @classmethod
    def load(cls, path: str | Path, max_length: int = 512) -> WordPieces:
        """From a vocab.txt, a piece a line. Raises FileNotFoundError, and ValueError as the class does."""
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"path must be a vocab.txt, there is no file {path.name!r}")
        with path.open(encoding="utf-8") as lines:  # not splitlines: some pieces are line breaks of other alphabets
            return cls([line.rstrip("\n") for line in lines], max_length)

    @property
    def vocab_size(self) -> int:
        return self._tokenizer.get_vocab_size()

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Ids, int64, and True at those that are no padding: both (len(texts), longest). Raises ValueError for none."""
        if isinstance(texts, str) or not len(texts):
            raise ValueError(f"texts must be a sequence of at least one text, got {texts!r}")
        rows = self._tokenizer.encode_batch(list(texts))
        ids, mask = ([getattr(row, part) for row in rows] for part in ("ids", "attention_mask"))
        return np.array(ids, dtype=np.int64), np.array(mask, dtype=bool)

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text, to look at, [CLS] and [SEP] left out."""
        return self._tokenizer.encode(text, add_special_tokens=False).tokens
