"""The world for spatial language: different types apart from each other, pairs held out, boxes of what is drawn."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from lib.data.scenes.captions import SHAPES
from lib.data.scenes.scenes import Scenes
from lib.data.scenes.spatial_world import (
    EDGE,
    GAP,
    JITTER,
    SPATIAL_SPLITS,
    TYPES,
    SpatialWorld,
    boxes,
    noisy,
    things,
    type_pairs,
)
from tests.data.scenes.planted import one


def pairs_in(scenes: Scenes) -> set[frozenset[str]]:
    each = [[thing.name for thing in things(scenes, row)] for row in range(len(scenes))]
    return {frozenset(pair) for names in each for pair in combinations(names, 2)}


def test_a_quarter_of_the_pairs_is_held_out_evenly_and_for_every_seed():
    held, train, every = type_pairs("held out"), type_pairs("train"), type_pairs()
    assert (len(held), len(train), len(every)) == (30, 90, 120) and type_pairs("all") == every
    assert set(held) | set(train) == set(every) and not set(held) & set(train)
    times = [sum(name in pair for pair in held) for name in TYPES]
    assert min(times) == 2 and max(times) == 4
    same_shape = [a.split()[1] == b.split()[1] for a, b in held]
    same_colour = [a.split()[0] == b.split()[0] for a, b in held]
    assert (sum(same_shape), sum(same_colour)) == (7, 7)
    assert ("red disk", "blue square") in held and ("red disk", "green disk") in train


def test_the_same_pictures_everywhere_and_in_any_order():
    world = SpatialWorld(0)
    scenes = world.draw("base", 600)
    images = scenes.images()
    assert images.shape == (600, 3, 32, 32) and images.dtype == np.float32
    assert images.mean() == pytest.approx(0.569078, abs=1e-6)
    later = SpatialWorld(0).draw("base", 90, start=500)
    np.testing.assert_array_equal(later.images(), images[500:590])
    assert things(later, 3) == things(scenes, 503)
    assert things(later, -1) == things(later, 89)


def test_splits_regimes_pairs_and_seeds_share_no_picture():
    seen, drawn = set(), 0
    for seed in (0, 1):
        for split in SPATIAL_SPLITS:
            for choice in ({}, {"regime": "many"}, {"pairs": "all"}, {"pairs": "held out"}):
                if "pairs" in choice and split in ("base", "finetune", "train"):
                    continue
                scenes = SpatialWorld(seed, **choice).draw(split, 20)
                seen |= {place.tobytes() for place in scenes.centre[:, 0]}
                drawn += 20
    assert len(seen) == drawn == 2 * 20 * (11 * 4 - 3 * 2)


@pytest.mark.parametrize("regime", ["few", "many"])
@pytest.mark.parametrize("split", ["base", "finetune", "train", "detector"])
def test_what_models_learn_from_holds_no_held_out_pair_and_all_others(split, regime):
    held = {frozenset(pair) for pair in type_pairs("held out")}
    shown = pairs_in(SpatialWorld(1, regime=regime).draw(split, 1200))
    assert not shown & held
    assert len(shown) == 90


def test_held_out_pictures_are_held_out_pairs_and_all_means_all():
    scenes = SpatialWorld(2, pairs="held out").draw("test", 300)
    assert scenes.there.shape == (300, 2) and scenes.there.all()
    assert pairs_in(scenes) == {frozenset(pair) for pair in type_pairs("held out")}
    assert len(pairs_in(SpatialWorld(2, pairs="all").draw("detector", 1500))) == 120


@pytest.mark.parametrize("regime", ["few", "many"])
@pytest.mark.parametrize("size", [32, 48])
def test_boxes_lie_apart_inside_of_the_picture_and_types_differ(regime, size):
    scenes = SpatialWorld(3, regime=regime, size=size).draw("validation", 700)
    box = boxes(scenes)
    assert np.isnan(box).all(-1).tolist() == (~scenes.there).tolist()
    assert np.nanmin(box) >= EDGE - 1e-9 and np.nanmax(box) <= size - EDGE + 1e-9  # where an edge stopped it
    for row in range(len(scenes)):
        shown = things(scenes, row)
        assert len({thing.name for thing in shown}) == len(shown)
        for a, b in combinations(shown, 2):
            gaps = (b.box[0] - a.box[2], a.box[0] - b.box[2], b.box[1] - a.box[3], a.box[1] - b.box[3])
            assert max(gaps) >= GAP
    assert not scenes.rotation.any()


def test_numbers_sizes_and_paper_are_what_the_world_says():
    few, many = SpatialWorld(4).draw("train", 4000), SpatialWorld(4, regime="many").draw("train", 3000)
    share = np.bincount(few.there.sum(1), minlength=4)[1:] / 4000
    assert share == pytest.approx([0.25, 0.5, 0.25], abs=0.03)  # four standard errors
    assert np.bincount(many.there.sum(1))[5:] / 3000 == pytest.approx([1 / 3] * 3, abs=0.035)
    radius = few.radius[few.there]
    small = (radius >= 4) & (radius <= 4.5)
    assert (small | ((radius >= 6) & (radius <= 6.5))).all() and small.mean() == pytest.approx(0.5, abs=0.025)
    assert many.radius.min() >= 3.2 and many.radius.max() <= 4.2 and np.ptp(many.radius) > 0.99
    kinds = np.bincount((few.shape * 4 + few.colour)[few.there], minlength=16) / few.there.sum()
    assert kinds == pytest.approx(np.full(16, 1 / 16), abs=0.015)
    paper = few.background[:, :3]
    assert 0.73 <= paper.min() < 0.75 and 0.95 < paper.max() <= 0.97 and 0.03 < np.ptp(paper, axis=1).max() <= 0.04
    medians = np.median((few[:50].images() + 1) / 2, axis=(2, 3))
    np.testing.assert_allclose(medians, paper[:50], atol=1e-6)  # most of a picture is paper, without stripes
    large = ["large" in few.describe(row, 0, sizes=True) for row in range(200)]
    assert large == (few.radius[:200, 0] > 5).tolist()
    middle = few.centre[few.there].mean(0)
    assert middle == pytest.approx([16, 16], abs=0.5)


@pytest.mark.parametrize(("regime", "cells"), [("few", 2), ("many", 3)])
@pytest.mark.parametrize("size", [32, 48])
def test_every_thing_stands_near_the_middle_of_a_cell_of_its_own(regime, cells, size):
    scenes = SpatialWorld(5, regime=regime, size=size).draw("train", 500)
    cell = np.floor(scenes.centre / (size / cells))
    off = np.abs(scenes.centre - (cell + 0.5) * size / cells)[scenes.there]
    assert 0.95 * JITTER * size / 32 < off.max() <= JITTER * size / 32 + 1e-9
    number = np.where(scenes.there, cell[..., 0] * cells + cell[..., 1], np.arange(-1, -scenes.there.shape[1] - 1, -1))
    assert all(len(set(row)) == len(row) for row in number.tolist())
    taken = np.bincount(number[scenes.there].astype(int), minlength=cells**2) / scenes.there.sum()
    assert taken == pytest.approx(np.full(cells**2, cells**-2), abs=0.04)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", [5.0, 9.25])
def test_a_box_holds_what_is_drawn_and_no_more(shape, radius):
    """The drawing is the judge: a covered pixel lies in the box but for half a pixel, and reaches each side."""
    scenes = one(shape, colour=2, radius=radius, centre=16.3)
    picture = scenes.images()[0, 0]
    rows, columns = np.nonzero(np.abs(picture - picture[0, 0]) > 1e-6)
    left, top, right, bottom = boxes(scenes)[0, 0]
    drawn = (columns.min() + 0.5, rows.min() + 0.5, columns.max() + 0.5, rows.max() + 0.5)
    for side, edge, outward in zip(drawn, (left, top, right, bottom), (-1, -1, 1, 1), strict=True):
        assert -1.0 <= (side - edge) * outward <= 0.5  # up to a pixel less, at a corner that fades


def test_only_upright_objects_have_boxes():
    with pytest.raises(ValueError, match=r"^scenes must hold objects without rotation, got rotated ones$"):
        boxes(one("square", rotation=0.3))
    hidden = replace(one("square", rotation=0.3), there=np.array([[False]]))
    assert np.isnan(boxes(hidden)).all() and things(hidden, 0) == []


def test_noise_is_numbered_and_has_its_width():
    images = np.zeros((40, 3, 32, 32), dtype=np.float32)
    loud = noisy(images, 7)
    assert loud.dtype == np.float32 and loud.std() == pytest.approx(0.04, rel=0.01)
    np.testing.assert_array_equal(noisy(images[:5], 7, start=20), loud[20:25])
    assert not np.array_equal(noisy(images, 8), loud)
    np.testing.assert_array_equal(noisy(images, 7, sigma=0), images)
    assert noisy(images + 1, 7).max() == 1 and noisy(images[:0], 7).shape == (0, 3, 32, 32)


def test_bad_input_is_named():
    for wrong, said in (
        ({"size": 16}, r"^size must be an integer of at least 32, got 16$"),
        ({"seed": -1}, r"^seed must be an integer of at least 0, got -1$"),
        ({"regime": "some"}, r"^regime must be one of few, many, got 'some'$"),
        ({"pairs": "test"}, r"^pairs must be one of train, held out, all, got 'test'$"),
        ({"regime": "many", "pairs": "held out"}, r"^pairs must be 'train' or 'all' with the regime 'many'"),
    ):
        with pytest.raises(ValueError, match=said):
            SpatialWorld(**wrong)
    with pytest.raises(ValueError, match=r"^split must be one of base, finetune, "):
        SpatialWorld().draw("floor", 1)
    with pytest.raises(ValueError, match=r"^count must be an integer of at least 1, got 0$"):
        SpatialWorld().draw("base", 0)
    with pytest.raises(ValueError, match=r"^start must be an integer of at least 0, got -1$"):
        SpatialWorld().draw("base", 1, start=-1)
    with pytest.raises(ValueError, match=r"^pairs must be 'train' in the split 'base', got 'all'$"):
        SpatialWorld(pairs="all").draw("base", 1)
    with pytest.raises(ValueError, match=r"^pairs must be one of train, held out, all, got 'seen'$"):
        type_pairs("seen")
    with pytest.raises(ValueError, match=r"^sigma must be at least 0, got -1$"):
        noisy(np.zeros((1, 3, 8, 8), dtype=np.float32), 0, sigma=-1)
