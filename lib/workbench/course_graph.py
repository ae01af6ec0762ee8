"""Which notebook needs which: the prerequisites of the course as a small drawing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lib.workbench.course import Paper
from lib.workbench.seed_dots import GREY, image

STEP_X, STEP_Y, RADIUS, EDGE = 96, 30, 12, 18


def depths(papers: Sequence[Paper]) -> dict[str, int]:
    """How long the way to each notebook is, by number. Raises ValueError where needs go in a circle."""
    needs = {paper.number: paper.needs for paper in papers}
    found: dict[str, int] = {}
    while len(found) < len(needs):
        ready = [number for number, before in needs.items() if number not in found and set(before) <= set(found)]
        if not ready:
            raise ValueError(f"needs must lead back to a first notebook, got {', '.join(set(needs) - set(found))}")
        found |= {number: max((found[before] + 1 for before in needs[number]), default=0) for number in ready}
    return found


def places(papers: Sequence[Paper]) -> dict[str, tuple[int, int]]:
    """The middle of each notebook's circle: columns by depth; those of one column below one another."""
    columns: dict[int, list[str]] = {}
    for number, depth in depths(papers).items():
        columns.setdefault(depth, []).append(number)
    return {
        number: (EDGE + STEP_X * depth, EDGE + STEP_Y * row)
        for depth, numbers in columns.items()
        for row, number in enumerate(sorted(numbers))
    }


def drawing(papers: Sequence[Paper], there: Collection[str]) -> str:
    """An `<img>`: an arrow from each notebook to those that need it; notebooks that are not there yet are dashed."""
    at = places(papers)
    width, height = max(x for x, _ in at.values()) + EDGE, max(y for _, y in at.values()) + EDGE
    shapes = [
        f'<path d="M{at[before][0] + RADIUS} {at[before][1]}L{at[paper.number][0] - RADIUS} {at[paper.number][1]}" '
        f'stroke="{GREY}" stroke-width="1"/>'
        for paper in papers
        for before in paper.needs
    ]
    for number, (x, y) in at.items():
        dashes = "" if number in there else ' stroke-dasharray="3 2"'
        shapes.append(f'<circle cx="{x}" cy="{y}" r="{RADIUS}" fill="white" stroke="{GREY}"{dashes}/>')
        shapes.append(
            f'<text x="{x}" y="{y + 4}" text-anchor="middle" font-size="12" font-family="sans-serif" fill="#111111">'
            f"{number}</text>"
        )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{"".join(shapes)}</svg>'
    words = "; ".join(f"{paper.number} after {' and '.join(paper.needs)}" for paper in papers if paper.needs)
    return image(svg, f"Which notebook to know before which: {words}", width, height)
