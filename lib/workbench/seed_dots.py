"""Seeds as dots against a threshold: a picture of a centimetre that stands in a row of the ledger.

It is an image with its own greys, which stand out on white and on black, and not markup: JupyterLab takes markup for
drawings out of notebooks that it does not trust yet, and leaves images.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from html import escape

from lib.workbench.evidence import spread
from lib.workbench.verdicts import Comparison

WIDTH, HEIGHT, EDGE = 144, 18, 16
GREY = "#808080"
"""At least 3 to 1 on white and on JupyterLab's dark background, as drawings need."""


def dots(seeds: Sequence[Comparison], here: Comparison | None) -> str:
    """An `<img>`: a dot for each seed, a ring for this run, the claimed side shaded up to its dashed threshold."""
    known = [part.position for part in seeds if part.position is not None]
    ring = here.position if here else None
    ends = [end for end in seeds[0].claimed if math.isfinite(end)]
    places = scale([*known, *ends, *([ring] if ring is not None else [])])
    middle = HEIGHT / 2
    left, right = (places(end) if math.isfinite(end) else (0, WIDTH)[i] for i, end in enumerate(seeds[0].claimed))
    shapes = [
        f'<rect x="{left:.1f}" y="2" width="{max(right - left, 0):.1f}" height="{HEIGHT - 4}" fill="{GREY}" '
        'fill-opacity="0.2"/>'
    ]
    for end in ends:
        x = places(end)
        shapes.append(f'<path d="M{x:.1f} 0V{HEIGHT}" stroke="{GREY}" stroke-width="1.5" stroke-dasharray="3 2"/>')
    shapes += [f'<circle cx="{places(x):.1f}" cy="{middle}" r="3" fill="{GREY}"/>' for x in known]
    if ring is not None:
        x = places(ring)
        shapes.append(f'<circle cx="{x:.1f}" cy="{middle}" r="6" fill="none" stroke="{GREY}" stroke-width="1.5"/>')
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">{"".join(shapes)}</svg>'
    return image(drawing, description(seeds, here), WIDTH, HEIGHT)


def description(seeds: Sequence[Comparison], here: Comparison | None) -> str:
    """The same in words, for whoever does not see the picture."""
    write = seeds[0].fmt.format
    parts = ["seeds " + ", ".join("none" if part.position is None else write(part.position) for part in seeds)]
    if here is not None and here.position is not None:
        parts.append(f"this run {write(here.position)}")
    known = [part.position for part in seeds if part.position is not None]
    if len(known) > 1:
        over = spread(known)
        parts.append(f"95 % interval {write(over.low)} to {write(over.high)}")
    low, high = seeds[0].claimed
    side = f"at least {write(low)}" if high == math.inf else f"at most {write(high)}" if low == -math.inf else ""
    return "; ".join([*parts, f"claimed {side or f'{write(low)} to {write(high)}'}"])


def image(drawing: str, alternative: str, width: int, height: int) -> str:
    """A drawing as an `<img>` that carries its data."""
    data = base64.b64encode(drawing.encode()).decode()
    text = escape(alternative, quote=True)
    return (
        f'<img width="{width}" height="{height}" alt="{text}" title="{text}" src="data:image/svg+xml;base64,{data}"/>'
    )


def scale(values: Sequence[float]):
    """The map from numbers to places between the picture's edges."""
    low, high = min(values), max(values)
    if low == high:
        return lambda value: WIDTH / 2
    return lambda value: EDGE + (WIDTH - 2 * EDGE) * (value - low) / (high - low)
