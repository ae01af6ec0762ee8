"""Geometric shapes: outlines told by their lines, arcs and parallel sides."""

from __future__ import annotations

import itertools
import re

import pytest

from lib.data.questions import questions
from lib.data.questions.shapes import solve_shapes


def test_the_pen_never_jumps():
    for question in questions("shapes", 200, seed=6, split="train"):
        points = re.findall(r"([ML]) (-?[\d.]+,-?[\d.]+)", question.text)
        for (_, before), (kind, here) in itertools.pairwise(points):
            if kind == "M" and " A " not in question.text:
                assert here == before


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("M 0,0 L 5,5", "line"), ("M 0,0 L 4,0 L 0,3 L 0,0", "triangle"),
        ("M 0,0 L 6,0 L 4,2 L 1,2 L 0,0", "trapezoid"), ("M 0,2 L 2,0 L 0,-5 L -2,0 L 0,2", "kite"),
        ("M 0,0 L 4,0 M 4,0 L 0,3 L 0,0", "triangle"), ("M 0,0 L 1,0 A 1,1 0 0,1 0,1 L 0,0", "sector"),
        ("M 1,0 A 1,2 0 0,1 -1,0 A 1,2 0 0,1 1,0", "ellipse"),
        ("M 0,0 L 2,0 L 3,2 L 1,3 L -1,2 L 0,0", "pentagon"),
    ],
)  # fmt: skip
def test_outlines_drawn_by_hand(path, shape):
    assert solve_shapes(f'What is drawn by the SVG path <path d="{path}"/> ?', ()) == shape


def test_an_outline_of_lines_closes():
    for question in questions("shapes", 100, seed=3, split="train"):
        points = re.findall(r"[ML] (-?[\d.]+,-?[\d.]+)", question.text)
        if question.answer not in ("line", "ellipse"):
            assert points[0] == points[-1]
