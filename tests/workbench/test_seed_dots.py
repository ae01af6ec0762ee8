"""Seeds as dots: places, the claimed side, the same in words, greys that stand out on both pages."""

from __future__ import annotations

import re

import pytest

from lib.workbench import Ledger, at_least, at_most, beats, within
from lib.workbench.seed_dots import EDGE, GREY, WIDTH, description, scale
from tests.workbench.planted import RECALL, ROW, contrast, drawings, evidence


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_drawings_stand_out_on_both_pages(page):
    assert contrast(GREY, page) >= 3


def test_seeds_are_dots_this_run_is_a_ring_and_words_say_the_same():
    ledger = Ledger(RECALL)
    ledger.add("J9", holds=at_least(0.92, 0.9), **ROW)
    html = ledger.bundle({})["text/html"]
    [drawing] = drawings(html)
    assert drawing.count('r="3"') == 3 and drawing.count('r="6"') == 1 and "stroke-dasharray" in drawing
    centres = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawing)]
    threshold = float(re.search(r'd="M([\d.]+) 0V', drawing)[1])
    assert threshold < centres[3] < centres[0] < centres[1] < centres[2]
    alternative = re.search(r'alt="([^"]*)"', html)[1]
    assert "seeds 0.94, 0.95, 0.96; this run 0.92" in alternative and "claimed at least 0.9" in alternative


@pytest.mark.parametrize("by", [0, 0.5])
def test_equal_numbers_can_be_drawn(by):
    ledger = Ledger(evidence(J9=[beats(0, by=by)] * 3))
    ledger.add("J9", holds=beats(0, by=by), **ROW)
    assert len(drawings(ledger.bundle({})["text/html"])) == 1


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([at_most(1, 3), at_most(2, 3)], "claimed at most 3"),
        ([within(1.0, 1.1, 0.2), within(1.2, 1.1, 0.2)], "claimed -0.2 to 0.2"),
        ([at_least(float("nan"), 2), at_least(3, 2)], "seeds none, 3"),
    ],
)
def test_the_words_name_the_claimed_side_and_seeds_without_a_value(parts, said):
    assert said in description(parts, None)


def test_places_grow_with_values_between_the_edges():
    places = scale([2.0, 4.0, 3.0])
    assert [places(2.0), places(3.0), places(4.0)] == [EDGE, WIDTH / 2, WIDTH - EDGE]
    assert scale([5.0, 5.0])(5.0) == WIDTH / 2
