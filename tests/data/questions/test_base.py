"""A question: which answers count, what a prompt shows, what follows the last marker."""

from __future__ import annotations

import pytest

from lib.data.questions import Question, final_answer, questions

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


def test_prompts_show_all_options():
    question = questions("coloured_objects", 1, seed=0, split="train")[0]
    shown = question.prompt.split("\n")
    assert shown[1] == "Options:" and [line[4:] for line in shown[2:]] == list(question.options)
    assert shown[2].startswith("(A) ") and question.prompt != question.text
