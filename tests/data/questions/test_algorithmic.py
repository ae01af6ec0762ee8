"""Algorithmic questions: solvers that read the text agree with generators that know the state."""

from __future__ import annotations

import collections
import itertools
import subprocess
import sys

import pytest

from lib.data.questions.algorithmic import FAMILIES, Question, final_answer, questions


@pytest.mark.parametrize("family", FAMILIES)
def test_the_solver_agrees_with_the_generator(family):
    for longer in (False, True):
        for question in questions(family, 200, seed=1, split="train", longer=longer):
            assert FAMILIES[family].solve(question.text, question.options) == question.answer, question.text
            assert question.is_right(question.answer)
            assert not question.options or question.options.count(question.answer) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_splits_share_no_question(family):
    drawn = {
        split: {q.key for q in questions(family, 100, seed=0, split=split)} for split in ("train", "validation", "test")
    }
    assert (
        not drawn["train"] & drawn["test"]
        and not drawn["train"] & drawn["validation"]
        and not drawn["validation"] & drawn["test"]
    )


def test_sizes_can_be_asked_for():
    asked = questions("web_of_lies", 40, seed=1, split="train", sizes=(4, 20))
    assert {q.size for q in asked} == {4, 20}


def test_questions_are_the_same_in_every_process():
    code = "from lib.data.questions.algorithmic import FAMILIES, questions\n"
    code += "print(sum(q.key for f in FAMILIES for q in questions(f, 5, seed=2, split='validation')))"
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1


def shares(family, count=600):
    found = collections.Counter(q.answer for q in questions(family, count, seed=5, split="train"))
    return {answer: number / count for answer, number in found.items()}


def test_answers_occur_as_often_as_in_bbh():
    assert 0.45 < shares("web_of_lies")["Yes"] < 0.55
    assert 0.37 < shares("navigate")["Yes"] < 0.47
    cuts = collections.Counter(len(q.answer.split()) for q in questions("dyck", 600, seed=5, split="train"))
    assert set(cuts) == {1, 2, 3} and cuts[2] > cuts[3] > 0


def test_the_free_slot_is_the_only_option_that_nobody_saw():
    for question in questions("temporal", 100, seed=6, split="train"):
        assert f"from {question.answer}".replace(" to ", " to ") not in question.text
        for option in question.options:
            assert (option == question.answer) is (f"from {option}." not in question.text)


def test_swaps_never_repeat_a_pair_at_once():
    for question in questions("shuffled_objects", 100, seed=6, split="train"):
        swaps = question.arguments[1]
        assert len(swaps) == question.size
        assert all(set(a) != set(b) for a, b in itertools.pairwise(swaps))


def test_the_pen_never_jumps():
    import re

    for question in questions("shapes", 200, seed=6, split="train"):
        points = re.findall(r"([ML]) (-?[\d.]+,-?[\d.]+)", question.text)
        for (_, before), (kind, here) in itertools.pairwise(points):
            if kind == "M" and " A " not in question.text:
                assert here == before


LETTERED = Question("x", "?", ("Yes", "No"), "No", (), 0)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("No", True), ("(B)", True), ("B", True), ("(B) No", True), (" No ", True), ("Yes", False), ("(A)", False),
        ("Note", False), ("Nothing", False), ("(A) No", False), ("", False), ("B)", True), ("No No", False),
    ],
)  # fmt: skip
def test_options_count_with_and_without_their_letter(given, right):
    assert LETTERED.is_right(given) is right


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so it is.\nFinal answer: No", "No"), ("Final answer: Yes\nFinal answer: (B) No.", "(B) No"),
        ("Final answer:", ""), ("no marker", ""), ("Final answer: ) ]\nmore", ") ]"), ("", ""),
    ],
)  # fmt: skip
def test_the_last_marker_counts(text, answer):
    assert final_answer(text) == answer


def test_unknown_names_are_said():
    with pytest.raises(ValueError, match="family must be one of web_of_lies"):
        questions("riddles", 1, seed=0, split="train")
    with pytest.raises(ValueError, match="split must be one of train, validation, test"):
        questions("dyck", 1, seed=0, split="all")


def test_prompts_show_all_options():
    question = questions("coloured_objects", 1, seed=0, split="train")[0]
    shown = question.prompt.split("\n")
    assert shown[1] == "Options:" and [line[4:] for line in shown[2:]] == list(question.options)
    assert shown[2].startswith("(A) ") and question.prompt != question.text
