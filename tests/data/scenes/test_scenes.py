"""What is in pictures: factors and classes of the first object, chosen rows."""

from __future__ import annotations

import numpy as np

from lib.data.scenes.world import COLOURS, SHAPES, SceneWorld
from tests.data.scenes.planted import one


def test_factors_are_of_the_first_object():
    factors = SceneWorld(0).draw("train", 50).factors()
    assert {name: value.shape for name, value in factors.items()} == {
        "centre": (50, 2), "radius": (50,), "value": (50,), "background": (50, 3), "stripes": (50,),
    }  # fmt: skip
    assert set(np.unique(factors["stripes"])) <= {0, 1, 2}


def test_a_class_is_shape_and_colour():
    for shape in SHAPES:
        for colour in range(len(COLOURS)):
            assert one(shape, colour).label.tolist() == [SHAPES.index(shape) * 4 + colour]


def test_rows_are_chosen_by_slice_list_and_mask_alike():
    scenes = SceneWorld(0, objects=(1, 3)).draw("train", 6)
    mask = np.array([False, True, False, True, False, False])
    for chosen in (scenes[1:4:2], scenes[[1, 3]], scenes[mask]):
        assert len(chosen) == 2 and chosen.captions() == [scenes.captions()[1], scenes.captions()[3]]
        np.testing.assert_array_equal(chosen.images(), scenes.images()[[1, 3]])
    assert scenes[:0].images().shape == (0, 3, 32, 32)
