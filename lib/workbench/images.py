"""A matrix as colours, and pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lib.workbench.labels import label_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage


def heat_map(
    ax: Axes,
    matrix: Sequence[Sequence[float]],
    *,
    rows: Sequence[object],
    columns: Sequence[object],
    title: str,
    x: str | None,
    y: str | None,
    fmt: str | None = "{:.2f}",
    vmin: float | None = None,
    vmax: float | None = None,
) -> AxesImage:
    """A matrix as colours with its numbers written in (`fmt=None` leaves them out); nan stays white."""
    values = np.asarray(matrix, dtype=float)
    wanted = (len(rows), len(columns))
    if values.shape != wanted:
        raise ValueError(f"matrix must have the shape {wanted} of rows and columns, got {values.shape}")
    image = ax.imshow(values, aspect="auto", cmap="cividis", vmin=vmin, vmax=vmax)
    ax.set_xticks(range(len(columns)), [str(name) for name in columns])
    ax.set_yticks(range(len(rows)), [str(name) for name in rows])
    ax.grid(False)
    if fmt is not None:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                shade = "white" if image.norm(value) < 0.5 else "black"
                ax.text(column, row, fmt.format(value), ha="center", va="center", color=shade, fontsize=8)
    label_axes(ax, title, x, y)
    return image


def pictures(ax: Axes, images: Sequence, *, columns: int, title: str, rows: Sequence[str] = ()) -> AxesImage:
    """Pictures side by side, row after row, on one axis: (count, 3, height, width) in [-1, 1]; `rows` names the rows.

    Raises ValueError for another shape, or when the pictures do not fill the rows.
    """
    stack = np.asarray(images, dtype=np.float32)
    if stack.ndim != 4 or stack.shape[1] != 3 or columns < 1 or len(stack) % columns or not len(stack):
        raise ValueError(f"images must have the shape (rows x {columns}, 3, height, width), got {stack.shape}")
    count, _, height, width = stack.shape
    tiles = np.clip((stack.transpose(0, 2, 3, 1) + 1) / 2, 0, 1)
    tiles = np.pad(tiles, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1).reshape(
        count // columns, columns, height + 2, width + 2, 3
    )
    whole = tiles.transpose(0, 2, 1, 3, 4).reshape(-1, columns * (width + 2), 3)
    image = ax.imshow(whole, interpolation="nearest")  # pixels stay pixels, and files small
    ax.set_xticks([])
    ax.set_yticks([(row + 0.5) * (height + 2) for row in range(len(rows))], list(rows))
    ax.tick_params(length=0)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    label_axes(ax, title, None, None)
    return image
