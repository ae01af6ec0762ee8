"""The generated grammar: the same everywhere, different in its parts, with the regularities it promises."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import pytest

from lib.data import GrammarText


def test_the_same_seed_gives_the_same_text_on_every_machine():
    text = GrammarText(0).text(20_000)
    assert text == GrammarText(0).text(20_000)
    assert hashlib.sha256(text).hexdigest()[:16] == "bc62bbb7a7444704"
    assert text != GrammarText(1).text(20_000) and text != GrammarText(0).text(20_000, part=1)


def test_parts_share_words_and_no_document():
    grammar = GrammarText(3)
    train, test = (grammar.text(60_000, part).decode() for part in (0, 1))
    assert not set(train.split("\n\n")) & set(test.split("\n\n")) - {""}
    words = [Counter(re.findall(r"[a-z]+", part)) for part in (train, test)]
    shared = sum(count for word, count in words[1].items() if word in words[0])
    assert shared / words[1].total() > 0.9


def test_verbs_agree_and_names_come_back():
    text = GrammarText(0).text(50_000).decode()
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz ,.?\n")
    for noun, verb in re.findall(r"^the (\w+) (\w+) the \w+\.$", text, flags=re.M):
        assert not noun.endswith("ss") and verb.endswith("s")
    documents = [part for part in text.split("\n\n") if part.strip()]
    assert all(600 <= len(part) + 2 < 1700 for part in documents)


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match=r"^size must be at least 1 byte, got 0$"):
        GrammarText().text(0)
    with pytest.raises(ValueError, match=r"^words must be at least three times favoured \(40\), got 100$"):
        GrammarText(words=100)
