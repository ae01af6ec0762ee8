"""What compressed text is held against: bytes as they are, byte-pair encoding, and gzip.

They have the interface of `compressors` beside this file, and no model to carry from byte to byte.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from lib.data.coding.tokens import MAX_BYTES, Tokens, check_bits, check_length, check_tokens, group, ungroup
from lib.data.text.tokenizers import BPETokenizer


class _OneByOne:
    """`encode_many` for what gains nothing from many texts at once."""

    def encode_many(self, texts: Sequence[bytes]) -> list[Tokens]:
        return [self.encode(text) for text in texts]


class Bytes(_OneByOne):
    """Token = byte: no compression, the first baseline."""

    vocab_size, bits = 256, 8.0

    def encode(self, data: bytes) -> Tokens:
        return np.frombuffer(data, dtype=np.uint8).astype(np.int64)

    def decode(self, tokens: Sequence[int] | Tokens) -> bytes:
        return bytes(check_tokens(tokens, self.vocab_size).astype(np.uint8))


class BPE(_OneByOne):
    """Byte-pair encoding, the second baseline. Bytes that are no UTF-8 stand one by one."""

    def __init__(self, tokenizer: BPETokenizer):
        self.tokenizer = tokenizer
        self.vocab_size = tokenizer.vocab_size
        self.bits = math.log2(self.vocab_size)
        self._texts = tokenizer.token_bytes
        self._single = {text: token for token, text in enumerate(self._texts) if len(text) == 1}

    @classmethod
    def train(cls, text: bytes | Iterable[bytes], vocab_size: int) -> BPE:
        texts = [text] if isinstance(text, bytes) else text
        return cls(BPETokenizer.train((part.decode("utf-8", errors="ignore") for part in texts), vocab_size))

    def encode(self, data: bytes) -> Tokens:
        parts = [np.zeros(0, dtype=np.int64)]
        for valid, rest in _utf8_runs(data):
            if valid:
                parts.append(self.tokenizer.encode(valid))
            parts.append(np.array([self._single[bytes([byte])] for byte in rest], dtype=np.int64))
        return np.concatenate(parts)

    def decode(self, tokens: Sequence[int] | Tokens) -> bytes:
        return b"".join(self._texts[token] for token in check_tokens(tokens, self.vocab_size))


class GZip(_OneByOne):
    """zlib at its default level, header and checksum kept as in the paper; `bits` a token, 8 or 16.

    A text has at most `max_bytes`: a few damaged tokens may stand for a thousand times as many bytes.
    """

    def __init__(self, bits: int = 8, *, max_bytes: int = MAX_BYTES):
        self.bits, self.vocab_size = float(check_bits(bits)), 1 << bits
        self._bits, self.max_bytes = bits, max_bytes

    def encode(self, data: bytes) -> Tokens:
        check_length(data, self.max_bytes)
        return group(np.unpackbits(np.frombuffer(zlib.compress(data), dtype=np.uint8)), self._bits)

    def decode(self, tokens: Sequence[int] | Tokens) -> bytes:
        packed = np.packbits(ungroup(check_tokens(tokens, self.vocab_size), self._bits)).tobytes()
        reader = zlib.decompressobj()
        try:
            data = reader.decompress(packed, self.max_bytes + 1)
        except zlib.error as error:
            raise ValueError(f"tokens must be a zlib stream, these are damaged: {error}") from None
        if len(data) > self.max_bytes:
            raise ValueError(f"tokens must stand for at most max_bytes ({self.max_bytes}), these stand for more")
        if not reader.eof:
            raise ValueError("tokens must be a whole zlib stream, these end too early")
        if any(reader.unused_data) or len(reader.unused_data) > -(-self._bits // 8):
            raise ValueError("tokens must be one zlib stream, these go on behind its end")
        return data


def _utf8_runs(data: bytes) -> Iterable[tuple[str, bytes]]:
    """(valid text, the invalid bytes behind it) until the data ends."""
    parts = re.split("([\udc80-\udcff]+)", data.decode("utf-8", errors="surrogateescape"))
    for valid, rest in zip(parts[::2], [*parts[1::2], ""], strict=True):
        yield valid, rest.encode("utf-8", errors="surrogateescape")
