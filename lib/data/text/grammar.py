"""English-like text from a seed: the controlled twin of a real corpus.

Words are syllables with a suffix that agrees (one thing, two things; it falls, they fall), drawn by Zipf's law.
Spelling and short-range grammar are what a model of a few bytes can learn; a document also has a topic, which favours
some content words, and names that come back, which only a model with a long view can use.
"""

from __future__ import annotations

import numpy as np

from lib.data.randomness import generator

_ONSETS = [*"bcdfglmnprstv", "br", "cl", "dr", "fl", "gr", "pl", "st", "tr"]
_VOWELS = [*"aeiou", "ai", "ea", "ou"]
_CODAS = ["", "", "n", "r", "l", "s", "t", "m", "nd", "st"]
_TEMPLATES = (
    "the {n} {v} the {n}.",
    "a {a} {n} {v} near the {n}.",
    "{name} {v} the {a} {n}.",
    "the {ns} {vp} and the {ns} {vp}.",
    "{name} and {name} {vp} a {n}.",
    "when the {n} {v}, the {ns} {vp}.",
    "{name} {vd} the {n} of {name}.",
    "no {n} {v} without a {n}.",
    "the {a} {ns} {vp}, but {name} {vd}.",
    "is the {n} {a}?",
    "{name} {vd} what the {ns} {vd}.",
    "two {ns} {vp} in the {a} {n}.",
)


class GrammarText:
    """Documents of some 600 to 1,600 bytes, lower-case letters and five signs, one line a sentence.

    words, topics, favoured: size of the lexicon, how many topics there are and how many words each favours.
    """

    def __init__(self, seed: int = 0, *, words: int = 600, topics: int = 40, favoured: int = 40):
        if words < max(30, 3 * favoured) or topics < 1 or favoured < 0:
            raise ValueError(
                "words must be at least 30 and three times favoured, topics at least 1 and favoured at least 0, "
                f"got {words}, {topics} and {favoured}"
            )
        self.seed = seed
        rng = generator(seed, 0)
        stems: dict[str, None] = {}
        while len(stems) < words:
            syllables = 1 + int(rng.integers(1, 3))
            word = "".join(
                str(rng.choice(_ONSETS)) + str(rng.choice(_VOWELS)) + (str(rng.choice(_CODAS)) if last else "")
                for last in [*[False] * (syllables - 1), True]
            )
            stems[word] = None
        stems = list(stems)
        third = words // 3
        self.nouns, self.verbs, self.adjectives = stems[:third], stems[third : 2 * third], stems[2 * third : 3 * third]
        self.names = [word + "o" for word in stems[: third // 2]]
        zipf = np.tile(1 / np.arange(1, third + 1), 3)  # nouns, verbs, adjectives
        self._odds = []
        for _ in range(topics):
            odds = zipf.copy()
            odds[rng.choice(3 * third, favoured, replace=False)] *= 12
            self._odds.append(odds)

    def text(self, size: int, part: int = 0) -> bytes:
        """At least `size` bytes of whole documents; different parts share the language and no document."""
        if size < 1 or part < 0:
            raise ValueError(f"size must be at least 1 byte and part at least 0, got {size} and {part}")
        rng, documents, total = generator(self.seed, 1, part), [], 0
        while total < size:
            documents.append(self._document(rng))
            total += len(documents[-1])
        return "".join(documents).encode()

    def _document(self, rng: np.random.Generator) -> str:
        odds = self._odds[rng.integers(len(self._odds))]
        third = len(self.nouns)
        wanted = int(rng.integers(600, 1500))
        count = wanted // 8  # more words than a document of this size can hold
        nouns = iter(_drawn(rng, self.nouns, odds[:third], count))
        verbs = iter(_drawn(rng, self.verbs, odds[third : 2 * third], count))
        adjectives = iter(_drawn(rng, self.adjectives, odds[2 * third :], count))
        cast = list(rng.choice(self.names, int(rng.integers(2, 5)), replace=False))
        lines, length = [], 0
        while length < wanted:
            words = _TEMPLATES[rng.integers(len(_TEMPLATES))].replace("{", "\0{").replace("}", "}\0").split("\0")
            for place, word in enumerate(words):
                if word in ("{n}", "{ns}"):
                    words[place] = next(nouns) + ("s" if word == "{ns}" else "")
                elif word in ("{v}", "{vp}", "{vd}"):
                    words[place] = next(verbs) + {"{v}": "s", "{vp}": "", "{vd}": "ed"}[word]
                elif word == "{a}":
                    words[place] = next(adjectives) + "y"
                elif word == "{name}":
                    words[place] = str(cast[rng.integers(len(cast))])
            lines.append("".join(words))
            length += len(lines[-1]) + 1
        return "\n".join(lines) + "\n\n"


def _drawn(rng: np.random.Generator, words: list[str], odds: np.ndarray, count: int) -> list[str]:
    return [words[place] for place in rng.choice(len(words), count, p=odds / odds.sum())]
