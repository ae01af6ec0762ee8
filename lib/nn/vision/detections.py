"""From what a detector says of pixels to a list of things: components of one kind, their boxes, how sure it is.

1. A pixel is foreground where p(background) < 1 - threshold; its kind is the likeliest colour and shape.
2. Foreground of one colour that hangs together is one thing, unless two shapes in it each have `least_area` pixels:
   then each is a thing, and pixels of neither go to the nearest. So what touches is told apart by its kind, and a few
   uncertain pixels at an edge make no thing of their own.
3. Kind: the largest mean probability over the thing's pixels. Confidence: that mean of p(shape) p(colour). Below the
   threshold it is no thing: a smear of which every pixel is half something is left out.

The function sees pictures alone, never a prompt, a seed or a scene.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib.data.scenes.captions import COLOURS, SHAPES
from lib.data.scenes.things import Thing
from lib.nn.vision.detector import RenderDetector

TOUCHING = np.ones((3, 3), dtype=bool)
"""Pixels of one thing may hang together by a corner: a thin bar that lies askew does."""


@torch.no_grad()
def detect(
    detector: RenderDetector,
    pictures: Float[Tensor, "batch 3 height width"] | Float[np.ndarray, "batch 3 height width"],
    *,
    threshold: float = 0.5,
    least_area: int = 6,
    batch: int = 256,
) -> list[list[Thing]]:
    """The things of each picture, the surest first; the detector runs in eval mode, its own mode stays as it is.

    Raises ValueError unless 0 < threshold < 1 and least_area and batch are at least 1.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must be between 0 and 1, got {threshold}")
    if least_area < 1 or batch < 1:
        raise ValueError(f"least_area and batch must be at least 1, got {least_area} and {batch}")
    device, training, found = detector.shapes.weight.device, detector.training, []
    detector.eval()
    for start in range(0, len(pictures), batch):
        kinds = detector(torch.as_tensor(pictures[start : start + batch]).to(device))
        parts = (part.exp().cpu().numpy() for part in kinds)
        found += [things_of(*maps, threshold=threshold, least_area=least_area) for maps in zip(*parts, strict=True)]
    detector.train(training)
    return found


def things_of(
    shapes: Float[np.ndarray, "shapes height width"],
    colours: Float[np.ndarray, "colours height width"],
    *,
    threshold: float = 0.5,
    least_area: int = 6,
) -> list[Thing]:
    """The things of one picture from its pixels' probabilities, the surest first. The last of `shapes` is background.

    A box is that of the thing's pixels, from their outer edges: (column, row, last column + 1, last row + 1).
    """
    things = []
    foreground = shapes[-1] < 1 - threshold
    for pixels in _separate(foreground, shapes[:-1].argmax(0), colours.argmax(0), least_area):
        joint = shapes[:-1, None, pixels] * colours[None, :, pixels]  # (shapes, colours, pixels)
        sure = joint.mean(-1)
        shape, colour = np.unravel_index(sure.argmax(), sure.shape)
        if sure[shape, colour] >= threshold:
            rows, columns = np.nonzero(pixels)
            box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            confidence = min(1.0, float(sure[shape, colour]))
            things.append(Thing(SHAPES[shape], COLOURS[colour], tuple(float(side) for side in box), confidence))
    return sorted(things, key=lambda thing: -thing.confidence)


def _separate(
    foreground: np.ndarray, shape: np.ndarray, colour: np.ndarray, least_area: int
) -> Iterator[Bool[np.ndarray, "height width"]]:
    """Masks of what may be a thing, each of at least `least_area` pixels."""
    for number in np.unique(colour[foreground]):
        for whole in _components(foreground & (colour == number), least_area):
            cores = [
                core for kind in np.unique(shape[whole]) for core in _components(whole & (shape == kind), least_area)
            ]
            if len(cores) < 2:
                yield whole
            else:
                yield from _shared_out(whole, cores)


def _components(mask: np.ndarray, least_area: int) -> list[np.ndarray]:
    from scipy import ndimage

    numbers, _ = ndimage.label(mask, structure=TOUCHING)
    areas = np.bincount(numbers.ravel())
    return [numbers == number for number in range(1, len(areas)) if areas[number] >= least_area]


def _shared_out(whole: np.ndarray, cores: list[np.ndarray]) -> list[np.ndarray]:
    """`whole` cut into as many parts as there are cores: every pixel belongs to the nearest core."""
    from scipy import ndimage

    away = [ndimage.distance_transform_edt(~core) for core in cores]
    nearest = np.argmin(away, axis=0)
    return [whole & (nearest == number) for number in range(len(cores))]
