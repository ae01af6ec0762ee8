"""Language learners that train in a second and have no settings: token frequencies, and an interpolated n-gram."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int


class NGram:
    """Witten-Bell interpolation (1991), order 0 uniform:

        p_k(x | c) = (n(c x) + t(c) p_{k-1}(x | c')) / (n(c) + t(c))

    c are the k - 1 tokens before x, c' all but the first of them, n counts, t(c) how many different tokens followed c.
    Sequences are independent: no context reaches across.
    """

    def __init__(self, sequences: Sequence[Int[np.ndarray, " length"]], vocab_size: int, order: int = 4):
        if order < 1 or vocab_size < 1:
            raise ValueError(f"order and vocab_size must be at least 1, got {order} and {vocab_size}")
        self.vocab_size, self.order = vocab_size, order
        tokens, starts = _joined(sequences, vocab_size)
        self._counts = []
        for k in range(1, order + 1):
            contexts, pairs, valid = _keys(tokens, starts, k)
            seen, counts = np.unique(pairs[valid], return_counts=True)
            # The context of each pair that was seen, from the first place it occurs.
            first = np.unique(pairs[valid], return_index=True)[1]
            owner = contexts[valid][first]
            known, place = np.unique(owner, return_inverse=True)
            totals = np.bincount(place, weights=counts, minlength=len(known))
            self._counts.append((seen, counts, known, totals, np.bincount(place, minlength=len(known))))

    def nats(self, sequences: Sequence[Int[np.ndarray, " length"]]) -> Float[np.ndarray, "order tokens"]:
        """-ln p of every token of the sequences, joined, under each order from 1 on."""
        tokens, starts = _joined(sequences, self.vocab_size)
        p = np.full(len(tokens), 1 / self.vocab_size)
        results = []
        for k, (seen, counts, known, totals, distinct) in enumerate(self._counts, start=1):
            contexts, pairs, valid = _keys(tokens, starts, k)
            n, t = _looked_up(known, contexts, totals), _looked_up(known, contexts, distinct)
            n, t = np.where(valid, n, 0), np.where(valid, t, 0)
            hit = np.where(valid, _looked_up(seen, pairs, counts), 0)
            p = np.where(n > 0, (hit + t * p) / np.maximum(n + t, 1), p)
            results.append(-np.log(p))
        return np.stack(results)


def unigram_nats(
    train: Int[np.ndarray, ...], held_out: Int[np.ndarray, "*shape"], vocab_size: int
) -> Float[np.ndarray, "*shape"]:
    """-ln p of every held-out token under the frequencies of the training tokens (Krichevsky and Trofimov 1981):

        p(x) = (n(x) + 1/2) / (n + V/2)

    What anybody reaches who knows how often each token occurs, and nothing else. No token has the probability 0.
    Raises ValueError for a token outside the vocabulary.
    """
    train, held_out = np.asarray(train), np.asarray(held_out)
    for name, tokens in (("train", train), ("held_out", held_out)):
        if tokens.size and not (tokens.min() >= 0 and tokens.max() < vocab_size):
            raise ValueError(f"{name} must hold tokens in 0..{vocab_size - 1}, got {tokens.min()}..{tokens.max()}")
    counts = np.bincount(train.ravel(), minlength=vocab_size) + 0.5
    return -np.log(counts / counts.sum())[held_out]


def _joined(sequences, vocab_size: int) -> tuple[np.ndarray, np.ndarray]:
    """All tokens in a row, and how many of its own sequence stand before each."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    if not lengths.sum():
        raise ValueError("sequences must hold at least one token, got none")
    tokens = np.concatenate(sequences).astype(np.int64)
    if tokens.min() < 0 or tokens.max() >= vocab_size:
        raise ValueError(f"tokens must be in 0..{vocab_size - 1}, got {tokens.min()}..{tokens.max()}")
    return tokens, np.arange(len(tokens)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _keys(tokens: np.ndarray, before: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """64-bit keys of the order - 1 tokens before each token, and of them with it; False where they are too few.

    Keys are hashed, so that any order fits: two of a million contexts meet once in some 10^7 texts.
    """
    key = np.zeros(len(tokens), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for back in range(order - 1, 0, -1):
            shifted = np.concatenate([np.zeros(back, dtype=np.int64), tokens[: len(tokens) - back]])[: len(tokens)]
            key = _mixed(key * np.uint64(0x9E3779B97F4A7C15) + shifted.astype(np.uint64) + np.uint64(1))
        pairs = _mixed(key * np.uint64(0xBF58476D1CE4E5B9) + tokens.astype(np.uint64) + np.uint64(1))
    return key, pairs, before >= order - 1


def _mixed(key: np.ndarray) -> np.ndarray:
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def _looked_up(known: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    if not len(known):  # every sequence was shorter than the order
        return np.zeros(len(keys))
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[place] == keys, values[place], 0)
