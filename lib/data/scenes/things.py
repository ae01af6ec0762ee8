"""One object as a picture shows it or as a detector sees it: kind, box and how sure the one who tells it is."""

from __future__ import annotations

from dataclasses import dataclass

from lib.data.scenes.captions import COLOURS, SHAPES


@dataclass(frozen=True)
class Thing:
    """An object of a picture. Places in pixels, x to the right and y downwards; `box` is (left, top, right, bottom).

    Raises ValueError for a shape or colour that the world does not know, a box without an extent, and a confidence
    outside of 0..1.
    """

    shape: str
    colour: str
    box: tuple[float, float, float, float]
    confidence: float = 1.0

    def __post_init__(self):
        if self.shape not in SHAPES or self.colour not in COLOURS:
            raise ValueError(
                f"a thing must be of a colour in {', '.join(COLOURS)} and a shape in {', '.join(SHAPES)}, "
                f"got {self.colour!r} {self.shape!r}"
            )
        left, top, right, bottom = self.box
        if not (left < right and top < bottom):
            raise ValueError(f"box must be (left, top, right, bottom), left < right and top < bottom, got {self.box}")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence must be in 0..1, got {self.confidence}")

    @property
    def name(self) -> str:
        """Colour and shape: `red disk`."""
        return f"{self.colour} {self.shape}"

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle of the box."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2

    @property
    def size(self) -> float:
        """The longer side of the box."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)
