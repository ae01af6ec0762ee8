"""A row of bits as tokens of a fixed number of bits each, the first bit highest, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

Tokens = Int[np.ndarray, " tokens"]
MAX_BYTES = 1 << 20
"""What a decoder writes at most unless it is told otherwise: damaged tokens may stand for a text without end."""


def group(bits: Int[np.ndarray, " count"], size: int) -> Tokens:
    """Bits to tokens of `size` bits, the first bit highest; the last token is filled with zeros."""
    padded = np.zeros(-(-len(bits) // size) * size, dtype=np.int64)
    padded[: len(bits)] = bits
    return padded.reshape(-1, size) @ (1 << np.arange(size - 1, -1, -1))


def ungroup(tokens: Tokens, size: int) -> Int[np.ndarray, " count"]:
    """Tokens to bits."""
    return ((tokens[:, None] >> np.arange(size - 1, -1, -1)) & 1).astype(np.uint8).reshape(-1)


def check_bits(bits: int) -> int:
    """Raises ValueError unless a token has a whole number of bits, 1..16."""
    if not isinstance(bits, int | np.integer) or not 1 <= bits <= 16:
        raise ValueError(f"bits must be a whole number, 1..16 a token, got {bits}")
    return bits


def check_length(data: bytes, max_bytes: int) -> None:
    """Raises ValueError for a text that could be written and not be read again."""
    if len(data) > max_bytes:
        raise ValueError(f"data must be at most max_bytes ({max_bytes}) long, got {len(data)} bytes")


def check_tokens(tokens: Sequence[int] | Tokens, vocab_size: int) -> Tokens:
    """Raises ValueError unless they are one sequence of numbers below `vocab_size`."""
    try:
        tokens = np.asarray(tokens)
        whole = tokens.dtype.kind in "iu" or not tokens.size
    except ValueError:  # rows of unequal length
        whole = False
    if not whole:
        raise ValueError("tokens must be whole numbers of at most 64 bits, in one sequence")
    if tokens.ndim != 1:
        raise ValueError(f"tokens must be one sequence, got shape {tokens.shape}")
    if tokens.size and (tokens.min() < 0 or tokens.max() >= vocab_size):
        raise ValueError(f"tokens must be in 0..{vocab_size - 1}, got {tokens.min()}..{tokens.max()}")
    return tokens.astype(np.int64)
