"""Scenes in words: planted places give planted sentences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.data.scenes.captions import RADII, SHAPES, caption, describe, relation
from lib.data.scenes.world import Scenes
from tests.data.scenes.planted import one


def placed(*centres) -> Scenes:
    """A red disk, a red square and a red triangle at these places of a picture of 64."""
    parts = [replace(one(shape, size=64, radius=3.0), centre=np.array([[at]], dtype=float))
             for shape, at in zip(SHAPES, centres, strict=False)]  # fmt: skip
    fields = [name for name in vars(parts[0]) if name not in ("size", "radii", "background")]
    joined = {name: np.concatenate([getattr(part, name) for part in parts], axis=1) for name in fields}
    return Scenes(64, background=parts[0].background, **joined)


@pytest.mark.parametrize(
    ("second", "said"),
    [((30, 21), "left of"), ((10, 21), "right of"), ((21, 30), "above"), ((21, 10), "below"), ((30, 30), "left of")],
)
def test_the_axis_on_which_they_are_farther_apart_decides(second, said):
    assert relation(placed((20, 20), second), 0) == said


def test_a_sentence_names_all_objects():
    two, three = placed((10, 10), (40, 10)), placed((10, 10), (10, 40), (40, 40))
    assert caption(one("plus", 3), 0) == "a yellow plus"
    assert caption(two, 0) == "a red disk left of a red square"
    assert caption(two, 0, relations=False) == "a red disk and a red square"
    assert caption(three, 0) == "a red disk above a red square, with a red triangle"
    assert caption(three, 0, relations=False) == "a red disk, a red square and a red triangle"


def test_large_begins_in_the_middle_of_the_radii():
    middle = sum(RADII[1]) / 2 * 32
    assert describe(one("disk", radius=middle), 0, 0, sizes=True) == "a large red disk"
    assert describe(one("disk", radius=middle - 0.01), 0, 0, sizes=True) == "a small red disk"
    assert describe(replace(one("disk", radius=middle), radii=(0.2, 0.5)), 0, 0, sizes=True) == "a small red disk"
