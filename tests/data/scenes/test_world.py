"""The world of shapes: the same everywhere, no overlap, true relations and captions, antialiased edges."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.scenes.world import COLOURS, SHAPES, Scenes, SceneWorld, Variety


def test_the_same_pictures_everywhere_and_in_any_order():
    world = SceneWorld(0)
    scenes = world.draw("train", 700)
    images = scenes.images()
    assert images.shape == (700, 3, 32, 32) and images.dtype == np.float32
    assert images.min() >= -1 and images.max() <= 1
    assert images.mean() == pytest.approx(-0.030428119, abs=1e-6)
    assert images[0, :, 0, 0] == pytest.approx((-0.1052352, -0.2787928, -0.0651655), abs=1e-6)
    later = SceneWorld(0).draw("train", 5, start=600)
    np.testing.assert_array_equal(later.images(), images[600:605])
    np.testing.assert_array_equal(scenes[3:9].images(batch=2), images[3:9])


def test_less_variety_within_a_class():
    scenes = SceneWorld(3, variety=Variety(radius=(0.2, 0.3), tilt=0.25, shift=0.1, plain=True)).draw("train", 500)
    assert np.abs(scenes.rotation).max() <= 0.25 and np.abs(scenes.rotation).max() > 0.24
    assert 6.4 <= scenes.radius.min() < 6.6 and 9.4 < scenes.radius.max() <= 9.6
    assert np.abs(scenes.centre - 16).max() <= 3.2 and np.abs(scenes.centre - 16).max() > 3.1
    corners = scenes.images()[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert np.ptp(corners, axis=-1).max() < 1e-6
    assert SceneWorld(3).draw("train", 500).rotation.min() < -3
    for wrong in ({"radius": (0.3, 0.2)}, {"radius": (0.1, 0.6)}, {"tilt": 4.0}, {"shift": -0.1}):
        with pytest.raises(ValueError, match=r"^(radius|tilt) must be "):
            Variety(**wrong)


def test_splits_and_seeds_share_no_picture():
    seen = set()
    for seed in (0, 1):
        for split in ("train", "validation", "test", "reference", "floor"):
            seen |= {image.tobytes() for image in SceneWorld(seed).draw(split, 60).images()}
    assert len(seen) == 600


def test_classes_are_balanced_and_can_be_chosen():
    scenes = SceneWorld(2).draw("test", 256)
    assert np.bincount(scenes.label, minlength=16).tolist() == [16] * 16
    chosen = SceneWorld(2).draw("test", 4, labels=[0, 5, 10, 15])
    assert chosen.label.tolist() == [0, 5, 10, 15]
    assert chosen.describe(1, 0) == "a green square"


def one(shape, colour=0, rotation=0.0, radius=8.0, size=32, centre=16.0):
    field = lambda value, dtype=float: np.array([[value]], dtype=dtype)  # noqa: E731
    return Scenes(
        size, field(True, bool), field(SHAPES.index(shape), int), field(colour, int), np.full((1, 1, 2), centre),
        field(radius), field(rotation), field(0.0), field(1.0), np.array([[0.5] * 6 + [0.0, 0, 5, 0, 0]]),
    )  # fmt: skip


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


@pytest.mark.parametrize("objects", [(2, 2), (1, 3), (4, 4)])
def test_objects_do_not_overlap_and_captions_are_true(objects):
    scenes = SceneWorld(1, size=64, objects=objects).draw("train", 120)
    counts = scenes.there.sum(1)
    assert counts.min() >= 1 and counts.max() == objects[1] and (counts >= objects[0]).mean() > 0.95
    captions = scenes.captions(sizes=True)
    for row, caption in enumerate(captions):
        present = np.flatnonzero(scenes.there[row])
        for a in present:
            for b in present:
                if a < b:
                    gap = np.linalg.norm(scenes.centre[row, a] - scenes.centre[row, b])
                    assert gap > scenes.radius[row, a] + scenes.radius[row, b]
        for index in present:
            assert scenes.describe(row, index, sizes=True) in caption
        if len(present) >= 2:
            dx, dy = scenes.centre[row, 0] - scenes.centre[row, 1]
            truth = {"left of": dx < 0, "right of": dx > 0, "above": dy < 0, "below": dy > 0}
            said = next(word for word in truth if f" {word} " in caption)
            assert truth[said]
            opposite = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
            assert scenes.relation(row, 1, 0) == opposite[said]


def test_factors_are_of_the_first_object():
    factors = SceneWorld(0).draw("train", 50).factors()
    assert {name: value.shape for name, value in factors.items()} == {
        "centre": (50, 2), "radius": (50,), "value": (50,), "background": (50, 3), "stripes": (50,),
    }  # fmt: skip
    assert set(np.unique(factors["stripes"])) <= {0, 1, 2}


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^size must be at least 8 pixels and objects 1\.\.4, got 32 and \(0, 1\)$"):
        SceneWorld(objects=(0, 1))
    with pytest.raises(ValueError, match=r"^split must be one of train, "):
        SceneWorld().draw("training", 3)
    with pytest.raises(ValueError, match=r"^count must be at least 1 and start at least 0, got 0 and 0$"):
        SceneWorld().draw("train", 0)
