"""Plots: messages and units are demanded, models keep their looks, seeds are seen."""

from __future__ import annotations

from itertools import pairwise

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from lib.evaluation import wilson_interval
from lib.workbench import MODELS, bars, curves, dots, figure, intervals, smooth

TITLE, X, Y = "The hybrid learns first", "training step (steps)", "loss (nats per token)"


@pytest.fixture
def ax():
    fig, ax = figure()
    yield ax
    plt.close(fig)


def test_smoothing_is_a_weighted_mean_without_bias_at_the_start():
    assert smooth([3.0] * 5, 0.9) == pytest.approx([3.0] * 5)
    assert smooth([1.0, 4.0], 0.5) == pytest.approx([1.0, (0.5 * 1 + 4) / 1.5])
    assert smooth([1.0, 5.0, 2.0], 0.0).tolist() == [1.0, 5.0, 2.0]
    with pytest.raises(ValueError, match="0 <= weight < 1"):
        smooth([1.0], 1.0)


def test_curves_draw_each_model_in_its_look_and_others_apart(ax):
    curves(ax, {"attention": [3, 2, 1], "lr 0.1": [2, 2, 2], "lr 0.2": [1, 1, 1]}, title=TITLE, x=X, y=Y)
    lines = ax.get_lines()
    assert [line.get_label() for line in lines] == ["attention", "lr 0.1", "lr 0.2"]
    assert lines[0].get_color() == MODELS["attention"].color
    assert len({line.get_color() for line in lines}) == 3
    assert lines[0].get_xdata().tolist() == [1, 2, 3] and lines[0].get_ydata().tolist() == [3, 2, 1]


def test_curves_over_seeds_draw_the_mean_inside_the_range(ax):
    curves(ax, {"mamba": [[1, 2], [3, 4]]}, at=[10, 20], title=TITLE, x=X, y=Y)
    assert ax.get_lines()[0].get_ydata().tolist() == [2, 3] and ax.get_lines()[0].get_xdata().tolist() == [10, 20]
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1, 4)


def test_curves_refuse_positions_of_another_length(ax):
    with pytest.raises(ValueError, match="at has 2 values; 'mamba' has 3"):
        curves(ax, {"mamba": [1, 2, 3]}, at=[1, 2], title=TITLE, x=X, y=Y)


def test_bars_reach_the_mean_and_whiskers_the_seeds(ax):
    bars(ax, {"attention": [0.2, 0.6], "mamba": 0.5}, title=TITLE, y="accuracy (fraction)")
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([0.4, 0.5])
    whisker = ax.containers[1].lines[2][0].get_segments() if hasattr(ax.containers[1], "lines") else []
    whiskers = [segment for c in ax.collections for segment in c.get_segments()] or whisker
    assert np.array(whiskers)[0][:, 1] == pytest.approx([0.2, 0.6])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["attention", "mamba"]
    assert [text.get_text() for text in ax.texts] == ["0.40", "0.50"]


def test_grouped_bars_stand_side_by_side_with_one_legend_entry_a_model(ax):
    table = {"attention": {"exact": 0.9, "format": 1.0}, "mamba": {"exact": 0.3, "format": 0.4}}
    bars(ax, table, title=TITLE, y="accuracy (fraction)")
    places = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches)
    assert len(places) == 4 and all(a[1] <= b[0] for a, b in pairwise(places))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["attention", "mamba"]


def test_bars_have_the_looks_of_their_models(ax):
    bars(ax, {"mod": 1, "lr 0.1": 1, "lr 0.2": 2}, title=TITLE, y=Y)
    colours = [to_hex(bar.get_facecolor()).upper() for bar in ax.patches]
    assert colours[0] == MODELS["mixture_of_depths"].color and len(set(colours)) == 3


def test_dots_show_every_seed_and_a_dash_at_their_mean(ax):
    dots(ax, {"attention": [2.1, 2.3], "mamba": 2.5}, title=TITLE, y=Y)
    seeds = [points.get_offsets()[:, 1].tolist() for points in ax.collections[::2]]
    dashes = [lines.get_segments()[0][:, 1].tolist() for lines in ax.collections[1::2]]
    assert seeds == [[2.1, 2.3], [2.5]] and dashes == [pytest.approx([2.2, 2.2]), [2.5, 2.5]]
    assert [text.get_text() for text in ax.texts] == ["2.20", "2.50"]
    assert ax.get_ylim()[0] > 1, "the axis is cut to where the values are"
    assert len({tuple(points.get_offsets()[:, 0]) for points in ax.collections[::2]}) == 2


def test_dots_in_groups_have_one_legend_entry_a_model(ax):
    dots(ax, {"attention": {"a": [1, 2], "b": 3}, "mamba": {"a": 2, "b": [3, 5]}}, title=TITLE, y=Y)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["attention", "mamba"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b"]


def test_intervals_are_wilsons_for_flags_and_taken_as_they_are_else(ax):
    spans = [wilson_interval(3, 4), wilson_interval(1, 4)]
    flags = [np.array([True, True, True, False]), [False, False, True, False]]
    intervals(ax, {"trace": flags, "direct": spans}, at=[5, 10], title=TITLE, x=X, y="answers right (fraction)")
    lines = [container.lines for container in ax.containers]
    whiskers = [[segment[:, 1].tolist() for segment in line[2][0].get_segments()] for line in lines]
    assert whiskers[0] == whiskers[1] == [pytest.approx([span.low, span.high]) for span in spans]
    assert [line[0].get_ydata().tolist() for line in lines] == [[0.75, 0.25]] * 2
    assert [line[0].get_color() for line in lines] == [MODELS["trace"].color, MODELS["direct"].color]


def test_intervals_may_stand_at_places_of_their_own(ax):
    spans = [wilson_interval(3, 4)]
    intervals(ax, {"trace": spans, "direct": spans}, at={"trace": [30], "direct": [1]}, title=TITLE, x=X, y=Y)
    assert [container.lines[0].get_xdata().tolist() for container in ax.containers] == [[30], [1]]
    with pytest.raises(ValueError, match="at must hold 1 values for 'plan', got 2"):
        intervals(ax, {"plan": spans}, at=[1, 2], title=TITLE, x=X, y=Y)
