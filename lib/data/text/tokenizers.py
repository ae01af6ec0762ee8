"""Text as numbers and back without loss: plain bytes, or byte-pair encoding over bytes (Hugging Face tokenizers)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from lib.data.text.byte_level import NEVER, check_byte_level, token_bytes

if TYPE_CHECKING:
    import tokenizers


@runtime_checkable
class Tokenizer(Protocol):
    """What both tokenizers offer. `decode(encode(text)) == text` for every text that UTF-8 can write."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def byte_lengths(self) -> np.ndarray:
        """(vocab_size,) bytes of UTF-8 that each token stands for: what bits per byte are counted in."""
        ...

    def encode(self, text: str) -> np.ndarray:
        """Token ids as one int64 array."""
        ...

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text; bytes that are no UTF-8, as a model may write them, become the replacement character."""
        ...

    def bytes_per_token(self, text: str) -> float:
        """UTF-8 bytes of `text` per token it takes."""
        ...


class ByteTokenizer:
    """Token id = byte of the UTF-8 text."""

    vocab_size = 256

    @property
    def byte_lengths(self) -> np.ndarray:
        return np.ones(self.vocab_size, dtype=np.int64)

    def encode(self, text: str) -> np.ndarray:
        return np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(np.int64)

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        return bytes(_checked_ids(ids, self.vocab_size).astype(np.uint8)).decode("utf-8", errors="replace")

    def bytes_per_token(self, text: str) -> float:
        _check_text(text)
        return 1.0


class BPETokenizer:
    """Byte-pair encoding (Sennrich et al., arXiv 1508.07909) over the 256 bytes, as in GPT-2: nothing is unknown.

    Merges stay inside words, numbers and runs of signs. The same texts give the same merges on every run. What a
    tokenizer has been told of truncation and padding is switched off. Raises ValueError for a tokenizer of another
    kind, or one that changes the text.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer):
        check_byte_level(tokenizer)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.token_bytes: list[bytes] = token_bytes(tokenizer)
        """The bytes that each token stands for."""
        known = {text[0] for text in self.token_bytes if len(text) == 1}
        self._unknown = bytes(set(range(256)) - known - NEVER)

    @classmethod
    def train(cls, texts: str | Iterable[str], vocab_size: int) -> BPETokenizer:
        """Learn `vocab_size` - 256 merges, or as many as the texts give. Raises ValueError below 256."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        if vocab_size < 256:
            raise ValueError(f"vocab_size must be at least 256, one token for every byte, got {vocab_size}")
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
        tokenizer.train_from_iterator([texts] if isinstance(texts, str) else texts, trainer)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: str | Path) -> BPETokenizer:
        """Read a tokenizer.json.

        Raises FileNotFoundError when there is none, ValueError when it is damaged or no byte-level BPE.
        """
        from tokenizers import Tokenizer

        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"path must be a tokenizer.json, there is no file {path.name!r}")
        text = path.read_text(encoding="utf-8", errors="replace")
        try:
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the bindings raise bare Exception
            raise ValueError(f"path must be a tokenizer.json, {path.name!r} is damaged or none: {error}") from None
        try:
            return cls(tokenizer)
        except ValueError as error:
            raise ValueError(f"path must be a byte-level tokenizer.json, {path.name!r} is not: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write Hugging Face's tokenizer.json, which `transformers` reads too."""
        self._tokenizer.save(str(path))

    @property
    def vocab_size(self) -> int:
        return self._tokenizer.get_vocab_size()

    @property
    def byte_lengths(self) -> np.ndarray:
        return np.array([len(text) for text in self.token_bytes], dtype=np.int64)

    def encode(self, text: str) -> np.ndarray:
        """Token ids. Raises ValueError for a byte that the vocabulary lacks, which would be left out."""
        if self._unknown and (lost := set(text.encode("utf-8")).intersection(self._unknown)):
            raise ValueError(f"text must hold bytes that the vocabulary knows, it lacks {min(lost):#04x}")
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int64)

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        ids = _checked_ids(ids, self.vocab_size)
        return self._tokenizer.decode(ids.tolist(), skip_special_tokens=False)

    def tokens(self, text: str) -> list[str]:
        """The text cut into its tokens, to look at; a token that is part of a character shows as a replacement."""
        return [self.decode([number]) for number in self.encode(text)]

    def bytes_per_token(self, text: str) -> float:
        _check_text(text)
        return len(text.encode("utf-8")) / len(self.encode(text))


def _check_text(text: str) -> None:
    if not text:
        raise ValueError("text must not be empty: it has no bytes per token")


def _checked_ids(ids: Sequence[int] | np.ndarray, vocab_size: int) -> np.ndarray:
    ids = np.asarray(ids, dtype=np.int64)
    if ids.ndim != 1:
        raise ValueError(f"ids must be one sequence (1 dimension), got shape {ids.shape}")
    if ids.size and (ids.min() < 0 or ids.max() >= vocab_size):
        raise ValueError(f"ids must be in 0..{vocab_size - 1}, got {ids.min()}..{ids.max()}")
    return ids
