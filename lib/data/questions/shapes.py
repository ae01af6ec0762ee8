"""Geometric shapes: what does the outline of an SVG path show?"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence

import numpy as np

from lib.data.questions.base import Family, Question

_CORNERS = {"triangle": 3, "kite": 4, "trapezoid": 4, "pentagon": 5, "hexagon": 6, "heptagon": 7, "octagon": 8}
_OPTIONS = (
    "circle", "heptagon", "hexagon", "kite", "line", "octagon", "pentagon", "rectangle", "sector", "triangle",
)  # fmt: skip


def shapes(rng: np.random.Generator, size: int) -> Question:
    """An SVG path of M, L and A commands; pens lift and come down again where they were. `size` plays no role."""
    names = ("line", "sector", "triangle", "kite", "trapezoid", "pentagon", "hexagon", "heptagon", "octagon", "ellipse")
    shape = names[rng.integers(len(names))]
    commands = _outline(shape, rng)
    path, last = [], None
    lifts = set(
        rng.choice(range(1, len(commands) + 1), min(len(commands) - 1, int(rng.integers(0, 3))), replace=False).tolist()
    )
    for number, (kind, point, extra) in enumerate(commands):
        if number in lifts and last is not None and kind != "M":
            path.append(f"M {last[0]:.2f},{last[1]:.2f}")
        path.append(f"{kind} {extra}{point[0]:.2f},{point[1]:.2f}")
        last = point
    options = [*_OPTIONS, shape] if shape in ("trapezoid", "ellipse") else list(_OPTIONS)
    text = f'What is drawn by the SVG path <path d="{" ".join(path)}"/> ?'
    return Question("shapes", text, tuple(options), shape, (), len(commands))


def _outline(shape: str, rng: np.random.Generator) -> list[tuple[str, tuple[float, float], str]]:
    def rounded(point: complex) -> tuple[float, float]:
        return round(point.real, 2), round(point.imag, 2)

    centre = complex(*rng.uniform(30, 70, 2))
    turn = complex(math.cos(a := rng.uniform(0, 2 * math.pi)), math.sin(a))
    r = rng.uniform(10, 28)
    if shape == "line":
        return [("M", rounded(centre), ""), ("L", rounded(centre + r * turn), "")]
    if shape in ("sector", "ellipse"):
        b = r if shape == "sector" else r * rng.uniform(0.4, 0.8)
        arc = f"{r:.2f},{b:.2f} {math.degrees(a):.2f} 0,1 "
        ends = [centre + r * turn, centre + r * turn * complex(math.cos(1.2), math.sin(1.2))]
        if shape == "ellipse":
            ends[1] = centre - r * turn
            return [("M", rounded(ends[0]), ""), ("A", rounded(ends[1]), arc), ("A", rounded(ends[0]), arc)]
        return [
            ("M", rounded(centre), ""),
            ("L", rounded(ends[0]), ""),
            ("A", rounded(ends[1]), arc),
            ("L", rounded(centre), ""),
        ]
    if shape == "kite":
        long, wide = rng.uniform(1.4, 1.9), rng.uniform(0.5, 0.8)
        corners = [r * 0.5 + 0j, 1j * r * wide, -r * long * 0.5 + 0j, -1j * r * wide]
    elif shape == "trapezoid":
        shift, top = rng.uniform(0.15, 0.3), rng.uniform(0.4, 0.6)
        corners = [complex(-r, -r / 2), complex(r, -r / 2), complex(r * (top + shift), r / 2), complex(-r * top, r / 2)]
    else:
        n = _CORNERS[shape]
        angles = 2 * np.pi * (np.arange(n) + rng.uniform(-0.25, 0.25, n)) / n
        corners = [r * complex(math.cos(t), math.sin(t)) for t in angles]
    points = [rounded(centre + turn * corner) for corner in corners]
    return [("M", points[0], ""), *(("L", point, "") for point in [*points[1:], points[0]])]


def solve_shapes(text: str, options: Sequence[str]) -> str:
    """Count lines and arcs; four lines are told apart by which sides are parallel."""
    path = re.search(r'd="([^"]*)"', text)[1]
    lines, arcs = path.count("L"), path.count("A")
    if arcs:
        return "sector" if lines else "ellipse"
    if lines != 4:
        return {1: "line", 3: "triangle", 5: "pentagon", 6: "hexagon", 7: "heptagon", 8: "octagon"}[lines]
    points = [complex(float(x), float(y)) for x, y in re.findall(r"[ML] (-?[\d.]+),(-?[\d.]+)", path)]
    corners = [point for point, before in zip(points, [None, *points[:-1]], strict=True) if point != before]
    sides = [b - a for a, b in itertools.pairwise(corners)]
    apart = [abs((sides[i].conjugate() * sides[i + 2]).imag) / abs(sides[i]) / abs(sides[i + 2]) for i in (0, 1)]
    return "trapezoid" if min(apart) < 0.02 else "kite"


FAMILY = Family("shapes", shapes, solve_shapes, (0,), (0,), range(1))
