"""What a plot must say: its message as the title, and the unit of each axis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PURE_NUMBERS = "number count share fraction ratio rate accuracy probability perplexity match score value error".split()
"""Words that say that an axis has no unit: "number of heads", "learning rate", "accuracy"."""


def label_axes(ax: Axes, title: str, x: str | None, y: str | None) -> Axes:
    """Title and axis labels, demanded: the title is a message of three words or more, a label ends in its unit.

    `"loss (nats per token)"`, `"training (steps)"`; a pure number says so in words and has no brackets: `"number of
    heads"`, `"learning rate"`. None only for an axis whose ticks are names. Raises ValueError for anything else.
    """
    if len(title.split()) < 3:
        raise ValueError(f"title must state the plot's message in at least three words, got {title!r}")
    for axis, label in (("x", x), ("y", y)):
        if label is not None and (reason := _fault_of(label)):
            raise ValueError(f"{axis} {reason}, got {label!r}")
    ax.set_title(title)
    ax.set_xlabel(x or "")
    ax.set_ylabel(y or "")
    return ax


def _fault_of(label: str) -> str | None:
    """What is wrong with an axis label, or None."""
    if label.rstrip().endswith("(1)"):
        return "must not end in '(1)': a pure number has no unit, such as 'number of heads'"
    has_unit = re.fullmatch(r".*\S\s*\(.+\)", label, flags=re.DOTALL)
    is_pure = "(" not in label and re.search(rf"\b({'|'.join(PURE_NUMBERS)})s?\b", label, flags=re.IGNORECASE)
    if has_unit or is_pure:
        return None
    return f"must end in its unit in brackets, such as 'loss (nats per token)', or name a {', '.join(PURE_NUMBERS)}"
