"""Atomic claims: by hand, true captions of true scenes, planted faults that must be found at their rate."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lib.data.scenes.spatial_captions import general, prompt, spatial_long, spatial_short
from lib.data.scenes.spatial_claims import CLAIM_KINDS, Claim
from lib.data.scenes.spatial_words import flip_words, negated, wrong_relations
from lib.data.scenes.spatial_world import SpatialWorld, things
from lib.data.scenes.things import Thing
from lib.evaluation import bootstrap_interval, claim_holds, verify_caption, verify_captions, wilson_interval

SEEN = [
    Thing("disk", "red", (2, 2, 8, 8)),
    Thing("square", "blue", (20, 4, 30, 14)),  # right of the disk, below it by 4 pixels, larger
    Thing("plus", "blue", (10, 20, 15, 26)),
]


def scenes_of(count: int, regime: str = "few", split: str = "train"):
    scenes = SpatialWorld(5, regime=regime).draw(split, count)
    return [things(scenes, row) for row in range(count)]


@pytest.mark.parametrize(
    ("claim", "true"),
    [
        (Claim("entity", "disk"), True),
        (Claim("entity", "triangle"), False),
        (Claim("colour", "red disk"), True),
        (Claim("colour", "blue disk"), False),  # both words are there, on two things
        (Claim("count", "objects", number=3), True),
        (Claim("count", "objects", number=2), False),
        (Claim("relation", "red disk", "left of", "blue square"), True),
        (Claim("relation", "red disk", "right of", "blue square"), False),
        (Claim("relation", "red disk", "above", "blue square"), True),  # the lesser axis is true as well
        (Claim("relation", "blue plus", "below", "blue square"), True),
        (Claim("relation", "red disk", "right of", "blue square", negated=True), True),
        (Claim("relation", "red disk", "left of", "blue square", negated=True), False),
        (Claim("relation", "disk", "left of", "square"), True),  # named without a colour
        (Claim("relation", "red disk", "left of", "red square"), False),
        (Claim("relation", "red disk", "left of", "red square", negated=True), False),  # there is none
        (Claim("relation", "red disk", "left of", "red disk", negated=True), False),  # no pair of two
        (Claim("size", "blue square", "larger", "red disk"), True),
        (Claim("size", "red disk", "smaller", "blue square"), True),
        (Claim("size", "red disk", "larger", "blue square"), False),
        (Claim("size", "red disk", "larger", "blue plus"), False),  # 6 and 6: equal longer sides
        (Claim("size", "red disk", "smaller", "blue plus"), False),
        (Claim("size", "red disk", "larger", "blue square", negated=True), True),
    ],
)
def test_claims_by_hand(claim, true):
    assert claim_holds(claim, SEEN) is true


def test_some_pair_is_enough():
    two = [*SEEN, Thing("disk", "red", (26, 26, 31, 31))]
    for relation in ("left of", "right of"):
        assert claim_holds(Claim("relation", "red disk", relation, "blue square"), two)


def test_a_caption_by_hand():
    caption = "two objects : a red disk and a green square . the red disk is to the right of the blue square ."
    found = [(claim.kind, claim.subject, true) for claim, true in verify_caption(caption, SEEN)]
    assert found == [
        ("count", "objects", False),
        ("entity", "disk", True),
        ("colour", "red disk", True),
        ("entity", "square", True),
        ("colour", "green square", False),
        ("colour", "blue square", True),
        ("relation", "red disk", False),
    ]
    table = verify_captions([caption, "a red disk", ""], [SEEN, SEEN, SEEN])
    counts = {kind: (accuracy.right, accuracy.claims) for kind, accuracy in table.accuracies().items()}
    assert counts == {
        "entity": (3, 3),
        "colour": (3, 4),
        "count": (0, 1),
        "relation": (0, 1),
        "size": (0, 0),
        "spatial": (0, 1),
        "all": (6, 9),
    }
    assert table.caption_mean == pytest.approx((4 / 7 + 1) / 2)  # the empty caption claims nothing
    assert table[1:].accuracy().claims == 2 and len(table[1:]) == 2
    assert table.accuracy("colour").share == 0.75 and table.accuracy("colour").interval == wilson_interval(3, 4)
    size = table.accuracy("size")
    assert math.isnan(size.share) and (size.interval.low, size.interval.high) == (0.0, 1.0)
    assert math.isnan(table[2:].caption_mean)


@pytest.mark.parametrize("regime", ["few", "many"])
def test_what_is_told_of_a_scene_is_true_of_it(regime):
    seen, rng = scenes_of(150, regime), np.random.default_rng(0)
    for tell in (spatial_long, spatial_short, lambda s, r: general(s, r, 1.0)):
        captions = [tell(shown, rng) for shown in seen]
        for told in (captions, [negated(caption, rng) for caption in captions]):
            table = verify_captions(told, seen)
            assert table.accuracy("all").share == 1.0 and table.accuracy("relation").claims > 50
    assert table.made.shape == (150, len(CLAIM_KINDS))


def test_prompts_of_swapped_things_are_false():
    assert verify_caption(prompt("red disk", "left of", "blue square"), SEEN)[-1][1]
    assert not verify_caption(prompt("blue square", "left of", "red disk"), SEEN)[-1][1]


def test_wrong_relations_are_found_at_their_rate_and_nothing_else_suffers():
    seen, rng = scenes_of(600), np.random.default_rng(1)
    right = [spatial_long(shown, rng) for shown in seen]
    for rate in (0.17, 0.5):
        table = verify_captions([wrong_relations(caption, rate, rng) for caption in right], seen)
        relation = table.accuracy("relation")
        assert relation.claims > 500
        assert relation.share == pytest.approx(1 - rate, abs=4 * (rate * (1 - rate) / relation.claims) ** 0.5)
        assert relation.interval.low < 1 - rate < relation.interval.high
        for kind in ("entity", "colour", "count", "size"):
            assert table.accuracy(kind).share == 1.0 and table.accuracy(kind).claims > 100
        assert relation.share < table.accuracy("spatial").share < table.accuracy("all").share < 1
        interval = bootstrap_interval(table, lambda t: t.accuracy("relation").share, resamples=200)
        assert interval.low < 1 - rate < interval.high
    wrong = verify_captions([wrong_relations(caption, 1.0, rng) for caption in right], seen)
    assert wrong.accuracy("relation").right == 0
    flipped = verify_captions([flip_words(caption) for caption in right], seen).accuracy("relation").share
    assert 0.35 < flipped < 0.65  # left and right are about half of the relations


def test_who_wrote_it_finds_it_right():
    """A captioner that overlooks things is right by its own eyes, and the scene knows better."""
    seen, rng = scenes_of(200, "many"), np.random.default_rng(2)
    dim = [[thing for thing in shown if rng.random() < 0.7] or shown[:1] for shown in seen]
    odd = [[Thing(t.shape, "red" if rng.random() < 0.1 else t.colour, t.box) for t in shown] for shown in dim]
    captions = [spatial_long(shown, rng) for shown in odd]
    own, scene = (verify_captions(captions, by) for by in (odd, seen))
    assert own.accuracy().share == 1.0
    assert scene.accuracy("colour").share < 0.97 and scene.accuracy("count").share < 0.3
    assert scene.accuracy("entity").share == 1.0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^kind must be one of entity, colour, count, relation, size, got 'mood'$"):
        claim_holds(Claim("mood", "disk"), SEEN)
    with pytest.raises(ValueError, match=r"^relation must be one of left of, .*, got 'behind'$"):
        claim_holds(Claim("relation", "red disk", "behind", "blue square"), SEEN)
    with pytest.raises(ValueError, match=r"^relation must be larger or smaller in a claim of size, got 'above'$"):
        claim_holds(Claim("size", "red disk", "above", "blue square"), [])
    with pytest.raises(ValueError, match=r"^captions must be a list of texts, at least one, got 'a red disk'$"):
        verify_captions("a red disk", [SEEN])
    with pytest.raises(ValueError, match=r"^captions must be a list of texts, at least one, got \[\]$"):
        verify_captions([], [])
    with pytest.raises(ValueError, match=r"^things must have one list a caption, got 2 for 1 captions$"):
        verify_captions(["a red disk"], [SEEN, SEEN])
    with pytest.raises(ValueError, match=r"^kind must be one of entity, .*, all, spatial, got 'near'$"):
        verify_captions(["a red disk"], [SEEN]).accuracy("near")
