"""Captions of things: hand cases, and thousands that are true of their scene by the centres of its boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.data.scenes.spatial_captions import (
    general,
    prompt,
    relation_between,
    size_between,
    spatial_long,
    spatial_short,
    swapped,
)
from lib.data.scenes.spatial_claims import claims_of
from lib.data.scenes.spatial_words import encode_captions, flip_words, negated
from lib.data.scenes.spatial_world import SpatialWorld, things
from lib.data.scenes.things import Thing

AXES = {"left of": (0, 1), "right of": (0, -1), "above": (1, 1), "below": (1, -1)}
"""Axis of each relation, and the sign of second minus first."""


def at(name: str, x: float, y: float, side: float = 4.0, confidence: float = 1.0) -> Thing:
    colour, shape = name.split()
    return Thing(shape, colour, (x - side / 2, y - side / 2, x + side / 2, y + side / 2), confidence)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def scenes_things(count: int, *, mirrored: bool = False, **choice) -> list[list[Thing]]:
    scenes = SpatialWorld(5, **choice).draw("test", count)
    if mirrored:
        scenes = replace(scenes, centre=scenes.centre * [-1, 1] + [scenes.size, 0])
    return [things(scenes, row) for row in range(count)]


def check_true(caption: str, shown: list[Thing]) -> int:
    """Asserts every claim of a caption against the things; gives the number of relations and sizes."""
    named = {thing.name: thing for thing in shown}
    said = 0
    for claim in claims_of(caption):
        if claim.kind == "count":
            assert claim.number == len(shown)
        elif claim.kind == "colour":
            assert claim.subject in named
        elif claim.kind == "entity":
            assert claim.subject in {thing.shape for thing in shown}
        elif claim.kind == "relation":
            axis, sign = AXES[claim.relation]
            offset = np.subtract(named[claim.object].centre, named[claim.subject].centre) * sign
            offset = -offset if claim.negated else offset
            assert offset[axis] >= 3 and offset[axis] > abs(offset[1 - axis]), caption
            said += 1
        else:
            difference = named[claim.subject].size - named[claim.object].size
            assert difference >= 2 if claim.relation == "larger" else difference <= -2, caption
            said += 1
    return said


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [(3, 0, "left of"), (-3, 2.9, "right of"), (2, 3, "above"), (0, -8, "below"), (5, 5, None), (2.9, 0, None)],
)
def test_a_relation_is_said_from_three_pixels_on_the_larger_axis(x, y, said):
    assert relation_between(at("red disk", 0, 0), at("blue plus", x, y)) == said


@pytest.mark.parametrize(("side", "said"), [(2.0, "larger"), (6.0, "smaller"), (2.1, None), (4.0, None)])
def test_a_size_is_said_from_two_pixels(side, said):
    assert size_between(at("red disk", 0, 0), at("blue plus", 9, 0, side)) == said


def test_two_things_have_few_captions_and_all_of_them_come():
    pair = [at("red disk", 5, 5), at("blue plus", 20, 8)]
    draws = rng()
    assert {general(pair, draws, rho=0.0) for _ in range(40)} == {
        "a red disk and a blue plus",
        "a blue plus and a red disk",
    }
    assert {general(pair, draws, rho=1.0) for _ in range(40)} == {
        "a red disk to the left of a blue plus",
        "a blue plus to the right of a red disk",
    }
    short = {"the red disk is to the left of the blue plus .", "the blue plus is to the right of the red disk ."}
    assert {spatial_short(pair, draws) for _ in range(40)} == short
    first = {"two objects : a red disk and a blue plus .", "two objects : a blue plus and a red disk ."}
    assert {spatial_long(pair, draws) for _ in range(60)} == {f"{a} {b}" for a in first for b in short}
    large = [pair[0], at("blue plus", 20, 8, side=9.0)]
    third = {"the blue plus is larger than the red disk .", "the red disk is smaller than the blue plus ."}
    assert {spatial_long(large, draws).split(" . ")[-1] for _ in range(40)} == third


def test_several_things_are_joined_and_one_or_none_is_told():
    three = [at("red disk", 5, 5), at("blue plus", 20, 8), at("green disk", 9, 25)]
    assert len({general(three, rng(seed), rho=0.0) for seed in range(60)}) == 6
    assert general(three, rng(0), rho=0.0).count(" , ") == 1 and general(three, rng(0)).count(" and ") == 1
    told = {general(three, rng(seed), rho=1.0) for seed in range(300)}
    assert "a green disk and a red disk to the left of a blue plus" in told
    assert "a red disk to the left of a blue plus and a green disk" in told and len(told) == 3 * 2 * 2
    assert general(three[:1], rng(), rho=1.0) == "a red disk"
    assert spatial_long(three[:1], rng()) == spatial_short(three[:1], rng()) == "one object : a red disk ."
    assert general([], rng()) == spatial_long([], rng()) == spatial_short([], rng()) == ""


def test_what_cannot_be_told_apart_is_only_named():
    twice = [at("red disk", 5, 5), at("red disk", 20, 5), at("blue plus", 5, 25)]
    for seed in range(20):
        assert "the" not in spatial_long(twice, rng(seed)).split()
        assert "to" not in general(twice, rng(seed), rho=1.0).split()
    near = [at("red disk", 5, 5), at("blue plus", 7, 6)]
    assert spatial_short(near, rng()) == spatial_long(near, rng())


def test_of_many_detections_the_surest_ten_are_told():
    seen = [at("red disk", 5, 2 * index, confidence=0.2) for index in range(4)]
    seen += [at("blue plus", 20, 2 * index, confidence=0.9) for index in range(9)]
    caption = spatial_long(seen, rng())
    assert caption.startswith("ten objects : ") and caption.count("blue plus") == 9 and caption.count("red disk") == 1
    assert general(seen, rng()).count("a ") == 10


@pytest.mark.parametrize("choice", [{}, {"regime": "many"}, {"pairs": "held out"}])
def test_captions_are_true_of_their_scene_and_fit(choice):
    draws, longest, said = rng(1), 0, []
    for shown in scenes_things(800, **choice):
        for caption in (general(shown, draws, rho=0.5), spatial_long(shown, draws), spatial_short(shown, draws)):
            relations = check_true(caption, shown)
            assert check_true(negated(caption, draws, rate=0.5), shown) == relations
            longest = max(longest, len(caption.split()))
            encode_captions([negated(caption, draws)], truncate=False)
        long = spatial_long(shown, draws)
        assert {c.subject for c in claims_of(long) if c.kind == "colour"} == {thing.name for thing in shown}
        said.append(check_true(long, shown))
        assert 1 <= long.split().count(".") <= 3
        if len(shown) > 1:
            assert spatial_short(shown, draws).startswith("the ") and said[-1] >= 1
        else:
            assert said[-1] == 0
    assert longest <= 62 and max(said) == 2


def test_more_sentences_tell_more_pairs_within_the_length():
    draws = rng(2)
    for shown in scenes_things(100, regime="many"):
        caption = spatial_long(shown, draws, sentences=9)
        assert len(caption.split()) <= 62 and 3 <= caption.split().count(".") <= 5
        claims = [frozenset((c.subject, c.object)) for c in claims_of(caption) if c.kind == "relation"]
        assert len(set(claims)) == len(claims) and check_true(caption, shown) >= 2
        assert spatial_long(shown, draws, sentences=1).count(" .") == 1


def test_the_mirrored_picture_has_the_flipped_caption():
    for shown, mirrored in zip(scenes_things(300), scenes_things(300, mirrored=True), strict=True):
        caption = spatial_long(shown, rng())
        assert spatial_long(mirrored, rng()) == flip_words(caption)
        check_true(flip_words(caption), mirrored)


def test_order_and_direction_carry_nothing():
    """Neither which of two opposite words is said nor the order of names tells where things are."""
    draws, said, left_first = rng(3), [], []
    for shown in scenes_things(3000):
        caption = spatial_short(shown, draws)
        said += [claim.relation for claim in claims_of(caption) if claim.kind == "relation"]
        named = [claim.subject for claim in claims_of(general(shown, draws, 0.0)) if claim.kind == "colour"]
        if len(named) == 2:
            places = {thing.name: thing.centre[0] for thing in shown}
            left_first.append(places[named[0]] < places[named[1]])
    shares = [said.count(relation) / len(said) for relation in AXES]
    assert shares == pytest.approx([0.25] * 4, abs=0.04)  # 2,250 captions: four standard errors
    assert np.mean(left_first) == pytest.approx(0.5, abs=0.055)


def test_rho_is_what_is_measured():
    draws = rng(4)
    told = [shown for shown in scenes_things(3000) if len(shown) > 1] * 10
    share = np.mean([bool(len(general(shown, draws, rho=0.03).split(" of ")) > 1) for shown in told])
    vertical = np.mean([bool({"above", "below"} & set(general(shown, draws, rho=0.03).split())) for shown in told])
    assert share + vertical == pytest.approx(0.03, abs=0.004)


def test_prompts_and_swapped_prompts():
    assert prompt("red disk", "left of", "blue square") == "a red disk to the left of a blue square"
    assert prompt("red disk", "above", "blue square") == "a red disk above a blue square"
    assert swapped("red disk", "below", "blue square") == "a blue square below a red disk"
    assert prompt("red disk", "right of", "blue plus", negate=True) == "a red disk not to the right of a blue plus"


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^rho must be in 0\.\.1, got 2$"):
        general([], rng(), rho=2)
    with pytest.raises(ValueError, match=r"^sentences must be an integer of at least 1, got 0$"):
        spatial_long([], rng(), sentences=0)
    with pytest.raises(ValueError, match=r"^relation must be one of left of, right of, above, below, got 'near'$"):
        prompt("red disk", "near", "blue square")
    with pytest.raises(ValueError, match=r"^second must be a colour and a shape such as 'red disk', got 'square'$"):
        prompt("red disk", "above", "square")
