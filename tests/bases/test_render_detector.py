"""The evaluator's base learns from renders that no gate reads, and its gate asks for whole pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib.bases import render_detector
from lib.bases.render_detector import BATCH, HELD_OUT, RECIPE, SEED, read_entirely
from lib.data.scenes.captions import COLOURS, SHAPES
from lib.data.scenes.detector_pictures import BACKGROUND, REGIMES, UNASKED, detector_batches, held_out_pictures
from lib.data.scenes.spatial_world import SpatialWorld, type_pairs
from lib.data.scenes.things import Thing


def test_it_learns_from_both_regimes_and_sees_the_pairs_that_are_held_out_from_others():
    batch = detector_batches(SEED, BATCH)(0)
    assert batch["pictures"].shape == (BATCH, 3, 32, 32) and set(np.unique(batch["shapes"])) >= {0, 1, 2, 3, BACKGROUND}
    held_out = {frozenset(pair) for pair in type_pairs("held out")}
    scenes = SpatialWorld(SEED, regime="few", pairs="all").draw("detector", 256)
    names = [{f"{COLOURS[c]} {SHAPES[s]}" for s, c, t in zip(*row, strict=True) if t}
             for row in zip(scenes.shape, scenes.colour, scenes.there, strict=True)]  # fmt: skip
    assert sum(pair <= shown for shown in names for pair in held_out) > 20


def test_held_out_renders_are_not_trained_on():
    """Places of objects are drawn from a continuum: no two scenes of different splits share one."""
    places = lambda split, count: {  # noqa: E731
        place.tobytes()
        for regime in REGIMES
        for place in SpatialWorld(SEED, regime=regime, pairs="all").draw(split, count).centre[:, 0]
    }
    assert not places("detector", 2_000) & places("detector validation", HELD_OUT)


def test_the_gate_counts_pictures_of_which_everything_is_read_and_nothing_else(monkeypatch: pytest.MonkeyPatch):
    """An oracle that is wrong in one way on the first of three pictures: a missing, a wrong or a further thing."""
    truth = {}
    for regime in REGIMES:
        for corrupted in (False, True):
            data = held_out_pictures(SEED, regime, HELD_OUT, corrupted=corrupted)
            truth |= {picture.tobytes(): things for picture, things in zip(data.pictures, data.things, strict=True)}

    def oracle(model, pictures):
        read = [list(truth[picture.tobytes()]) for picture in pictures]
        for row in range(0, len(read), 3):
            read[row] = model(read[row])
        return read

    monkeypatch.setattr(render_detector, "detect", oracle)
    extra = Thing("disk", "red", (0, 0, 4, 4))
    assert read_entirely(lambda things: things) == 1
    assert read_entirely(lambda things: [*things, extra]) == pytest.approx(2 / 3)
    missing = read_entirely(lambda things: things[1:])
    assert 2 / 3 <= missing < 0.75, "of a picture with nothing whole nothing can be missing"
    other = lambda thing: Thing(thing.shape, COLOURS[COLOURS.index(thing.colour) - 1], thing.box)  # noqa: E731
    assert 2 / 3 <= read_entirely(lambda things: [other(thing) for thing in things]) < 0.75


def test_an_untrained_network_reads_nothing():
    assert RECIPE.measured(RECIPE.untrained()) < 0.2


def test_the_loss_is_the_detectors_own():
    model, batch = RECIPE.untrained(), detector_batches(SEED, 4)(1)
    tensors = {name: torch.from_numpy(part) for name, part in batch.items()}
    expected = model.loss(tensors["pictures"], tensors["shapes"], tensors["colours"])
    torch.testing.assert_close(RECIPE.objective(model, tensors), expected)
    tensors["shapes"] = torch.full_like(tensors["shapes"], UNASKED)
    assert RECIPE.objective(model, tensors) < expected
