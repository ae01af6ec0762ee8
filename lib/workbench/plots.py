"""Plots in one house style: a title that states the message, axes with units, one look per model through the course.

Lines, bars, dots and intervals are here. What `styles` (the models' looks), `figures` (size, file, text for who cannot
see it), `labels` and `images` (heat maps, pictures) offer is imported from here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lib.workbench.figures import alt_text, figure, house_style, shown_size, to_png
from lib.workbench.images import heat_map, pictures
from lib.workbench.labels import PURE_NUMBERS, label_axes
from lib.workbench.styles import MODELS, PALETTE, Style, colour, model_style, styles_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lib.evaluation import Interval

__all__ = [
    "MODELS",
    "PALETTE",
    "PURE_NUMBERS",
    "Style",
    "alt_text",
    "bars",
    "colour",
    "curves",
    "dots",
    "figure",
    "heat_map",
    "house_style",
    "intervals",
    "label_axes",
    "model_style",
    "pictures",
    "shown_size",
    "smooth",
    "styles_of",
    "to_png",
]


def smooth(values: Sequence[float], weight: float = 0.9) -> np.ndarray:
    """Exponential mean without the bias of its start: sum_k w^k v_{t-k} / sum_k w^k; weight 0 changes nothing."""
    if not 0 <= weight < 1:
        raise ValueError(f"weight must be at least 0 and below 1, got {weight}")
    smoothed, total, mass = [], 0.0, 0.0
    for value in np.asarray(values, dtype=float):
        total, mass = weight * total + value, weight * mass + 1
        smoothed.append(total / mass)
    return np.array(smoothed)


def curves(
    ax: Axes,
    series: Mapping[str, Sequence[float]],
    *,
    title: str,
    x: str,
    y: str,
    at: Sequence[float] | None = None,
    weight: float = 0.0,
    legend: bool = True,
) -> Axes:
    """One line a model. `at` holds the x values (default 1, 2, ...); `weight` smooths, with the raw line faint behind.

    A series of shape (seeds, points) is drawn as its mean inside the range of its seeds.
    """
    for (name, values), style in zip(series.items(), styles_of(series), strict=True):
        values = np.asarray(values, dtype=float)
        seeds = values if values.ndim == 2 else values[None]
        positions = np.arange(1, seeds.shape[1] + 1) if at is None else np.asarray(at)
        if len(positions) != seeds.shape[1]:
            raise ValueError(f"at must hold {seeds.shape[1]} values for {name!r}, got {len(positions)}")
        mean = seeds.mean(axis=0)
        if weight:
            ax.plot(positions, mean, color=style.color, alpha=0.2, linewidth=0.8)
        if len(seeds) > 1:
            ax.fill_between(positions, seeds.min(axis=0), seeds.max(axis=0), color=style.color, alpha=0.15, linewidth=0)
        ax.plot(positions, smooth(mean, weight), label=name, markevery=max(1, len(mean) // 10), **style.line())
    if legend and series:
        ax.legend()
    return label_axes(ax, title, x, y)


def bars(
    ax: Axes,
    heights: Mapping[str, object],
    *,
    title: str,
    y: str,
    x: str | None = None,
    fmt: str = "{:.2f}",
) -> Axes:
    """Bars at the mean over seeds, a whisker from the lowest to the highest seed, the mean written above.

    `{model: value or values over seeds}`, or in groups `{model: {group: value or values over seeds}}`. A bar's length
    is its value, so its axis starts at 0; `dots` serves an axis that is cut.
    """
    for place, width, seeds, style, label in _columns(ax, heights):
        mean = seeds.mean()
        span = [[mean - seeds.min()], [seeds.max() - mean]] if len(seeds) > 1 else None
        look = {"color": style.color, "hatch": style.hatch, "edgecolor": "white", "ecolor": "black", "capsize": 3}
        ax.bar(place, mean, width * 0.95, yerr=span, label=label, **look)
        _write(ax, fmt.format(mean), place, seeds.max())
    ax.margins(y=0.12)
    return label_axes(ax, title, x, y)


def dots(
    ax: Axes,
    values: Mapping[str, object],
    *,
    title: str,
    y: str,
    x: str | None = None,
    fmt: str = "{:.2f}",
) -> Axes:
    """A dot for each seed, a dash at their mean, the mean written above: for values whose axis need not start at 0.

    Takes what `bars` takes: `{model: values over seeds}` or `{model: {group: values over seeds}}`.
    """
    for place, width, seeds, style, label in _columns(ax, values):
        spread = np.linspace(-0.12, 0.12, len(seeds)) * width if len(seeds) > 1 else [0.0]
        ax.scatter(place + np.asarray(spread), seeds, s=26, color=style.color, marker=style.marker or "o", label=label)
        ax.hlines(seeds.mean(), place - 0.3 * width, place + 0.3 * width, color=style.color, linewidth=1.8)
        _write(ax, fmt.format(seeds.mean()), place, seeds.max())
    ax.margins(x=0.08, y=0.2)
    return label_axes(ax, title, x, y)


def intervals(
    ax: Axes,
    series: Mapping[str, Sequence[Interval] | Sequence[Sequence[bool]]],
    *,
    at: Sequence[float] | Mapping[str, Sequence[float]],
    title: str,
    x: str,
    y: str,
    legend: bool = True,
) -> Axes:
    """Estimates joined by a line, each with its interval; right-or-wrong flags become Wilson's interval of their rate.

    `at` holds the x values, for all or for each name. An interval has `estimate`, `low` and `high`.
    """
    for (name, points), style in zip(series.items(), styles_of(series), strict=True):
        places = at[name] if isinstance(at, Mapping) else at
        if len(places) != len(points):
            raise ValueError(f"at must hold {len(points)} values for {name!r}, got {len(places)}")
        found = [point if hasattr(point, "estimate") else _interval_of(point) for point in points]
        middle = np.array([interval.estimate for interval in found])
        below = middle - [interval.low for interval in found]
        above = np.array([interval.high for interval in found]) - middle
        ax.errorbar(places, middle, [below, above], label=name, capsize=3, **style.line())
    if legend and series:
        ax.legend()
    return label_axes(ax, title, x, y)


def _interval_of(flags: Sequence[bool]) -> Interval:
    from lib.evaluation import wilson_interval

    return wilson_interval(int(np.sum(flags)), len(flags))


def _columns(ax: Axes, table: Mapping[str, object]) -> Iterator[tuple[float, float, np.ndarray, Style, str | None]]:
    """For each value: its place, the width it has, its seeds, its look, and its label in the legend the first time.

    Names the groups, or the models where there are no groups, below the axis.
    """
    grouped = any(isinstance(value, Mapping) for value in table.values())
    rows = {name: value if grouped else {name: value} for name, value in table.items()}
    groups = list(dict.fromkeys(group for row in rows.values() for group in row))
    width = 0.8 / (len(rows) if grouped else 1)
    for index, (name, row, style) in enumerate(zip(rows, rows.values(), styles_of(rows), strict=True)):
        offset = (index - (len(rows) - 1) / 2) * width if grouped else 0.0
        for number, (group, value) in enumerate(row.items()):
            label = name if grouped and number == 0 else None
            yield groups.index(group) + offset, width, np.atleast_1d(np.asarray(value, dtype=float)), style, label
    ax.set_xticks(range(len(groups)), groups)
    ax.grid(False, axis="x")
    if grouped:
        ax.legend()


def _write(ax: Axes, text: str, place: float, top: float) -> None:
    ax.annotate(text, (place, top), (0, 4), textcoords="offset points", ha="center", fontsize=8)
