"""Exercises of notebook 14: a program for shuffled objects, reading an answer, a local trace, a shortcut."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from lib.data import parse_pseudocode, questions, run_pseudocode
from lib.workbench.exercises import exercise


@exercise("pseudocode for shuffled objects")
def shuffled(text):
    """A program `shuffled(start, swaps, asked)` whose trace tells what each person has."""
    program = parse_pseudocode(text)
    for question in questions("shuffled_objects", 100, seed=3, split="test"):
        done = run_pseudocode(program, question.arguments)
        assert done.result == question.answer, (
            f"'{question.text[-120:]}' has the answer {question.answer!r}, the program says {done.result!r}"
        )
        start, swaps, asked = question.arguments
        assert len(done.trace) >= len(swaps), "there are fewer printed lines than swaps: nothing to simulate"
        lines = [" ".join(map(str, values)) for values in done.trace]
        named = [line for line in lines if asked in line]
        if any(asked in swap for swap in swaps):
            assert named and f"{asked} {question.answer}" in named[-1], (
                f"a Reasoner must read off what {asked} has: the last printed line that names {asked} should say "
                f"'{asked} {question.answer}', and is {named[-1] if named else 'missing'!r}"
            )
        _follows_each_swap(lines, dict(start), swaps)


def _follows_each_swap(lines, has, swaps):
    """Without what both persons of a swap have now, the next swap cannot be simulated from the lines alone."""
    left = iter(lines)
    for one, other in swaps:
        has[one], has[other] = has[other], has[one]
        wanted = {f"{person} {has[person]}" for person in (one, other)}
        while wanted and (line := next(left, None)) is not None:
            wanted = {words for words in wanted if words not in line}
        assert not wanted, (
            f"after the swap of {one} and {other} no printed line says {' or '.join(sorted(map(repr, wanted)))}: "
            "each swap has to show what both persons have, or the next one cannot be simulated from the lines"
        )


@exercise("the answer in a text")
def extract(answer):
    """answer(text, options) -> the option that the text settles on, or None."""
    options = ("Yes", "No", "lamp")
    cases = {
        "Final answer: Yes": "Yes", "Final answer: (B)": "No", "Final answer: C": "lamp",
        "Final answer: (C) lamp": "lamp", "Final answer: lamp.": "lamp",
        "Note that it holds.\nFinal answer: Nothing": None, "Yes, so far.\nFinal answer: No": "No",
        "Final answer: Yes\nWait.\nFinal answer: No": "No", "No marker here. Yes.": None, "Final answer:": None,
        "Final answer: No\nYes, it was hard.": "No", "Final answer: (D)": None,
    }  # fmt: skip
    for text, wanted in cases.items():
        given = answer(text, options)
        assert given == wanted, f"{text!r} settles on {wanted!r}, not on {given!r}"
    rng, things = np.random.default_rng(0), ("key", "monkey", "shell", "bell", "oyster")
    for _ in range(30):
        order = tuple(things[i] for i in rng.permutation(len(things)))
        place = int(rng.integers(len(order)))
        said = ("({letter})", "{letter}", "{option}", "({letter}) {option}.")[int(rng.integers(4))]
        text = "Final answer: " + said.format(letter="ABCDE"[place], option=order[place])
        given = answer(f"Final answer: {order[place - 1]}\nNo.\n{text}", order)
        assert given == order[place], f"{text!r} among {order} settles on {order[place]!r}, not on {given!r}"


@exercise("a local trace", returns=Sequence)
def trace(answer):
    """answer(brackets) -> a line for each bracket, which follows from the line before and the bracket alone."""
    seen, ends = {}, {}
    for question in questions("dyck", 400, seed=5, split="train"):
        brackets = question.arguments[0]
        lines = answer(list(brackets))
        assert len(lines) == len(brackets), f"{len(brackets)} brackets need as many lines, got {len(lines)}"
        depth = itertools.accumulate(1 if bracket in "([{<" else -1 for bracket in brackets)
        for line, still_open in zip(lines, depth, strict=True):
            assert len(line.split()) <= still_open + 2, f"{line!r} is long for {still_open} open brackets"
            signs = sum(sign in "()[]{}<>" for sign in line)
            assert signs <= still_open + 2 and len(line) <= 2 * (still_open + 2) + 12, (
                f"{line!r} holds more than the {still_open} brackets that are open: it carries the history along"
            )
        for before, bracket, after in zip(["", *lines[:-1]], brackets, lines, strict=True):
            assert seen.setdefault((before, bracket), after) == after, (
                f"behind {before!r}, the bracket {bracket} leads to {after!r} here and to {seen[before, bracket]!r} "
                "elsewhere"
            )
        assert ends.setdefault(lines[-1], question.answer) == question.answer, (
            f"the last line {lines[-1]!r} does not tell {question.answer!r} from {ends[lines[-1]]!r}"
        )


@exercise("the temporal shortcut", returns=Sequence)
def fairer(answer):
    """answer(question, draw) -> four options, two of which no witness names, the right one among them."""
    draw, right = np.random.default_rng(0), 0
    for question in questions("temporal", 200, seed=6, split="test"):
        wake, _, close = question.arguments
        options = list(answer(question, draw))
        assert len(set(options)) == 4 and question.answer in options, (
            "there must be four different options, the right one among them"
        )
        free = _hours(question.answer)
        for option in options:
            start, end = _hours(option)
            assert wake <= start < end <= close, (
                f"{option!r} lies outside the day from {wake} to {close}: that would be an easier shortcut"
            )
            inside = option != question.answer and free[0] <= start and end <= free[1]
            assert not inside, f"{option!r} lies within the free time {question.answer!r}: it is right as well"
        unnamed = [option for option in options if f"from {option}" not in question.text]
        assert len(unnamed) <= 2, f"two options are to be named by no witness, the right one among them, not {unnamed}"
        right += unnamed[int(draw.integers(len(unnamed)))] == question.answer
    assert right < 130, f"the shortcut, any option that no witness names, still finds {right} of 200"


def _hours(option: str) -> tuple[int, int]:
    """The hours of '9am to 11am': (9, 11)."""
    first, last = (int(word[:-2]) % 12 + 12 * (word[-2:] == "pm") for word in option.split(" to "))
    return first, last
