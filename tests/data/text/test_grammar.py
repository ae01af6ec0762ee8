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
    grammar = GrammarText(0)
    text = grammar.text(50_000).decode()
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz ,.?\n")
    singular = re.findall(r"^the (\w+) (\w+) the (\w+)\.$", text, flags=re.M)
    assert len(singular) > 50
    assert all(noun in grammar.nouns and verb.removesuffix("s") in grammar.verbs for noun, verb, _ in singular)
    documents = [part for part in text.split("\n\n") if part.strip()]
    assert all(600 <= len(part) + 2 < 1700 for part in documents)
    casts = [{word for word in re.findall(r"[a-z]+", part) if word in grammar.names} for part in documents]
    assert all(len(cast) <= 4 for cast in casts) and len(set().union(*casts)) > 20


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match=r"^size must be at least 1 byte and part at least 0, got 0 and 0$"):
        GrammarText().text(0)
    with pytest.raises(ValueError, match=r"^words must be at least 30 and three times favoured"):
        GrammarText(words=100)
    with pytest.raises(ValueError, match=r"got 600, 0 and 40$"):
        GrammarText(topics=0)
