"""The world of shapes: the same everywhere, no overlap, true relations and captions, antialiased edges."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.scenes.world import SceneWorld, Variety


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


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^objects must be two growing whole numbers in 1\.\.4, got \(0, 1\)$"):
        SceneWorld(objects=(0, 1))
    with pytest.raises(ValueError, match=r"^objects must be two growing whole numbers in 1\.\.4, got \(1, 2\.0\)$"):
        SceneWorld(objects=(1, 2.0))
    with pytest.raises(ValueError, match=r"^size must be an integer of at least 8, got 8\.5$"):
        SceneWorld(size=8.5)
    with pytest.raises(ValueError, match=r"^split must be one of train, "):
        SceneWorld().draw("training", 3)
    with pytest.raises(ValueError, match=r"^count must be an integer of at least 1, got 0$"):
        SceneWorld().draw("train", 0)
    with pytest.raises(ValueError, match=r"^batch must be an integer of at least 1, got 0$"):
        SceneWorld().draw("train", 3).images(0)


@pytest.mark.parametrize("labels", [[3], [1, 2, 16], [0, -1, 2], [0.0, 1.0, 2.0], 5, [1, 2, 3, 4]])
def test_labels_are_one_class_a_picture(labels):
    """One label for all pictures would be taken for three, and a class that is none drawn as another."""
    with pytest.raises(ValueError, match=r"^labels must be 3 whole numbers from 0 to 15, got "):
        SceneWorld().draw("train", 3, labels=labels)
    assert SceneWorld().draw("train", 3, labels=np.array([0, 15, 7])).label.tolist() == [0, 15, 7]
