"""The glossary: each word once, each meaning one plain sentence, each in a notebook of the course."""

from __future__ import annotations

import re

import pytest

from lib.workbench.course import PAPERS
from lib.workbench.glossary import GLOSSARY, entries, meaning, show_glossary

NAMES = [name.strip().casefold() for names, _, _ in entries() for name in names.split(",")]


def test_every_word_stands_once():
    assert len(NAMES) == len(set(NAMES)) > 80


def test_every_block_is_that_of_a_notebook_of_the_course():
    assert set(GLOSSARY) <= {paper.notebook for paper in PAPERS} | {"00_start_here"}


@pytest.mark.parametrize(("names", "text"), [entry[:2] for entry in entries()], ids=lambda text: text[:20])
def test_a_meaning_is_one_short_sentence_that_does_not_explain_a_word_by_itself(names, text):
    assert 20 <= len(text) <= 120 and not re.search(r"\.\s|\.$|\n", text)
    assert names.split(",")[0].casefold() not in text.casefold().split(" ")[:3]


@pytest.mark.parametrize("word", ["fréchet distance", "MoE", "guidance", "Top-p"])
def test_a_word_is_found_by_each_of_its_names_in_any_case(word):
    assert meaning(word)


def test_a_missing_word_is_an_error_that_names_the_file():
    with pytest.raises(KeyError, match=r"glossary\.py explains, got 'flux'"):
        meaning("flux")


def test_the_table_lists_every_word(capsys):
    show_glossary()
    assert len(capsys.readouterr().out.splitlines()) == len(entries())
