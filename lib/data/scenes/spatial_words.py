"""The words of spatial captions: a vocabulary for all of them, and what can be done to a caption word by word.

A caption is words with blanks between, marks included: "the red disk is to the left of the blue square ." Mirroring
the picture turns left into right and nothing else. Negating says that the opposite is not so. A wrong relation says the
opposite.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from lib.data.checks import check_whole
from lib.data.scenes.captions import COLOURS, SHAPES
from lib.data.vocabulary import Vocabulary

PHRASES = {"left of": "to the left of", "right of": "to the right of", "above": "above", "below": "below"}
"""How each relation is told."""
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
SIZE_WORDS = ("larger", "smaller")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
"""Of objects; no caption tells of more."""
SPECIAL = ("<pad>", "<bos>", "<eos>")
_GRAMMAR = "a the object objects and , : . is not to left right of above below than".split()
VOCABULARY = Vocabulary(
    sorted({*COLOURS, *SHAPES, *SIZE_WORDS, *NUMBERS, *_GRAMMAR}), first=SPECIAL, such_as="a red disk above blue square"
)
"""Every word of every caption; <pad> is 0, <bos> 1 and <eos> 2."""
PAD, BOS, EOS = (VOCABULARY.ids[word] for word in SPECIAL)
CONTEXT_LENGTH = 64
"""Tokens of a caption with <bos> and <eos>."""

_KEYS = {phrase: key for key, phrase in PHRASES.items()}
_RELATION = re.compile(rf"(?<!\S)(not )?({'|'.join(_KEYS)})(?!\S)")


def encode_captions(
    captions: Sequence[str], length: int = CONTEXT_LENGTH, *, truncate: bool = True
) -> Int[np.ndarray, "captions {length}"]:
    """Tokens as int64: <bos>, words, <eos>, <pad> to the length; the empty prompt is <bos> <eos>.

    A longer caption loses its last words, but not <eos>; without `truncate` it is an error.
    Raises ValueError for a word that is not in the vocabulary, a length below 2, one text instead of a list, and a
    caption that is longer than it may be.
    """
    check_whole(2, length=length)
    if isinstance(captions, str):
        raise ValueError(f"captions must be a list of texts, got one text {captions!r}")
    tokens = np.full((len(captions), length), PAD, dtype=np.int64)
    for row, caption in enumerate(captions):
        words = VOCABULARY.encode(caption)
        if len(words) > length - 2 and not truncate:
            raise ValueError(f"captions must be of at most {length - 2} words, got one of {len(words)}")
        words = words[: length - 2]
        tokens[row, : len(words) + 2] = [BOS, *words, EOS]
    return tokens


def decode_caption(tokens: Sequence[int] | Int[np.ndarray, " length"]) -> str:
    """The words of one row between <bos> and the first <eos>, whatever follows it."""
    kept = list(map(int, tokens))
    kept = kept[: kept.index(EOS)] if EOS in kept else kept
    return VOCABULARY.decode([token for token in kept if token not in (BOS, PAD)])


def flip_words(caption: str) -> str:
    """The caption of the mirrored picture: left and right change places."""
    swap = {"left": "right", "right": "left"}
    return " ".join(swap.get(word, word) for word in caption.split())


def negated(caption: str, rng: np.random.Generator, *, rate: float = 1.0) -> str:
    """The same meaning with each relation negated with probability `rate`: "not to the right of" for "to the left of".

    What is negated already stays. Raises ValueError for a rate outside of 0..1.
    """
    _check_rate(rate)

    def instead(found: re.Match) -> str:
        if rng.random() >= rate or found[1]:
            return found[0]
        return f"not {_opposite(found[2])}"

    return _RELATION.sub(instead, caption)


def wrong_relations(caption: str, rate: float, rng: np.random.Generator) -> str:
    """Each relation turned into its opposite with probability `rate`; sizes stay as they are.

    Raises ValueError for a rate outside of 0..1.
    """
    _check_rate(rate)

    def instead(found: re.Match) -> str:
        return found[0] if rng.random() >= rate else (found[1] or "") + _opposite(found[2])

    return _RELATION.sub(instead, caption)


def _opposite(phrase: str) -> str:
    return PHRASES[OPPOSITE[_KEYS[phrase]]]


def _check_rate(rate: float) -> None:
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be in 0..1, got {rate}")
