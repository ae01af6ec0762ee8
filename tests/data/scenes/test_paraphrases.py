"""Two captions are true of the scene and say the same, the third is false; every form and every pair gets its turn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from lib.data.scenes.paraphrases import WHOLE, paraphrases, tell
from lib.data.scenes.spatial_claims import claims_of
from lib.data.scenes.spatial_words import encode_captions
from lib.data.scenes.spatial_world import SpatialWorld, things
from lib.data.scenes.things import Thing
from lib.evaluation.atomic_claims import claim_holds

SAID = (
    "a red disk above a blue square",
    "the red disk is above the blue square .",
    "two objects : a red disk and a blue square . the red disk is above the blue square .",
    "two objects : a blue square and a red disk . the red disk is above the blue square .",
)
"""All that `tell` may say of one relation."""
TURNED = {"right of": "left of", "below": "above"}


def at(name: str, x: float, y: float) -> Thing:
    colour, shape = name.split()
    return Thing(shape, colour, (x - 3, y - 3, x + 3, y + 3))


def relations(caption: str) -> set[tuple[str, str, str]]:
    """What a caption says of places, each relation told from the left or from above."""
    said = [(c.subject, c.relation, c.object) for c in claims_of(caption) if c.kind == "relation"]
    return {(b, TURNED[r], a) if r in TURNED else (a, r, b) for a, r, b in said}


def scenes_things(count: int, **choice) -> list[list[Thing]]:
    scenes = SpatialWorld(5, **choice).draw("test", count)
    return [things(scenes, row) for row in range(count)]


@pytest.mark.parametrize("regime", ["few", "many"])
def test_two_captions_are_true_of_the_scene_and_no_relation_of_the_third_is(regime):
    rng, seen = np.random.default_rng(0), 0
    for shown in scenes_things(600, regime=regime, pairs="all"):
        if (found := paraphrases(shown, rng)) is None:
            assert len(shown) == 1
            continue
        for number, caption in enumerate(found):
            claims = claims_of(caption)
            named = {claim.subject for claim in claims if claim.kind == "colour"}
            assert sum(claim.kind == "relation" for claim in claims) > 0
            for claim in claims:
                if claim.kind == "count":  # of what the caption names, which may be two things of three
                    assert claim.number == len(named)
                elif claim.kind == "relation":
                    assert claim_holds(claim, shown) == (number < 2), caption
                else:
                    assert claim_holds(claim, shown), caption
        encode_captions(found, truncate=False)
        seen += 1
    assert seen > 400


def test_the_third_contradicts_both_captions_and_not_the_scene_alone():
    """For each relation of the third the captions say the reverse: all of them of two things, of three some."""
    rng, whole, one = np.random.default_rng(1), 0, 0
    for shown in scenes_things(800, pairs="all"):
        if found := paraphrases(shown, rng):
            told, same, opposite = map(relations, found)
            reverse = {(b, relation, a) for a, relation, b in opposite}
            assert same == reverse and not told & opposite
            assert told & reverse
            if len(reverse) == 1 and len(told) == 1:
                assert told == same
                one += 1
            whole += len(reverse) > 1
    assert one > 300 and whole > 20


def test_one_relation_in_three_forms_equally_often():
    rng = np.random.default_rng(2)
    times = Counter(tell("red disk", "above", "blue square", rng) for _ in range(6_000))
    assert set(times) == set(SAID)
    shares = [times[caption] / 6_000 for caption in SAID]
    assert shares == pytest.approx([1 / 3, 1 / 3, 1 / 6, 1 / 6], abs=0.025)  # four standard errors
    sideways = {tell("red disk", "left of", "blue square", rng) for _ in range(40)}
    assert sideways == {caption.replace("above", "to the left of") for caption in SAID}


def test_two_things_are_told_from_either_side_and_contradicted_in_two_ways():
    """The disk is above the square: 70 % of the triples tell it alone, half of them from the disk's side."""
    shown = [at("red disk", 8, 8), at("blue square", 9, 24)]
    rng, ways = np.random.default_rng(3), Counter()
    for _ in range(1_500):
        said = [[c for c in claims_of(text) if c.kind == "relation"] for text in paraphrases(shown, rng)]
        (told,), (same,), (opposite,) = said
        for claim in (told, same):
            assert (claim.subject, claim.relation) in {("red disk", "above"), ("blue square", "below")}
        assert (opposite.subject, opposite.relation) in {("red disk", "below"), ("blue square", "above")}
        ways[told.subject, same.subject, opposite.subject] += 1
    alone, together = (1 - WHOLE) / 4, WHOLE / 4
    for (told, same, opposite), times in ways.items():
        expected = alone * (told != same) + together * (same == opposite)
        assert times / 1_500 == pytest.approx(expected, abs=0.045), (told, same, opposite)
    assert len(ways) == 6


def test_a_share_of_the_triples_tells_everything_and_each_pair_has_its_turn():
    shown = [at("red disk", 8, 8), at("blue square", 9, 24), at("green plus", 25, 9)]
    rng = np.random.default_rng(4)
    triples = [paraphrases(shown, rng) for _ in range(3_000)]
    whole = [triple for triple in triples if all(text.startswith("three objects : ") for text in triple)]
    assert len(whole) / 3_000 == pytest.approx(WHOLE, abs=0.034)  # four standard errors
    assert not any("three" in text for triple in triples if triple not in whole for text in triple)
    assert all(len(relations(text)) == 3 for triple in whole for text in triple), "no sizes differ: three relations"
    ends = Counter(
        (claim.subject, claim.object)
        for triple in triples
        if triple not in whole
        for claim in claims_of(triple[0])
        if claim.kind == "relation"
    )
    assert len(ends) == 6 and np.array(list(ends.values())) / ends.total() == pytest.approx(
        np.full(6, 1 / 6), abs=0.033
    )


def test_what_stands_nearer_than_three_pixels_or_on_the_diagonal_says_nothing():
    rng = np.random.default_rng(5)
    disk, square = at("red disk", 8, 8), at("blue square", 24, 24)
    for shown in ([], [disk], [disk, at("red disk", 8, 24)], [disk, at("blue square", 10.9, 8)], [disk, square]):
        assert all(paraphrases(shown, rng) is None for _ in range(20))
    assert paraphrases([disk, at("blue square", 11, 8)], rng) is not None
    for _ in range(20):
        texts = paraphrases([disk, square, at("green plus", 8, 24)], rng)
        said = [claim for text in texts for claim in claims_of(text) if claim.kind == "relation"]
        assert said and all("green plus" in (claim.subject, claim.object) for claim in said)


def test_the_draws_decide_and_bad_input_is_named():
    shown = scenes_things(40)
    told = [[paraphrases(row, np.random.default_rng(seed)) for row in shown] for seed in (0, 0, 1)]
    assert told[0] == told[1] != told[2]
    with pytest.raises(ValueError, match=r"^first must be a colour and a shape such as 'red disk', got 'disk'$"):
        tell("disk", "above", "blue square", np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^relation must be one of .*, got 'near'$"):
        tell("red disk", "near", "blue square", np.random.default_rng(0))
