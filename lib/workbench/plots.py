"""Plots in one house style: a title that states the message, axes with units, one look per model through the course.

A model keeps its colour, line style and marker in every notebook; line style and marker tell them apart in grey.
matplotlib is imported on first use.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

WIDTH, HEIGHT, DPI = 8.0, 3.4, 90
"""Inches and dots per inch: about a JupyterLab cell's width, and some 30 kB a figure."""


@dataclass(frozen=True)
class Style:
    """How one model is drawn: `hatch` serves bars as `linestyle` and `marker` serve lines."""

    color: str
    linestyle: str | tuple
    marker: str
    hatch: str

    def line(self) -> dict[str, object]:
        """Keyword arguments of `Axes.plot`."""
        return {"color": self.color, "linestyle": self.linestyle, "marker": self.marker}


_LONG, _SHORT, _DOT_DOT = (0, (8, 2)), (0, (3, 1.5)), (0, (3, 1, 1, 1, 1, 1))
MODELS: dict[str, Style] = {
    "attention": Style("#0072B2", "-", "o", ""),
    "mamba": Style("#E69F00", "--", "s", "///"),
    "hybrid": Style("#009E73", "-.", "^", "..."),
    "hybrid_moe": Style("#882255", ":", "D", "xxx"),
    "dense": Style("#56B4E9", _LONG, "v", "\\\\\\"),
    "mixture_of_depths": Style("#D55E00", _SHORT, "P", "+++"),
    "teacher": Style("#332288", _DOT_DOT, "X", "ooo"),
    "student": Style("#CC79A7", _LONG, "p", "---"),
    "finetuned": Style("#117733", _SHORT, "h", "|||"),
    "diffusion": Style("#AA4499", _DOT_DOT, "<", "**"),
    "autoregressive": Style("#44AA99", _LONG, ">", "//"),
    "baseline": Style("#666666", ":", "x", "\\\\"),
    "chance": Style("#999999", "--", "", "oo"),
}
"""Names are reserved for the whole course; a new model is added here, not coloured in a notebook."""
_OTHERS = (
    Style("#4D4D4D", "-", "1", ""),
    Style("#A6761D", "--", "2", "//"),
    Style("#7570B3", "-.", "3", "\\\\"),
    Style("#E7298A", _DOT_DOT, "4", ".."),
    Style("#66A61E", _LONG, "+", "xx"),
    Style("#1B9E77", _SHORT, "*", "++"),
)


def house_style() -> None:
    """Set matplotlib's defaults for this process, and PNG as the notebook's figure format. `Run` calls it."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    from lib.workbench.display import notebook_kernel

    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, HEIGHT),
            "figure.dpi": DPI,
            "savefig.dpi": DPI,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "hatch.linewidth": 0.6,
            "legend.framealpha": 0.8,
            "legend.edgecolor": "none",
            "image.cmap": "cividis",
            "axes.prop_cycle": mpl.cycler(color=[style.color for style in MODELS.values()]),
        }
    )
    kernel = notebook_kernel()
    if kernel is not None:
        from matplotlib.figure import Figure
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("png")
        kernel.shell.display_formatter.formatters["image/png"].for_type(Figure, to_png)


def figure(columns: int = 1, rows: int = 1, *, width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, object]:
    """`plt.subplots` at the house's size; `height` is one row's, `width` the whole figure's."""
    import matplotlib.pyplot as plt

    return plt.subplots(rows, columns, figsize=(width, height * rows), layout="constrained")


def model_style(name: str, position: int = 0) -> Style:
    """The look of a model: `hybrid_moe`, `Hybrid + MoE` and `attention only` are understood.

    A name that is not reserved gets the look of its `position` among the others, all unlike the reserved ones.
    """
    key = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_").removesuffix("_only")
    return MODELS.get(key) or _OTHERS[position % len(_OTHERS)]


def label_axes(ax: Axes, title: str, x: str | None, y: str | None) -> Axes:
    """Title and axis labels, demanded: the title is a message of three words or more, a label ends in its unit.

    `"loss (nats per token)"`, `"accuracy (fraction)"`; None only for an axis whose ticks are names.
    Raises ValueError when a unit or the message is missing.
    """
    if len(title.split()) < 3:
        raise ValueError(f"title is {title!r}; it states the plot's message in at least three words")
    for axis, label in (("x", x), ("y", y)):
        if label is not None and not re.fullmatch(r".*\S\s*\(.+\)", label, flags=re.DOTALL):
            raise ValueError(
                f"{axis} is {label!r}; a label ends in its unit in brackets, such as 'loss (nats per token)'"
            )
    ax.set_title(title)
    ax.set_xlabel(x or "")
    ax.set_ylabel(y or "")
    return ax


