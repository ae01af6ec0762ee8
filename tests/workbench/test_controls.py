"""Controls: where they start, what they take, what they are called."""

from __future__ import annotations

import numpy as np
import pytest

from lib.workbench import explore
from lib.workbench.controls import choice, control_of, grid, slider, switch, text


def described(layers=8, ratio=4, moe=True, name="x"):
    return f"<b>{layers} {ratio} {moe} {name}</b>"


CONTROLS = {"layers": (1, 32), "ratio": {"1:3": 4, "1:7": 8}, "moe": True, "name": "x"}


@pytest.fixture(params=["live", "still"])
def mode(request, monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", request.param)
    return request.param


def test_a_control_has_a_label_and_a_unit(mode):
    view = explore(
        lambda first=0.5, bits=8: f"<b>{first} {bits}</b>",
        first=slider(0, 3, 0.125, label="step of the first token", unit="s"),
        bits=choice([8, 16], label="width", unit="bits"),
    )
    assert "Still at step of the first token = 0.5 s, width = 8 bits. In" in view.bundle["text/plain"]
    if mode == "live":
        first = view.widgets["first"]
        assert (first.description, first.readout_format) == ("step of the first token (s)", ".3f")
        assert view.widgets["bits"].description == "width (bits)"


def test_a_label_changes_neither_values_nor_names(mode):
    view = explore(
        described, layers=slider(1, 32, label="depth"), ratio=choice([4, 8]), moe=switch(label="experts"), name="x"
    )
    assert view.set(layers=3, moe=False) == "<b>3 4 False x</b>"
    with pytest.raises(ValueError, match=r"^layers must be between 1 and 32, got 99$"):
        view.set(layers=99)


@pytest.mark.parametrize(
    ("form", "initial"),
    [
        ((1, 9), 5),
        ((0.0, 1.0), 0.5),
        ((0, 10, 4), 4),
        ([16, 64, 256], 16),
        ({"one": 1, "two": 2}, 1),
        (True, True),
        ("t", "t"),
    ],
)
def test_controls_without_a_default_start_at_the_middle_or_the_first(form, initial, mode):
    view = explore(lambda control: f"<i>{control}</i>", control=form)
    assert view.values["control"] == pytest.approx(initial)
    if mode == "live":
        assert view.widgets["control"].value == pytest.approx(initial)


@pytest.mark.parametrize("form", [(9, 1), (1, 2, 0), [], None, 3, (1, "a"), (1, 2, 3, 4)])
def test_another_form_of_control_is_refused_by_name(form):
    with pytest.raises((ValueError, TypeError), match=r"^layers"):
        explore(described, layers=form)


def test_values_out_of_reach_are_refused_and_nothing_moves(mode):
    view = explore(described, **CONTROLS)
    wrong = {"layers": 99, "ratio": 5, "moe": "yes", "name": 3}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=f"^{name} must be .*, got {value!r}$"):
            view.set(**{name: value})
    with pytest.raises(ValueError, match="'depth' is not a control; the controls are layers"):
        view.set(depth=3)
    assert view.result == "<b>8 4 True x</b>"
    with pytest.raises(ValueError, match=r"^layers must be between 1 and 4, got 8$"):
        explore(described, layers=(1, 4))
    with pytest.raises(ValueError, match="at least one"):
        explore(described)


@pytest.mark.parametrize(
    ("control", "value", "said"),
    [
        (slider(0, 3, 0.125, label="first step", unit="s"), 0.5, "first step = 0.5 s"),
        (choice({"one": 1, "two": 2}, label="which"), 2, "which = two"),
        (switch(label="experts"), True, "experts = True"),
        (grid(np.eye(2, dtype=bool), label="hole"), ((True, True), (True, False)), "hole = 3 of 4 painted"),
        (text("a", label="words"), "b", "words = b"),
    ],
)  # fmt: skip
def test_a_value_is_told_in_the_readers_words(control, value, said):
    assert control.says(value) == said


def test_whole_numbers_go_by_one_and_others_by_a_twentieth():
    assert (slider(1, 9).step, slider(0.0, 1.0).step, slider(0, 1, 0.25).step) == (1, 0.05, 0.25)
    whole, part = control_of("n", (1, 9)), control_of("x", (0.0, 1.0, 0.05))
    assert type(whole.widget(3, True, 50)).__name__ == "IntSlider"
    assert part.widget(0.5, True, 50).readout_format == ".2f"


@pytest.mark.parametrize(
    ("options", "form"),
    [
        ([1, 2, 4], "SelectionSlider"),
        ([1, 2], "Dropdown"),
        (["a", "b", "c"], "Dropdown"),
    ],
)
def test_three_numbers_in_order_are_a_slider_and_words_a_list(options, form):
    assert type(control_of("n", options).widget(options[0], True, 50)).__name__ == form


def test_an_arguments_default_is_where_its_control_starts():
    assert control_of("n", (1, 9), 7).initial == 7 and control_of("n", [4, 8], 8).initial == 8
    with pytest.raises(ValueError, match=r"^n must be between 1 and 9, got 12$"):
        control_of("n", (1, 9), 12)
