"""From probabilities of pixels to things: what touches is told apart, what is half something is left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib.data.scenes.captions import COLOURS, SHAPES
from lib.nn.vision.detections import detect, things_of
from lib.nn.vision.detector import PixelKinds, RenderDetector


class Canvas:
    """Probabilities of a picture of 24 x 32 pixels, background until something is put there."""

    def __init__(self):
        self.shapes = np.zeros((5, 24, 32), dtype=np.float32)
        self.shapes[4] = 1
        self.colours = np.full((4, 24, 32), 0.25, dtype=np.float32)

    def put(self, where, shape: str, colour: str, sure: float = 0.9, of_shape: float = 1.0, of_colour: float = 1.0):
        """p(object) = sure at the pixels; of it shape and colour have their shares, and the next ones the rest."""
        kind, paint = SHAPES.index(shape), COLOURS.index(colour)
        self.shapes[(slice(None), *where)] = 0
        self.shapes[(4, *where)] = 1 - sure
        self.shapes[(kind, *where)] = sure * of_shape
        self.shapes[((kind + 1) % 4, *where)] += sure * (1 - of_shape)
        self.colours[(slice(None), *where)] = 0
        self.colours[(paint, *where)] = of_colour
        self.colours[((paint + 1) % 4, *where)] += 1 - of_colour
        return self

    def things(self, **options):
        return things_of(self.shapes, self.colours, **options)


def test_a_thing_has_the_box_of_its_pixels_and_their_mean_probability():
    (thing,) = Canvas().put(np.s_[3:8, 10:17], "plus", "yellow", 0.9, 0.8, 0.75).things()
    assert (thing.shape, thing.colour, thing.box) == ("plus", "yellow", (10.0, 3.0, 17.0, 8.0))
    assert thing.confidence == pytest.approx(0.9 * 0.8 * 0.75, abs=1e-6)


def test_the_surest_stands_first_and_one_kind_may_come_twice():
    canvas = Canvas().put(np.s_[2:6, 2:6], "disk", "red", 0.7).put(np.s_[2:6, 12:16], "disk", "red", 0.95)
    canvas.put(np.s_[14:18, 2:6], "square", "blue", 0.8)
    assert [(thing.name, thing.box[0]) for thing in canvas.things()] == [
        ("red disk", 12.0), ("blue square", 2.0), ("red disk", 2.0),
    ]  # fmt: skip


def test_things_that_touch_are_told_apart_by_colour_and_by_shape():
    canvas = Canvas().put(np.s_[4:9, 4:9], "disk", "red").put(np.s_[4:9, 9:14], "disk", "green")
    assert {thing.name: thing.box for thing in canvas.things()} == {
        "red disk": (4.0, 4.0, 9.0, 9.0), "green disk": (9.0, 4.0, 14.0, 9.0),
    }  # fmt: skip
    canvas = Canvas().put(np.s_[4:9, 4:9], "disk", "red").put(np.s_[4:9, 9:14], "plus", "red")
    assert {thing.name for thing in canvas.things()} == {"red disk", "red plus"}


def test_a_few_uncertain_pixels_make_no_thing_of_their_own():
    canvas = Canvas().put(np.s_[4:10, 4:10], "square", "blue").put(np.s_[4:6, 4:6], "disk", "blue", 0.9, 0.6)
    (thing,) = canvas.things()
    assert thing.name == "blue square" and thing.box == (4.0, 4.0, 10.0, 10.0)
    two = Canvas().put(np.s_[4:9, 4:9], "disk", "red").put(np.s_[4:9, 9:14], "plus", "red")
    two.put(np.s_[5:7, 14:16], "square", "red")  # of neither: goes to the nearer one
    assert sorted((thing.name, thing.box) for thing in two.things()) == [
        ("red disk", (4.0, 4.0, 9.0, 9.0)), ("red plus", (9.0, 4.0, 16.0, 9.0)),
    ]  # fmt: skip


def test_smears_are_no_things():
    half = Canvas().put(np.s_[4:10, 4:10], "disk", "red", 0.45)
    assert half.things() == [] and len(half.things(threshold=0.4)) == 1
    assert Canvas().put(np.s_[4:10, 4:10], "disk", "red", 0.9, of_shape=0.5).things() == []
    assert Canvas().put(np.s_[4:10, 4:10], "disk", "red", 0.9, of_colour=0.5).things() == []


def test_the_least_area_counts_pixels():
    canvas = Canvas().put(np.s_[4:6, 4:7], "disk", "red")
    assert len(canvas.things()) == len(canvas.things(least_area=6)) == 1 and canvas.things(least_area=7) == []


def test_a_thin_bar_that_hangs_together_by_corners_is_one_thing():
    rows = np.arange(4, 14)
    (thing,) = Canvas().put((rows, rows + 3), "plus", "green").things()
    assert thing.box == (7.0, 4.0, 17.0, 14.0)


class Told(RenderDetector):
    """Says what a canvas says of every picture whose first pixel is bright."""

    def forward(self, pictures):
        canvas = Canvas().put(np.s_[3:8, 10:17], "plus", "yellow")
        shapes, colours = (torch.from_numpy(part)[None].repeat(len(pictures), 1, 1, 1) for part in
                           (canvas.shapes, canvas.colours))  # fmt: skip
        dark = pictures[:, 0, 0, 0] < 0
        shapes[dark, :4], shapes[dark, 4] = 0, 1
        return PixelKinds(shapes.log(), colours.log())


def test_each_picture_has_its_own_list_in_any_number_at_a_time():
    detector, pictures = Told(1), np.ones((5, 3, 24, 32), dtype=np.float32)
    pictures[3] = -1
    for given in (pictures, torch.from_numpy(pictures)):
        for batch in (2, 256):
            found = detect(detector, given, batch=batch)
            assert [len(row) for row in found] == [1, 1, 1, 0, 1] and found[0][0].name == "yellow plus"
    assert detector.training
    assert detect(detector, pictures[:0]) == []


def test_bad_input_is_named():
    pictures = torch.zeros(1, 3, 24, 32)
    with pytest.raises(ValueError, match=r"^threshold must be between 0 and 1, got 1$"):
        detect(RenderDetector(1), pictures, threshold=1)
    with pytest.raises(ValueError, match=r"^least_area and batch must be at least 1, got 0 and 256$"):
        detect(RenderDetector(1), pictures, least_area=0)
