"""Compressed text as tokens: plain arithmetic coding and Equal-Info Windows; `baselines` beside this file has the rest.

One interface for all, lossless on any bytes: `decode(encode(data)) == data` (Lester et al., arXiv 2404.03626).
A compressor gives bits, which are cut into tokens of `bits` bits each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from lib.data.coding.arithmetic_coder import TOTAL, Decoder, Encoder
from lib.data.coding.byte_models import ByteModel, symbols_of
from lib.data.coding.equal_info import Windows, check_window, decode_windows, encode_windows
from lib.data.coding.tokens import MAX_BYTES, Tokens, check_bits, check_length, check_tokens, group, ungroup


@runtime_checkable
class TextCompressor(Protocol):
    """Bytes to tokens and back."""

    vocab_size: int
    bits: float
    """Bits of a token, log2(vocab_size): what it costs a reader that has learned nothing."""

    def encode(self, data: bytes) -> Tokens:
        """One text as tokens, int64."""
        ...

    def encode_many(self, texts: Sequence[bytes]) -> list[Tokens]:
        """Each text by itself; coders with a model advance all of them in lockstep."""
        ...

    def decode(self, tokens: Sequence[int] | Tokens) -> bytes:
        """The text. Raises ValueError with one sentence when the tokens are damaged or end too early."""
        ...


class ArithmeticCode:
    """One arithmetic code over the whole text: AC with a model that reads the context, StaticAC with order 0.

    The text ends with the escape symbol and an end mark (14 + 8 bits), so that the tokens need no length beside them;
    a byte outside the alphabet is written as the escape and itself (about 22 bits). What follows the end mark is not
    read. One text is one code from its first byte to its last, so it is written and read byte after byte, some
    0.2 ms each with a small network; `encode_many` is what makes megabytes practical. A text has at most `max_bytes`,
    where `decode` gives up: under a model that is sure of itself a few damaged bits may stand for a very long text.
    """

    _END = 256

    def __init__(self, model: ByteModel, bits: int = 8, *, max_bytes: int = MAX_BYTES):
        self.model, self._bits, self.max_bytes = model, check_bits(bits), max_bytes
        self.bits, self.vocab_size = float(bits), 1 << bits
        self._literals = np.round(np.linspace(0, TOTAL, self._END + 2)).astype(np.int64)

    def encode(self, data: bytes) -> Tokens:
        return self.encode_many([data])[0]

    def encode_many(self, texts: Sequence[bytes]) -> list[Tokens]:
        return [group(bits, self._bits) for bits in self.streams(texts)] if texts else []

    def streams(self, texts: Sequence[bytes]) -> list[np.ndarray]:
        """The bits of each text, before they are cut into tokens."""
        for text in texts:
            check_length(text, self.max_bytes)
        model, escape, count = self.model, len(self.model.alphabet), len(texts)
        symbols = [symbols_of(text, model.alphabet) for text in texts]
        lengths = np.array([len(text) for text in texts])
        order = np.argsort(-lengths, kind="stable")  # the longest first: streams that go on are always the first rows
        coder, state = Encoder(count), model.start(count)
        for step in range(int(lengths.max()) + 1):
            active = int((lengths[order] >= step).sum())
            state = model.select(state, np.arange(active))
            rows = np.arange(active)
            ends = lengths[order[:active]] == step
            here = np.array(
                [escape if end else symbols[text][step] for text, end in zip(order[:active], ends, strict=True)]
            )
            tables = model.tables(state)
            coder.encode(tables[rows, here], tables[rows, here + 1], rows)
            special = np.flatnonzero(here == escape)
            if len(special):
                raw = [self._END if ends[row] else texts[order[row]][step] for row in special]
                coder.encode(self._literals[raw], self._literals[np.array(raw) + 1], special)
            fed = np.where(here == escape, -1, here)
            state = model.feed(state, fed, np.zeros(active, dtype=bool))
        bits = coder.finish()
        results = [None] * count
        for row, text in enumerate(order):
            results[text] = bits[row]
        return results

    def decode(self, tokens: Sequence[int] | Tokens) -> bytes:
        bits = ungroup(check_tokens(tokens, self.vocab_size), self._bits)
        if not len(bits):
            raise ValueError("tokens must hold an end mark, even an empty text has one; got none")
        model, escape = self.model, len(self.model.alphabet)
        decoder, state, data = Decoder([bits]), self.model.start(1), bytearray()
        keep = np.zeros(1, dtype=bool)
        while decoder.digits_read <= len(bits) // 16 + 3 and len(data) <= self.max_bytes:
            symbol = int(decoder.decode(model.tables(state))[0])
            if symbol < escape:
                data.append(model.alphabet[symbol])
                state = model.feed(state, np.array([symbol]), keep)
                continue
            literal = int(decoder.decode(self._literals[None])[0])
            if literal == self._END:
                return bytes(data)
            data.append(literal)
        raise ValueError(f"tokens must reach an end mark, these stop or go astray within {len(data)} bytes")


class EqualInfo:
    """Equal-Info Windows of `window` bits as tokens of `bits` bits: EqualInfoAC[window, 2^bits].

    Lossless by default; see `equal_info` beside this file for the modes. A text is cut into `chunk` bytes, which
    advance in lockstep and begin a window each, so that one long text is as fast as many. Where `bits` does not divide
    `window`, tokens lie across windows, and the last is filled with zeros.
    """

    def __init__(
        self,
        model: ByteModel,
        window: int = 16,
        bits: int = 8,
        *,
        mode: str = "pad",
        longest: int = 64,
        chunk: int = 1024,
        reset_every: int = 1,
        padding: str = "zero",
        seed: int = 0,
    ):
        check_window(window, mode, longest, reset_every=reset_every, padding=padding)
        if check_bits(bits) > window:
            raise ValueError(f"bits must be at most window ({window}), got {bits}")
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1 byte, got {chunk}")
        self.model, self.window, self.mode, self.longest, self.chunk = model, window, mode, longest, chunk
        self._bits, self.bits, self.vocab_size = bits, float(bits), 1 << bits
        self._ablation = {"reset_every": reset_every, "padding": padding, "seed": seed}

    def windows(self, texts: Sequence[bytes]) -> list[Windows]:
        """The windows of each text, from one lockstep over all of them."""
        options = {"mode": self.mode, "longest": self.longest, **self._ablation}
        return encode_windows(self.model, texts, self.window, **options)

    def encode(self, data: bytes) -> Tokens:
        return self.encode_many([data])[0]

    def encode_many(self, texts: Sequence[bytes]) -> list[Tokens]:
        chunks = [self._chunks(text) for text in texts]
        found = iter(self.windows([chunk for parts in chunks for chunk in parts]))
        return [self.tokens(np.concatenate([next(found).digits for _ in parts])) for parts in chunks]

    def _chunks(self, text: bytes) -> list[bytes]:
        """The text cut up, one empty chunk of an empty text; whole where the model reads on from window to window."""
        if self._ablation["reset_every"] != 1:
            return [text]
        return [text[begin : begin + self.chunk] for begin in range(0, max(1, len(text)), self.chunk)]

    def tokens(self, digits: Int[np.ndarray, "windows digits"]) -> Tokens:
        """Windows as tokens."""
        if not len(digits):
            return np.zeros(0, dtype=np.int64)
        rows = np.unpackbits(digits.astype(">u2").view(np.uint8), axis=1)[:, : self.window]
        return group(rows.reshape(-1), self._bits)

    def digits(self, tokens: Sequence[int] | Tokens) -> Int[np.ndarray, "windows digits"]:
        """Tokens as windows. Raises ValueError when they end inside one."""
        bits = ungroup(check_tokens(tokens, self.vocab_size), self._bits)
        count, left = divmod(len(bits), self.window)
        if left >= self._bits or bits[count * self.window :].any():
            raise ValueError(
                f"tokens must end with a window of {self.window} bits, these end {left} bits into window {count + 1}"
            )
        rows = np.zeros((count, -(-self.window // 16) * 16), dtype=np.uint8)
        rows[:, : self.window] = bits[: count * self.window].reshape(count, self.window)
        return np.packbits(rows, axis=1).view(">u2").astype(np.uint16)

    def decode(self, tokens: Sequence[int] | Tokens) -> bytes:
        """The text; in mode "greedy" what the published rule reads, which need not be the text that was encoded."""
        return b"".join(self.decode_windows(tokens))

    def decode_windows(self, tokens: Sequence[int] | Tokens) -> list[bytes]:
        """The bytes of every window by itself."""
        reset_every, padding = self._ablation["reset_every"], self._ablation["padding"]
        if reset_every != 1 or padding != "zero":  # what the ablations write
            raise ValueError(
                f"reset_every and padding must be 1 and 'zero' for decoding, got {reset_every} and {padding!r}"
            )
        return decode_windows(self.model, self.digits(tokens), self.window, mode=self.mode, longest=self.longest)
