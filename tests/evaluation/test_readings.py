"""What a detector found, held against what is there: hand cases for every figure."""

from __future__ import annotations

import math

import pytest

from lib.data.scenes.things import Thing
from lib.evaluation.readings import matched, read_correctly


def thing(name: str, x: float, y: float) -> Thing:
    colour, shape = name.split()
    return Thing(shape, colour, (x - 2, y - 2, x + 2, y + 2))


def test_figures_by_hand():
    true = [[thing("red disk", 5, 5), thing("blue plus", 20, 20)], [thing("green square", 10, 10)], []]
    found = [
        [thing("red disk", 6, 5), thing("blue square", 20, 22)],  # a right one 1 px off; a wrong shape 2 px off
        [thing("green square", 10, 10), thing("red disk", 25, 25)],  # right and in place; one that is not there
        [],
    ]
    figures = read_correctly(found, true)
    assert figures.recall == pytest.approx(2 / 3) and figures.precision == pytest.approx(2 / 4)
    assert figures.shape_accuracy == pytest.approx(2 / 3) and figures.colour_accuracy == 1
    assert figures.centre_error == pytest.approx((1 + 2 + 0) / 3) and figures.entire == pytest.approx(1 / 3)
    assert (figures.pictures, figures.true, figures.found) == (3, 3, 4)


def test_one_found_thing_serves_one_true_thing_the_nearest_first():
    true = [thing("red disk", 5, 5), thing("red disk", 8, 5)]
    found = [thing("red disk", 7, 5)]
    assert matched(found, true) == [(found[0], true[1], 1.0)]
    assert matched(found, true, reach=0.5) == []
    assert read_correctly([found], [true]).recall == 0.5


def test_where_nothing_is_there_is_nothing_to_count():
    figures = read_correctly([[]], [[]])
    assert figures.entire == 1 and all(map(math.isnan, (figures.recall, figures.precision, figures.centre_error)))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^found must hold as many pictures as true, at least one, got 1 and 2$"):
        read_correctly([[]], [[], []])
    with pytest.raises(ValueError, match=r"at least one, got 0 and 0$"):
        read_correctly([], [])
    with pytest.raises(ValueError, match=r"^reach must be above 0, got 0$"):
        read_correctly([[]], [[]], reach=0)
