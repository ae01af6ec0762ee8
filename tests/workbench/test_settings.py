"""Settings: written and read back, their edge along any axis, where they are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from lib.workbench.settings import beside, is_number, on_edge, place, read_setting, setting_key, words


@pytest.mark.parametrize(
    ("best", "tried", "answer"),
    [
        (1.0, [0.5, 1.0, 2.0], False),
        (2.0, [0.5, 1.0, 2.0], True),
        (1.0, [1.0], False),
        ((1.0, "rotary"), [(0.5, "rotary"), (1.0, "rotary"), (2.0, "none")], False),
        ((2.0, "none"), [(0.5, "rotary"), (1.0, "rotary"), (2.0, "none")], True),
        ({"lr": 1.0, "beta": 0.1}, [{"lr": lr, "beta": b} for lr in (0.5, 1.0, 2.0) for b in (0.1, 0.2, 0.3)], True),
        ("rotary", ["none", "rotary"], False),
        (True, [False, True], False),
    ],
)
def test_an_edge_is_the_least_or_greatest_number_tried_along_an_axis_that_was_varied(best, tried, answer):
    assert on_edge(best, tried) is answer


@pytest.mark.parametrize("setting", [0.001, 3, "rotary", (0.001, "none"), {"beta": 0.25, "lr": 1e-05}, 1.0])
def test_a_setting_is_read_back_as_it_was_written(setting):
    assert read_setting(setting_key(setting)) == setting
    assert type(read_setting(setting_key(setting))) is type(setting)


def test_a_setting_of_numpy_is_a_number_and_one_that_is_not_finite_or_nested_is_refused():
    assert setting_key(np.float64(0.25)) == "0.25"
    for wrong in (None, [0.1], (0.1, (0.2,))):
        with pytest.raises(ValueError, match="grid must hold numbers and words"):
            setting_key(wrong)
    with pytest.raises(ValueError):
        setting_key(float("nan"))


@pytest.mark.parametrize(
    ("setting", "drawn_at", "shown_beside", "said"),
    [
        (0.001, 0.001, (), "0.001"), ("rotary", "rotary", (), "rotary"),
        ((0.001, "rotary"), 0.001, ("rotary",), "0.001 rotary"), (("none", 3), 3, ("none",), "none 3"),
        ({"beta": 0.25, "lr": 1e-5}, 0.25, ("1e-05",), "beta 0.25, lr 1e-05"),
        (("none", "rotary"), "none rotary", ("rotary",), "none rotary"),
    ],
)  # fmt: skip
def test_a_setting_is_drawn_at_its_first_number_and_told_whole(setting, drawn_at, shown_beside, said):
    assert (place(setting), beside(setting), words(setting)) == (drawn_at, shown_beside, said)


def test_a_flag_is_a_word_and_no_number():
    assert not is_number(True) and is_number(1) and is_number(0.5) and not is_number("1")
