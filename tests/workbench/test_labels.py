"""Labels: a title is a message, an axis ends in its unit or is a pure number."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

from lib.workbench import figure, label_axes

TITLE, X, Y = "The hybrid learns first", "training step (steps)", "loss (nats per token)"


@pytest.fixture
def ax():
    fig, ax = figure()
    yield ax
    plt.close(fig)


@pytest.mark.parametrize("label", ["loss", "loss ()", "(nats)", "", "loss (nats) curve", "number of (heads) removed"])
def test_a_label_without_its_unit_is_refused(ax, label):
    with pytest.raises(ValueError, match=r"^y must end in its unit in brackets"):
        label_axes(ax, TITLE, X, label)
    with pytest.raises(ValueError, match=r"^x must end"):
        label_axes(ax, TITLE, label, Y)


@pytest.mark.parametrize(
    "label", ["number of heads", "learning rate", "Share of the tokens", "accuracy", "exact match"]
)
def test_a_pure_number_takes_no_unit(ax, label):
    assert label_axes(ax, TITLE, label, Y).get_xlabel() == label
    with pytest.raises(ValueError, match=r"^x must not end in '\(1\)': a pure number has no unit"):
        label_axes(ax, TITLE, f"{label} (1)", Y)


def test_a_title_that_is_no_message_is_refused(ax):
    with pytest.raises(ValueError, match="state the plot's message"):
        label_axes(ax, "Loss curves", X, Y)


def test_an_axis_of_names_needs_no_label(ax):
    label_axes(ax, TITLE, None, Y)
    assert (ax.get_title(loc="left") or ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == (TITLE, "", Y)
