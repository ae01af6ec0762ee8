"""Figures: sharp, small, never wider than the cell, and described."""

from __future__ import annotations

import io

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from PIL import Image

from lib.workbench import MODELS, curves, figure, house_style, label_axes
from lib.workbench.figures import alt_text, shown_size, to_png
from lib.workbench.run import ROOT

TITLE, X, Y = "The hybrid learns first", "training (steps)", "loss (nats per token)"


@pytest.fixture(autouse=True)
def house():
    with matplotlib.rc_context():
        house_style()
        yield
        plt.close("all")


def test_a_figure_is_sharp_and_small_and_its_caption_makes_it_taller_not_wider():
    fig, ax = figure()
    curves(ax, {name: np.random.rand(600) for name in list(MODELS)[:4]}, weight=0.9, title=TITLE, x=X, y=Y)
    plain, with_caption = to_png(fig), to_png(fig, "Still at layers = 8. " * 3)
    size = [Image.open(io.BytesIO(png)).size for png in (plain, with_caption)]
    assert abs(size[0][0] - size[1][0]) <= 1 and size[1][1] >= size[0][1] + 10
    assert size[0][0] == 8 * 144 and len(plain) < 160_000 and not fig.texts


def test_a_figure_is_shown_at_its_size_in_inches_and_never_wider_than_the_cell():
    fig, _ = figure()
    wide, _ = figure(3, width=13, height=3)
    assert shown_size(to_png(fig)) == {"width": 720, "height": 306}
    assert shown_size(to_png(wide)) == {"width": 900, "height": round(900 * 3 / 13)}


def test_a_photograph_keeps_its_colours_and_a_drawing_has_a_palette():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    fig, ax = figure(width=1, height=1)
    ax.set_position([0, 0, 1, 1])
    ax.axis("off")
    ax.imshow(pixels, interpolation="nearest")
    seen = Image.open(io.BytesIO(to_png(fig)))
    colours = np.unique(np.asarray(seen).reshape(-1, 3), axis=0)
    assert seen.mode == "RGB" and len(colours) > 3000
    distance = np.abs(colours[:, None].astype(int) - pixels.reshape(1, -1, 3)).max(-1).min(1)
    assert (distance <= 2).all(), "a pixel is off by two of 255 at most"
    fig, ax = figure()
    ax.plot([1, 2])
    assert Image.open(io.BytesIO(to_png(fig))).mode == "P"


def test_the_alternative_text_says_titles_and_axes():
    fig, (left, right) = figure(2)
    label_axes(left, TITLE, X, Y)
    label_axes(right, "Names need no label", None, None)
    assert alt_text(fig) == f"{TITLE}: {Y} against {X}. Names need no label."
    fig.set_label("The plane, and two vectors beside it")
    assert alt_text(fig) == "The plane, and two vectors beside it"
    assert alt_text(plt.figure()) == "A figure without a title."


def test_a_figure_at_a_cells_end_has_its_text_and_its_size(monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    source = """
from lib.workbench import curves, figure, house_style
house_style()
fig, ax = figure()
curves(ax, {"hybrid": [1, 2]}, title="A line to see", x="time (s)", y="height (m)");
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    told = {"alt": "A line to see: height (m) against time (s).", "width": 720, "height": 306}
    assert output.metadata["image/png"] == told
