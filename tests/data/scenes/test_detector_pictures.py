"""Labels lie where the objects lie, ruined objects are background, and what is held out is never trained on."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.scenes.captions import COLOURS, SHAPES
from lib.data.scenes.detector_pictures import (
    BACKGROUND,
    UNASKED,
    detector_batches,
    held_out_pictures,
    labelled,
    sprites,
)
from lib.data.scenes.spatial_world import SpatialWorld, boxes, things

WORLD = SpatialWorld(5, regime="few", pairs="all")
CORNERS = [0.9, 0.61, 0.9, 1.2]
"""Pixels by which a triangle's box may be off. A side is off by 0.6 of a pixel at most, of which 0.4 must be covered;
at a corner less of a pixel is covered, least at the lower one, which is the tip."""


def test_sprites_put_together_are_the_worlds_own_picture():
    scenes = WORLD.draw("detector", 20)
    objects = sprites(scenes)
    image = np.repeat(np.repeat(objects.paper[:, :, None, None], 32, 2), 32, 3)
    for index in range(3):
        cover = objects.cover[:, index, None]
        image = image * (1 - cover) + objects.paint[:, index, :, None, None] * cover
    np.testing.assert_allclose(2 * image - 1, scenes.images(), atol=2e-3)
    assert np.array_equal(np.isnan(objects.box[..., 0]), ~scenes.there)


def test_labels_of_whole_objects_lie_in_their_boxes():
    scenes = WORLD.draw("detector", 40)
    data = labelled(sprites(scenes), np.random.default_rng(0))
    assert data.things == [things(scenes, row) for row in range(40)]
    for row in range(40):
        seen = np.zeros((32, 32), dtype=bool)
        for thing in data.things[row]:
            kind = data.shapes[row] == SHAPES.index(thing.shape)
            kind &= data.colours[row] == COLOURS.index(thing.colour)
            rows, columns = np.nonzero(kind)
            found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            most = CORNERS if thing.shape == "triangle" else [0.61] * 4
            assert np.all(np.abs(np.subtract(found, thing.box)) <= most), (thing, found)
            seen |= kind
        assert np.array_equal(seen, data.shapes[row] != BACKGROUND) and np.array_equal(seen, data.colours[row] >= 0)


def test_ruined_objects_are_background_and_no_things():
    scenes = WORLD.draw("detector", 30)
    data = labelled(sprites(scenes), np.random.default_rng(0), ruined=1.0)
    assert np.all(data.shapes == BACKGROUND) and np.all(data.colours == UNASKED) and not any(data.things)
    clean = labelled(sprites(scenes), np.random.default_rng(0))
    assert np.abs(data.pictures - clean.pictures).mean() > 0.01
    some = labelled(sprites(scenes), np.random.default_rng(0), ruined=0.5)
    assert 0.3 < sum(map(len, some.things)) / scenes.there.sum() < 0.7


def test_objects_that_were_moved_are_labelled_where_they_are():
    scenes = SpatialWorld(5, regime="many", pairs="all").draw("detector", 60)
    objects = sprites(scenes)
    data = labelled(objects, np.random.default_rng(0), moved=1.0)
    assert np.nanmax(np.abs(objects.box - boxes(scenes))) == pytest.approx(3)
    assert objects.box[scenes.there].min() >= 0
    assert objects.box[scenes.there].max() <= 32
    assert (data.shapes == UNASKED).any(), "some objects cover others"
    assert sum(map(len, data.things)) < scenes.there.sum()
    for row, row_things in enumerate(data.things):
        for thing in row_things:
            x, y = int(thing.centre[0]), int(thing.centre[1] - 0.1 * thing.size)
            window = data.shapes[row, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
            assert SHAPES.index(thing.shape) in window


def test_a_batch_is_a_function_of_its_step_and_has_both_regimes():
    one, two = detector_batches(3, 12), detector_batches(3, 12)
    two(41)
    first = one(2)
    assert all(np.array_equal(part, two(2)[name]) for name, part in first.items())
    assert first["pictures"].shape == (12, 3, 32, 32) and first["pictures"].dtype == np.float32
    assert first["shapes"].dtype == first["colours"].dtype == np.int64
    assert np.abs(first["pictures"]).max() <= 1 and not np.array_equal(first["pictures"], one(3)["pictures"])
    covered = (first["shapes"] != BACKGROUND).mean((1, 2))
    assert covered[:6].max() > 0.1 and set(np.unique(first["shapes"])) <= {UNASKED, 0, 1, 2, 3, BACKGROUND}
    assert not np.array_equal(detector_batches(4, 12)(2)["pictures"], first["pictures"])


def test_held_out_pictures_are_of_another_split_and_corrupted_ones_have_fewer_things():
    clean, corrupted = (held_out_pictures(0, "many", 50, corrupted=kind) for kind in (False, True))
    shown = SpatialWorld(0, regime="many", pairs="all").draw("detector validation", 50)
    assert clean.things == [things(shown, row) for row in range(50)]
    assert 0.5 < sum(map(len, corrupted.things)) / sum(map(len, clean.things)) < 0.8
    again = held_out_pictures(0, "many", 50, corrupted=True)
    assert np.array_equal(again.pictures, corrupted.pictures)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^ruined and moved must be in 0..1, got 2 and 0.0$"):
        labelled(sprites(WORLD.draw("detector", 1)), np.random.default_rng(0), ruined=2)
    with pytest.raises(ValueError, match=r"^size must be an integer of at least 2, got 1$"):
        detector_batches(0, 1)
    with pytest.raises(ValueError, match=r"^regime must be one of few, many, got 'some'$"):
        held_out_pictures(0, "some", 3, corrupted=False)
