"""Figures of one size, sharp on a screen of twice the pixels, with a text for whoever cannot see them.

matplotlib is imported on first use.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from lib.workbench.styles import MODELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT, WIDEST = 8.0, 3.4, 10.0
"""Inches: the usual figure, and the widest that JupyterLab's cell takes."""
DPI, SCREEN_DPI = 144, 90
"""Dots of the file and of the page in an inch: 1.6 dots for each of the page, drawn 720 wide at the usual width."""

_LEVELS = [round(round(value * 63 / 255) * 255 / 63) for value in range(256)]


def house_style() -> None:
    """Set matplotlib's defaults for this process, and PNG as the notebook's figure format. `Run` calls it."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    from lib.workbench.display import notebook_kernel

    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, HEIGHT),
            "figure.dpi": SCREEN_DPI,
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
            "axes.prop_cycle": mpl.cycler(color=list(dict.fromkeys(style.color for style in MODELS.values()))),
        }
    )
    kernel = notebook_kernel()
    if kernel is not None:
        from matplotlib.figure import Figure
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("png")
        kernel.shell.display_formatter.formatters["image/png"].for_type(Figure, _for_notebook)


def figure(columns: int = 1, rows: int = 1, *, width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, object]:
    """`plt.subplots` at the house's size; `height` is one row's, `width` the whole figure's.

    A figure wider than `WIDEST` inches is shown smaller, so that it fits the cell.
    """
    import matplotlib.pyplot as plt

    return plt.subplots(rows, columns, figsize=(width, height * rows), layout="constrained")


def alt_text(fig: Figure) -> str:
    """What the figure says, from its titles and labels: "The hybrid wins: loss (nats) against training (steps)."

    `fig.set_label("...")` says it better for a drawing without titles.
    """
    if fig.get_label():
        return fig.get_label()
    parts = [fig.get_suptitle(), *map(_said_by, fig.axes)]
    return " ".join(f"{part.rstrip('.')}." for part in parts if part) or "A figure without a title."


def to_png(fig: Figure, caption: str | None = None) -> bytes:
    """The figure as PNG, with a caption below it in the picture itself; the figure is left as it was.

    Drawings are stored with a palette of 256 colours (a third of the bytes), photographs with 64 levels of red, green
    and blue (three quarters of the bytes; no pixel is off by more than 2 of 255).
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
    return _packed(buffer.getvalue(), _has_photograph(fig))


def shown_size(png: bytes) -> dict[str, int]:
    """Width and height of a figure's PNG on the page, in its pixels: never wider than the cell."""
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    scale = min(SCREEN_DPI / DPI, WIDEST * SCREEN_DPI / width)
    return {"width": round(width * scale), "height": round(height * scale)}


def _for_notebook(fig: Figure) -> tuple[bytes, dict[str, object]]:
    """What IPython's formatter takes: the data and its metadata."""
    png = to_png(fig)
    return png, {"alt": alt_text(fig), **shown_size(png)}


def _said_by(ax: Axes) -> str:
    title = next((text for place in ("left", "center", "right") if (text := ax.get_title(place))), "")
    x, y = ax.get_xlabel(), ax.get_ylabel()
    axes = f"{y} against {x}" if x and y else y or x
    text = f"{title}: {axes}" if title and axes else title or axes
    return " ".join(text.split())


def _has_photograph(fig: Figure) -> bool:
    """True when pixels of their own colours (height, width, 3 or 4) are drawn, not numbers through a colour map."""
    return any(image.get_array().ndim == 3 for ax in fig.axes for image in ax.get_images())


def _packed(png: bytes, photograph: bool) -> bytes:
    from PIL import Image

    buffer, image = io.BytesIO(), Image.open(io.BytesIO(png)).convert("RGB")
    image = image.point(_LEVELS * 3) if photograph else image.quantize(256, dither=Image.Dither.NONE)
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _box_around(fig: Figure, note: object) -> object:
    """The figure's own area, made taller by the note: in inches, as `savefig` takes it."""
    from matplotlib.transforms import Bbox

    fig.canvas.draw()
    width, height = fig.get_size_inches()
    below = -note.get_window_extent().y0 / fig.dpi + 0.05
    return Bbox([[0, -max(below, 0)], [width, height]])
