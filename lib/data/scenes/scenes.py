"""What is in a number of pictures: arrays over pictures and objects, which can be drawn and told in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from lib.data.checks import check_positive
from lib.data.scenes import captions
from lib.data.scenes.captions import COLOURS
from lib.data.scenes.rendering import render


@dataclass(frozen=True)
class Scenes:
    """What is in a number of pictures. Axes: pictures, then objects; places in pixels of a picture of `size`.

    `there` marks the objects that exist (pictures may hold fewer than the most). `background` holds two colours, a
    direction, and stripes as (amplitude, period, phase, vertical).
    """

    size: int
    there: Bool[np.ndarray, "pictures objects"]
    shape: Int[np.ndarray, "pictures objects"]
    colour: Int[np.ndarray, "pictures objects"]
    centre: Float[np.ndarray, "pictures objects 2"]
    radius: Float[np.ndarray, "pictures objects"]
    rotation: Float[np.ndarray, "pictures objects"]
    hue: Float[np.ndarray, "pictures objects"]
    value: Float[np.ndarray, "pictures objects"]
    background: Float[np.ndarray, "pictures 11"]
    radii: tuple[float, float] | None = None
    """Smallest and largest radius of the world, in shares of the side: what `small` and `large` are measured by."""

    def __len__(self) -> int:
        return len(self.there)

    def __getitem__(self, rows) -> Scenes:
        """Some of the pictures: a slice, a list or a mask."""
        kept = {name: value[rows] for name, value in vars(self).items() if name not in ("size", "radii")}
        return replace(self, **kept)

    @property
    def label(self) -> Int[np.ndarray, " pictures"]:
        """Class of the first object: shape and colour, shape * number of colours + colour."""
        return self.shape[:, 0] * len(COLOURS) + self.colour[:, 0]

    def factors(self) -> dict[str, np.ndarray]:
        """What varies within a class, of the first object and the background: for networks that are to see it."""
        stripes = (self.background[:, 7] > 0) * (1 + (self.background[:, 10] > 0))
        return {
            "centre": self.centre[:, 0] / self.size,
            "radius": self.radius[:, 0] / self.size,
            "value": self.value[:, 0],
            "background": self.background[:, :3],
            "stripes": stripes.astype(np.int64),
        }

    def images(self, batch: int = 512) -> Float[np.ndarray, "pictures 3 size size"]:
        """The pictures, float32 in [-1, 1]; later objects lie over earlier ones."""
        check_positive(batch=batch)
        parts = [render(self[begin : begin + batch]) for begin in range(0, len(self), batch)]
        return np.concatenate(parts) if parts else np.zeros((0, 3, self.size, self.size), dtype=np.float32)

    def relation(self, row: int, first: int = 0, second: int = 1) -> str:
        """How the first object lies to the second, along the axis on which they are farther apart."""
        return captions.relation(self, row, first, second)

    def describe(self, row: int, index: int, *, sizes: bool = False) -> str:
        """One object in words: `a red disk`, with `sizes` `a small red disk`."""
        return captions.describe(self, row, index, sizes=sizes)

    def captions(self, *, relations: bool = True, sizes: bool = False) -> list[str]:
        """A sentence for each picture: its objects, and with `relations` where the first lies to the second."""
        return [captions.caption(self, row, relations=relations, sizes=sizes) for row in range(len(self))]