def smooth(values: Sequence[float], weight: float = 0.9) -> np.ndarray:
    """Exponential mean without the bias of its start: sum_k w^k v_{t-k} / sum_k w^k; weight 0 changes nothing."""
    if not 0 <= weight < 1:
        raise ValueError(f"weight is {weight}; allowed is 0 <= weight < 1")
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
    others = 0
    for name, values in series.items():
        values = np.asarray(values, dtype=float)
        seeds = values if values.ndim == 2 else values[None]
        positions = np.arange(1, seeds.shape[1] + 1) if at is None else np.asarray(at)
        if len(positions) != seeds.shape[1]:
            raise ValueError(f"at has {len(positions)} values; {name!r} has {seeds.shape[1]}")
        style = model_style(name, others)
        others += style in _OTHERS
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

    `{model: value or values over seeds}`, or in groups `{model: {group: value or values over seeds}}`.
    """
    grouped = any(isinstance(value, Mapping) for value in heights.values())
    table = {name: value if grouped else {name: value} for name, value in heights.items()}
    groups = list(dict.fromkeys(group for row in table.values() for group in row))
    width = 0.8 / (len(table) if grouped else 1)
    others = 0
    for index, (name, row) in enumerate(table.items()):
        style = model_style(name, others)
        others += style in _OTHERS
        offset = (index - (len(table) - 1) / 2) * width if grouped else 0.0
        for number, group in enumerate(row):
            seeds = np.atleast_1d(np.asarray(row[group], dtype=float))
            mean, place = seeds.mean(), groups.index(group) + offset
            span = [[mean - seeds.min()], [seeds.max() - mean]] if len(seeds) > 1 else None
            label = name if grouped and number == 0 else None
            look = {"color": style.color, "hatch": style.hatch, "edgecolor": "white", "ecolor": "black", "capsize": 3}
            ax.bar(place, mean, width * 0.95, yerr=span, label=label, **look)
            ax.annotate(
                fmt.format(mean), (place, seeds.max()), (0, 4), textcoords="offset points", ha="center", fontsize=8
            )
    ax.set_xticks(range(len(groups)), groups)
    ax.grid(False, axis="x")
    ax.margins(y=0.12)
    if grouped:
        ax.legend()
    return label_axes(ax, title, x, y)


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
    if values.shape != (len(rows), len(columns)):
        raise ValueError(f"matrix has the shape {values.shape}; rows and columns name {(len(rows), len(columns))}")
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
        raise ValueError(f"images have the shape {stack.shape}; wanted are (rows x {columns}, 3, height, width)")
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


def to_png(fig: Figure, caption: str | None = None) -> bytes:
    """The figure as PNG, with a caption below it in the picture itself; the figure is left as it was.

    Drawings are stored with a palette of 256 colours (a third of the bytes), photographs in full.
    """
    buffer, note = io.BytesIO(), None
    if caption:
        import textwrap

        lines = textwrap.fill(caption, int(fig.get_figwidth() * 14))
        note = fig.text(0.01, -0.01, lines, ha="left", va="top", fontsize=8, style="italic", color="#444444")
        note.set_in_layout(False)
    try:
        extra = {"bbox_inches": _box_around(fig, note)} if note else {}
        fig.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None}, **extra)
    finally:
        if note is not None:
            note.remove()
    return buffer.getvalue() if _has_photograph(fig) else _with_palette(buffer.getvalue())


def _has_photograph(fig: Figure) -> bool:
    """True when pixels of their own colours (height, width, 3 or 4) are drawn, not numbers through a colour map."""
    return any(np.ndim(image.get_array()) == 3 for ax in fig.axes for image in ax.get_images())


def _with_palette(png: bytes) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        buffer, format="png", optimize=True
    )
    return buffer.getvalue()


def _box_around(fig: Figure, note: object) -> object:
    """The figure's own area, made taller by the note: in inches, as `savefig` takes it."""
    from matplotlib.transforms import Bbox

    fig.canvas.draw()
    width, height = fig.get_size_inches()
    below = -note.get_window_extent().y0 / fig.dpi + 0.05
    return Bbox([[0, -max(below, 0)], [width, height]])
