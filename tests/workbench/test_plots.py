"""Plots: messages and units are demanded, models keep their looks, figures stay small."""

from __future__ import annotations

from itertools import pairwise

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from lib.workbench import MODELS, bars, curves, figure, heat_map, house_style, label_axes, model_style, pictures, smooth
from lib.workbench.plots import _OTHERS, to_png

TITLE, X, Y = "The hybrid learns first", "training step (steps)", "loss (nats per token)"


@pytest.fixture
def ax():
    fig, ax = figure()
    yield ax
    plt.close(fig)


@pytest.mark.parametrize("name", ["hybrid_moe", "Hybrid + MoE", "hybrid-MoE", "HYBRID_MOE only"])
def test_a_model_keeps_its_look_under_every_spelling(name):
    assert model_style(name) is MODELS["hybrid_moe"]


def test_models_differ_in_colour_and_without_colour():
    styles = [*MODELS.values(), *_OTHERS]
    assert len({style.color for style in styles}) == len(styles)
    assert len({(str(style.linestyle), style.marker) for style in styles}) == len(styles)
    first_four = [MODELS[name] for name in ("attention", "mamba", "hybrid", "hybrid_moe")]
    assert len({str(style.linestyle) for style in first_four}) == 4 and len({style.hatch for style in first_four}) == 4


def test_the_four_of_the_first_notebook_can_be_read_on_white():
    for name in ("attention", "mamba", "hybrid", "hybrid_moe"):
        assert np.dot(to_rgb(MODELS[name].color), (0.2126, 0.7152, 0.0722)) < 0.7


def test_pictures_lie_row_after_row(ax):
    images = np.full((6, 3, 4, 5), -1.0)
    images[4, 0] = 1  # the second of the second row is red
    tiles = pictures(ax, images, columns=3, rows=["a", "b"], title="One of six is red").get_array()
    assert tiles.shape == (2 * 6, 3 * 7, 3) and tiles[1, 1].tolist() == [0, 0, 0] and tiles[0, 0].tolist() == [1, 1, 1]
    red = (tiles == [1, 0, 0]).all(-1)
    assert red.sum() == 20 and red[7:11, 8:13].all()
    for wrong in (images[:5], images[:, :1], images[0], images[:0]):
        with pytest.raises(ValueError, match=r"^images have the shape .* wanted are \(rows x 3, 3, height, width\)$"):
            pictures(ax, wrong, columns=3, title="One of six is red")


@pytest.mark.parametrize("label", ["loss", "loss ()", "(nats)", "", "loss (nats) curve"])
def test_a_label_without_its_unit_is_refused(ax, label):
    with pytest.raises(ValueError, match=r"y is .* ends in its unit in brackets"):
        label_axes(ax, TITLE, X, label)
    with pytest.raises(ValueError, match="x is "):
        label_axes(ax, TITLE, label, Y)


def test_a_title_that_is_no_message_is_refused(ax):
    with pytest.raises(ValueError, match="states the plot's message"):
        label_axes(ax, "Loss curves", X, Y)


def test_an_axis_of_names_needs_no_label(ax):
    label_axes(ax, TITLE, None, Y)
    assert (ax.get_title(loc="left") or ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == (TITLE, "", Y)


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


def test_a_heat_map_writes_its_numbers_readably_and_leaves_gaps_blank(ax):
    matrix = [[0.0, 1.0], [np.nan, 0.5]]
    heat_map(ax, matrix, rows=["a", "b"], columns=[16, 32], title=TITLE, x="context (tokens)", y=None)
    assert {text.get_text(): text.get_color() for text in ax.texts}.items() >= {
        "0.00": "white",
        "1.00": "black",
    }.items()
    assert len(ax.texts) == 3
    with pytest.raises(ValueError, match="rows and columns name"):
        heat_map(ax, matrix, rows=["a"], columns=[16, 32], title=TITLE, x=None, y=None)


def test_a_figure_is_small_and_its_caption_makes_the_picture_taller_not_wider():
    with matplotlib.rc_context():
        house_style()
        fig, ax = figure()
        curves(ax, {name: np.random.rand(600) for name in list(MODELS)[:4]}, weight=0.9, title=TITLE, x=X, y=Y)
        plain, with_caption = to_png(fig), to_png(fig, "Still at layers = 8. " * 3)
        texts = len(fig.texts)
        plt.close(fig)
    size = [(int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) for png in (plain, with_caption)]
    assert abs(size[0][0] - size[1][0]) <= 1 and size[1][1] >= size[0][1] + 10
    assert size[0][0] <= 800 and len(plain) < 80_000 and texts == 0


def test_a_photograph_keeps_its_colours():
    pixels = np.random.default_rng(0).random((60, 60, 3))
    fig, axes = figure()
    axes.imshow(pixels)
    full = to_png(fig)
    plt.close(fig)
    assert full[25] in (2, 6)  # PNG colour type: RGB or RGBA, not a palette
    fig, axes = figure()
    axes.plot([1, 2])
    assert to_png(fig)[25] == 3
    plt.close(fig)
