"""A closed vocabulary: every word has one number, and what is not in it is an error with a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Int


class Vocabulary:
    """Words without blanks, numbered in the order given; `first` (pad, eos ...) come before and are not repeated.

        Vocabulary(sorted(words), first=("pad", "eos")).encode("eos pad") -> [1, 0]

    `such_as` are examples for the sentence that says what a text may hold (the first words when None).
    Raises ValueError for no words, a word twice, or one that is empty or holds a blank.
    """

    def __init__(self, words: Iterable[str], *, first: Sequence[str] = (), such_as: str | None = None):
        self.names: tuple[str, ...] = (*first, *(word for word in words if word not in first))
        """The word of each number."""
        self.ids: dict[str, int] = {word: number for number, word in enumerate(self.names)}
        """The number of each word."""
        if not self.names or len(self.ids) < len(self.names):
            twice = [repr(word) for number, word in enumerate(self.names) if self.ids[word] != number]
            raise ValueError(f"words must be different and at least one, got {' and '.join(twice) or 'none'}")
        for word in self.names:
            if word.split() != [word]:
                raise ValueError(f"words must be without blanks and not empty, got {word!r}")
        self._such_as = such_as or ", ".join(self.names[:8])

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, word: object) -> bool:
        return word in self.ids

    def name(self, token: int) -> str:
        """The word of a token. Raises ValueError for a number outside of the vocabulary."""
        if not 0 <= token < len(self):
            raise ValueError(f"token must be in 0..{len(self) - 1}, got {token}")
        return self.names[int(token)]

    def encode(self, text: str | Sequence[str]) -> Int[np.ndarray, " tokens"]:
        """The tokens of a text with blanks between its words, or of a list of words, as int64.

        Raises ValueError for a word that is not in the vocabulary.
        """
        words = text.split() if isinstance(text, str) else text
        unknown = next((word for word in words if word not in self.ids), None)
        if unknown is not None:
            raise ValueError(
                f"text must be of the {len(self)} known words, such as {self._such_as}, with spaces between, "
                f"got {unknown!r}"
            )
        return np.array([self.ids[word] for word in words], dtype=np.int64)

    def decode(self, tokens, names: Mapping[int, str] | None = None) -> str:
        """One sequence of tokens as a line that can be read; `names` takes precedence over the vocabulary's words."""
        sequence = np.asarray(tokens)
        if sequence.ndim != 1:
            raise ValueError(f"tokens must be one sequence (1 dimension), got shape {sequence.shape}")
        names = names or {}
        return " ".join(names.get(int(token)) or self.name(int(token)) for token in sequence)
