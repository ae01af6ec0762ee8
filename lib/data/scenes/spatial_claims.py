"""What a caption claims, piece by piece, and how often captions speak of space.

A caption is split into atomic claims, each of which is true or false of a picture on its own (FAITHScore, Jing et al.,
arXiv 2311.01477; SPRIGHT, arXiv 2404.01197, section 3.3). The shares of captions with a spatial word are SPRIGHT's
Table 1, the parts of speech its Table 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lib.data.scenes.captions import COLOURS, SHAPES
from lib.data.scenes.spatial_words import NUMBERS, PHRASES, SIZE_WORDS

CLAIM_KINDS = ("entity", "colour", "count", "relation", "size")
FAMILIES = {
    **{word: (word,) for word in ("left", "right", "above", "below", "front", "behind", "next", "close", "far")},
    "small": ("small", "smaller"),
    "large": ("large", "larger"),
}
"""Families of spatial words and the words that count for them; our world has no depth and no nearness."""

_NAME = rf"(?:(?:{'|'.join(COLOURS)}) )?(?:{'|'.join(SHAPES)})"
_PHRASES = {phrase: key for key, phrase in PHRASES.items()} | {f"{word} than": word for word in SIZE_WORDS}
_MENTION = re.compile(rf"(?<!\S)(?:a|the) ({_NAME})(?!\S)")
_COUNT = re.compile(rf"(?<!\S)({'|'.join(NUMBERS)}) (objects?)(?!\S)")
_BETWEEN = re.compile(
    rf"(?<!\S)(?=(?:a|the) ({_NAME}) (?:is )?(not )?({'|'.join(_PHRASES)}) (?:a|the) ({_NAME})(?!\S))"
)


@dataclass(frozen=True)
class Claim:
    """One thing that a caption says.

    entity: `subject` is a shape, `disk`. colour: a colour and a shape, `red disk`. count: there are `number` objects.
    relation: `subject` lies to `object` as `relation` (`left of`, `right of`, `above`, `below`) says, or does not where
    `negated`. size: `relation` is `larger` or `smaller`.
    """

    kind: str
    subject: str
    relation: str | None = None
    object: str | None = None
    negated: bool = False
    number: int | None = None


def claims_of(caption: str) -> list[Claim]:
    """Every atomic claim, once each: the count, then entities and colours in order of mention, relations and sizes.

    What is no claim of these kinds is passed over, so that the words of a model may be read as well.
    """
    text = " ".join(caption.split())
    claims = [Claim("count", "objects", number=NUMBERS.index(found[1]) + 1) for found in _COUNT.finditer(text)]
    for found in _MENTION.finditer(text):
        claims.append(Claim("entity", found[1].split()[-1]))
        if " " in found[1]:
            claims.append(Claim("colour", found[1]))
    for found in _BETWEEN.finditer(text):
        word = _PHRASES[found[3]]
        kind = "size" if word in SIZE_WORDS else "relation"
        claims.append(Claim(kind, found[1], word, found[4], negated=bool(found[2])))
    return list(dict.fromkeys(claims))


def spatial_share(captions: Sequence[str]) -> dict[str, float]:
    """Share of the captions with a word of each family, their `sum`, and the share with `any` of them.

    Raises ValueError for no captions.
    """
    said = [set(caption.split()) for caption in _some(captions)]
    share = lambda members: sum(not words.isdisjoint(members) for words in said) / len(said)  # noqa: E731
    shares = {family: share(members) for family, members in FAMILIES.items()}
    every = {word for members in FAMILIES.values() for word in members}
    return {**shares, "sum": sum(shares.values()), "any": share(every)}


def linguistics(captions: Sequence[str]) -> dict[str, float]:
    """Averages per caption: `words` (marks left out), `nouns`, `adjectives`, `verbs`, `claims` and `sentences`.

    Raises ValueError for no captions.
    """
    kinds = {
        "nouns": {*SHAPES, "object", "objects"},
        "adjectives": {*COLOURS, *SIZE_WORDS},
        "verbs": {"is"},
        "sentences": {"."},
    }
    split = [caption.split() for caption in _some(captions)]
    mean = lambda counts: sum(counts) / len(split)  # noqa: E731
    averages = {
        kind: mean(sum(word in members for word in words) for words in split) for kind, members in kinds.items()
    }
    words = mean(sum(word not in (".", ",", ":") for word in words) for words in split)
    return {"words": words, **averages, "claims": mean(len(claims_of(caption)) for caption in captions)}


def _some(captions: Sequence[str]) -> Sequence[str]:
    if isinstance(captions, str) or not len(captions):
        raise ValueError(f"captions must be a list of texts, at least one, got {captions!r}")
    return captions
