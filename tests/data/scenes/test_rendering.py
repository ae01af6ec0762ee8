"""Drawing scenes: areas and colours are what the shapes' equations say, edges are antialiased."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.data.scenes.world import COLOURS, Scenes
from tests.data.scenes.planted import one


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("disk", np.pi * 64), ("square", (1.7 * 8) ** 2), ("triangle", 3 * np.sqrt(3) / 4 * 64),
        ("plus", 2 * 16 * 0.66 * 8 - (0.66 * 8) ** 2),
    ],
)  # fmt: skip
def test_shapes_cover_their_area_however_they_are_turned(shape, area):
    for rotation in (0.0, 0.4, 1.3):
        image = one(shape, rotation=rotation).images()[0]
        covered = (image[0] - image[2]).sum() / 2  # red is 1 on the shape, blue 0, the ground grey
        assert covered == pytest.approx(area, rel=0.06)


@pytest.mark.parametrize(
    ("name", "rgb"), [("red", (1, -1, -1)), ("green", (-1, 1, -1)), ("blue", (-1, -1, 1)), ("yellow", (1, 1, -1))]
)
def test_colours_are_what_their_names_say(name, rgb):
    image = one("disk", COLOURS.index(name)).images()[0]
    assert image[:, 16, 16] == pytest.approx(rgb, abs=1e-6)
    assert image[:, 0, 0] == pytest.approx((0, 0, 0), abs=1e-6)
    edge = image[0, 16]
    assert len(np.unique(edge.round(4))) >= 2


def test_later_objects_lie_over_earlier_ones_and_what_is_not_there_is_not_drawn():
    below, above = one("disk", COLOURS.index("red")), one("disk", COLOURS.index("blue"), radius=4.0)
    both = {name: np.concatenate([value, getattr(above, name)], axis=1) for name, value in vars(below).items()
            if name not in ("size", "radii", "background")}  # fmt: skip
    scenes = Scenes(32, background=below.background, **both)
    assert scenes.images()[0, :, 16, 16] == pytest.approx((-1, -1, 1), abs=1e-6)
    assert scenes.images()[0, :, 16, 10] == pytest.approx((1, -1, -1), abs=1e-6)
    np.testing.assert_array_equal(replace(scenes, there=np.array([[True, False]])).images(), below.images())


def test_a_background_goes_from_its_first_colour_to_its_second():
    scenes = replace(one("disk"), there=np.array([[False]]))
    scenes.background[0, :6] = [0, 0, 0, 1, 0.5, 0]
    image = scenes.images()[0]
    place = (np.arange(32) + 0.5) / 32
    np.testing.assert_allclose(image[0, 5], 2 * place - 1, atol=1e-6)
    np.testing.assert_allclose(image[1, 20], place - 1, atol=1e-6)
    np.testing.assert_allclose(image[2], -1, atol=1e-6)
