"""The 256 tokens that the recall, format and topic-text tasks share, so that one model can learn all of them."""

from __future__ import annotations

from lib.data.vocabulary import Vocabulary

VOCAB_SIZE = 256
SPECIALS = ("PAD", "BOS", "SEP", "QUERY", "COLON", "NL")
PAD, BOS, SEP, QUERY, COLON, NL = range(len(SPECIALS))
KEYS = range(6, 86)
VALUES = range(86, 166)
TEXT = range(166, VOCAB_SIZE)

VOCABULARY = Vocabulary(
    [
        *("_", "<bos>", "|", "?", ":", "/"),
        *(f"{letter}{number}" for letter, tokens in zip("kvw", (KEYS, VALUES, TEXT), strict=True)
          for number in range(len(tokens))),
    ],
    such_as="k3, v3, w3, |, ?, :, /",
)  # fmt: skip
"""`k3` for a key, `v3` for a value or label, `w3` for a text token, a sign for a special one."""

token_name, decode = VOCABULARY.name, VOCABULARY.decode
