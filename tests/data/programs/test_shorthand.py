"""The shorthand says all of a register program, and what is none is refused."""

from __future__ import annotations

import pytest

from lib.data.programs.registers import KIND, VOCABULARY
from lib.data.programs.shorthand import expand, facts_of, plan_words, shorthand
from lib.data.programs.tasks import register_programs
from lib.data.programs.tree import PseudocodeError
from lib.data.programs.writing import plan, render

PROGRAMS = register_programs(60, seed=0, split="train", **KIND)
OTHERS = register_programs(60, seed=0, split="train", modulus=7, tests=("==",), minus=True)


@pytest.mark.parametrize(("programs", "modulus"), [(PROGRAMS, 5), (OTHERS, 7)])
def test_a_program_comes_back_from_its_words(programs, modulus):
    for program in programs:
        assert render(expand(shorthand(program), modulus=modulus)) == render(program)
        assert render(expand(shorthand(program, comments=False), modulus=modulus)) == render(program)


def test_the_words_are_in_the_vocabulary_and_equally_many():
    texts = [words(p) for p in PROGRAMS for words in (shorthand, plan_words)]
    for text in texts:
        VOCABULARY.encode(text)
    assert len({len(shorthand(p)) for p in PROGRAMS}) == len({len(plan_words(p)) for p in PROGRAMS}) == 1


def test_a_plan_keeps_every_fact():
    for program in PROGRAMS[:20]:
        facts, told = facts_of(program), plan_words(program)
        assert {facts["test"][0], facts["test"][2], facts["return"], facts["a"], facts["b"]} <= set(told)
        assert len(told) < len(plan(program).split())


def test_facts_are_what_the_text_says():
    words = "a = 1 b = 4 for x in xs if x < 2 then a = a + x else b = b + a print a b return b".split()
    assert facts_of(expand(words, modulus=5)) == {
        "test": ["x", "<", "2"], "then": ["a", "=", "a", "+", "x"], "else": ["b", "=", "b", "+", "a"],
        "return": "b", "a": "1", "b": "4", "modulus": "5",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a = 1 b = 5 for x in xs if x < 2 then a = a + x else b = b + a print a b return b",
        "a = 1 b = 4 for x in xs if x < 2 then a = a + x else x = b + a print a b return b",
        "a = 1 b = 4 for x in xs if x < 2 then a = a + x else b = b + a print a b return b eos",
    ],
)
def test_words_that_are_no_register_program_are_refused(text):
    with pytest.raises(PseudocodeError, match="these words are no register program"):
        expand(text.split(), modulus=5)
