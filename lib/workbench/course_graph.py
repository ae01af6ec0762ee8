"""Which notebook needs which: the prerequisites of the course as a small drawing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lib.workbench.course import Paper
from lib.workbench.seed_dots import GREY, image

STEP_X, STEP_Y, RADIUS, EDGE = 150, 32, 11, 18
"""Pixels: so far apart that an arrow over one column passes between that column's circles."""
THERE, TO_COME = "#ffffff", "#c4c4c4"
"""Behind a notebook's number, on light and on dark pages."""
HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    f'<polygon points="0,1 8,4 0,7" fill="{GREY}"/></marker>'
)


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
    """The middle of each notebook's circle: columns by depth, each beside or below what it needs."""
    columns: dict[int, list[str]] = {}
    for number, depth in depths(papers).items():
        columns.setdefault(depth, []).append(number)
    needs = {paper.number: paper.needs for paper in papers}
    rows: dict[str, int] = {}
    for _, numbers in sorted(columns.items()):
        wanted = {number: max((rows[before] for before in needs[number]), default=0) for number in numbers}
        free = 0
        for number in sorted(numbers, key=lambda number: (wanted[number], number)):
            rows[number] = max(free, wanted[number])
            free = rows[number] + 1
    return {
        number: (EDGE + STEP_X * depth, EDGE + STEP_Y * rows[number])
        for depth, numbers in columns.items()
        for number in numbers
    }


def drawing(papers: Sequence[Paper], there: Collection[str]) -> str:
    """An `<img>`: an arrow from each notebook to those that need it; those still to come are grey and dashed."""
    at = places(papers)
    width, height = max(x for x, _ in at.values()) + EDGE, max(y for _, y in at.values()) + EDGE
    shapes = [HEAD]
    shapes += [
        f'<path d="M{at[before][0] + RADIUS} {at[before][1]}L{at[paper.number][0] - RADIUS} {at[paper.number][1]}" '
        f'stroke="{GREY}" stroke-width="1" marker-end="url(#head)"/>'
        for paper in papers
        for before in paper.needs
    ]
    for number, (x, y) in at.items():
        fill, dashes = (THERE, "") if number in there else (TO_COME, ' stroke-dasharray="3 2"')
        shapes.append(f'<circle cx="{x}" cy="{y}" r="{RADIUS}" fill="{fill}" stroke="{GREY}"{dashes}/>')
        shapes.append(
            f'<text x="{x}" y="{y + 4}" text-anchor="middle" font-size="12" font-family="sans-serif" fill="#111111">'
            f"{number}</text>"
        )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{"".join(shapes)}</svg>'
    words = "; ".join(f"{paper.number} after {' and '.join(paper.needs)}" for paper in papers if paper.needs)
    return image(svg, f"Which notebook to know before which: {words}", width, height)
