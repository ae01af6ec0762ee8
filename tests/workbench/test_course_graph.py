"""The drawing of prerequisites: depth by the longest way, an arrow from each notebook to those that need it."""

from __future__ import annotations

import base64
import math
import re

import pytest

from lib.workbench.course import PAPERS, Paper
from lib.workbench.course_graph import EDGE, RADIUS, STEP_X, STEP_Y, depths, drawing, places


def paper(number: str, *needs: str) -> Paper:
    return Paper(f"{number}_x", "title", "1234.56789", "a thing", needs)


PLANTED = [paper("01"), paper("02", "01"), paper("03"), paper("04", "02", "03"), paper("05", "01", "04")]


def test_depth_is_the_longest_way():
    assert depths(PLANTED) == {"01": 0, "02": 1, "03": 0, "04": 2, "05": 3}
    assert depths(PLANTED[::-1]) == depths(PLANTED)


def test_needs_in_a_circle_are_named():
    with pytest.raises(ValueError, match=r"^needs must lead back to a first notebook, got 0[12], 0[12]$"):
        depths([paper("01", "02"), paper("02", "01"), paper("03")])


def test_no_two_circles_touch_and_arrows_point_to_the_right():
    for papers in (PLANTED, PAPERS):
        at = places(papers)
        assert len(set(at.values())) == len(papers) and min(STEP_X, STEP_Y) > 2 * RADIUS
        assert all(at[before][0] < at[paper.number][0] for paper in papers for before in paper.needs)
    assert places(PLANTED)["03"] == (EDGE, EDGE + STEP_Y)


def test_no_arrow_runs_through_the_circle_of_a_third_notebook():
    at = places(PAPERS)
    for paper in PAPERS:
        for before in paper.needs:
            (x0, y0), (x1, y1) = at[before], at[paper.number]
            dx, dy = x1 - x0 - 2 * RADIUS, y1 - y0
            for number in set(at) - {before, paper.number}:
                x, y = at[number][0] - x0 - RADIUS, at[number][1] - y0
                along = (x * dx + y * dy) / math.hypot(dx, dy) ** 2
                assert not 0 < along < 1 or abs(x * dy - y * dx) / math.hypot(dx, dy) > RADIUS, (before, number)


def test_every_need_is_an_arrow_and_what_is_to_come_is_dashed():
    html = drawing(PLANTED, there={"01", "02"})
    svg = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()
    assert svg.count("<path") == 5 and svg.count("<circle") == 5 and svg.count("stroke-dasharray") == 3
    x, y = places(PLANTED)["01"]
    assert f"M{x + RADIUS} {y}L" in svg
    assert "02 after 01; 04 after 02 and 03; 05 after 01 and 04" in html
