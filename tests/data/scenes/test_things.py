"""A thing's name, middle and size, and what is no thing."""

from __future__ import annotations

import pytest

from lib.data.scenes.things import Thing


def test_name_middle_and_size():
    thing = Thing("disk", "red", (2.0, 4.0, 6.0, 14.0))
    assert (thing.name, thing.centre, thing.size) == ("red disk", (4.0, 9.0), 10.0)
    assert thing.confidence == 1.0


@pytest.mark.parametrize(
    ("shape", "colour", "box", "confidence", "sentence"),
    [
        ("ball", "red", (0, 0, 1, 1), 1.0, "got 'red' 'ball'"),
        ("disk", "pink", (0, 0, 1, 1), 1.0, "got 'pink' 'disk'"),
        ("disk", "red", (1, 0, 1, 1), 1.0, "left < right"),
        ("disk", "red", (0, 2, 1, 1), 1.0, "top < bottom"),
        ("disk", "red", (0, 0, 1, 1), 1.5, "confidence must be in 0..1, got 1.5"),
    ],
)
def test_what_is_no_thing(shape, colour, box, confidence, sentence):
    with pytest.raises(ValueError, match=sentence):
        Thing(shape, colour, box, confidence)
