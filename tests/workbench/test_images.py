"""A matrix as colours, and pictures side by side."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.workbench import figure, heat_map, pictures

TITLE, X, Y = "The hybrid learns first", "training step (steps)", "loss (nats per token)"


@pytest.fixture
def ax():
    fig, ax = figure()
    yield ax
    plt.close(fig)


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
