"""Claims of captions by hand, from every form and back, and the shares of captions that speak of space."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.scenes.captions import RELATIONS
from lib.data.scenes.spatial_captions import general, prompt, spatial_long
from lib.data.scenes.spatial_claims import CLAIM_KINDS, FAMILIES, Claim, claims_of, linguistics, spatial_share
from lib.data.scenes.spatial_words import negated
from lib.data.scenes.spatial_world import SpatialWorld, things, type_pairs

LONG = (
    "three objects : a red disk , a blue plus and a green disk . "
    "the red disk is to the left of the blue plus . the green disk is smaller than the red disk ."
)


def test_a_long_caption_falls_into_its_claims():
    assert claims_of(LONG) == [
        Claim("count", "objects", number=3),
        Claim("entity", "disk"),
        Claim("colour", "red disk"),
        Claim("entity", "plus"),
        Claim("colour", "blue plus"),
        Claim("colour", "green disk"),
        Claim("relation", "red disk", "left of", "blue plus"),
        Claim("size", "green disk", "smaller", "red disk"),
    ]
    assert {claim.kind for claim in claims_of(LONG)} == set(CLAIM_KINDS)


def test_prompts_claim_their_relation_with_and_without_not():
    for first, second in type_pairs()[::7]:
        for relation in RELATIONS:
            for negate in (False, True):
                claims = claims_of(prompt(first, relation, second, negate=negate))
                assert claims[-1] == Claim("relation", first, relation, second, negated=negate)
                assert [claim.kind for claim in claims].count("relation") == 1


def test_chains_and_things_without_colour():
    claims = claims_of("a red disk above a plus to the right of a blue square")
    assert claims[-2:] == [
        Claim("relation", "red disk", "above", "plus"),
        Claim("relation", "plus", "right of", "blue square"),
    ]
    assert Claim("entity", "plus") in claims and len(claims) == 7


@pytest.mark.parametrize(
    "caption", ["", "red disk disk the is .", "the red disk is above", "above a", "ten object", "<bos> a red plussed"]
)
def test_what_is_no_claim_is_passed_over(caption):
    assert [claim.kind for claim in claims_of(caption)] == {
        "the red disk is above": ["entity", "colour"],
        "ten object": ["count"],
    }.get(caption, [])


def test_claims_written_again_are_the_claims():
    """Each claim in words of its own gives that claim back."""
    rng = np.random.default_rng(0)
    scenes = SpatialWorld(7, regime="many").draw("test", 300)
    for row in range(len(scenes)):
        shown = things(scenes, row)
        for caption in (general(shown, rng, 0.5), negated(spatial_long(shown, rng), rng, rate=0.5)):
            claims = claims_of(caption)
            assert {claim.subject for claim in claims if claim.kind == "colour"} == {thing.name for thing in shown}
            for claim in claims:
                if claim.kind == "relation":
                    words = prompt(claim.subject, claim.relation, claim.object, negate=claim.negated)
                    assert claims_of(words)[-1] == claim
                if claim.kind == "size":
                    assert claims_of(f"the {claim.subject} is {claim.relation} than the {claim.object} .")[-1] == claim


def test_shares_by_hand():
    captions = [LONG, "a red disk above a blue plus", "a red disk and a blue plus", "the left disk is to the left of x"]
    shares = spatial_share(captions)
    assert list(shares)[:11] == list(FAMILIES)
    assert shares["left"] == 0.5 and shares["above"] == 0.25 and shares["small"] == 0.25 and shares["large"] == 0
    assert shares["sum"] == 1.0 and shares["any"] == 0.75
    averages = linguistics([LONG, "a disk"])
    assert averages["words"] == (12 + 11 + 9 + 2) / 2  # marks left out
    assert averages["nouns"] == (4 + 2 + 2 + 1) / 2 and averages["adjectives"] == (3 + 2 + 3) / 2
    assert averages["verbs"] == 1.0 and averages["sentences"] == 1.5 and averages["claims"] == (8 + 1) / 2


def test_general_captions_say_where_at_their_rate_and_long_ones_always():
    rng = np.random.default_rng(2)
    scenes = SpatialWorld(8).draw("test", 2000)
    shown = [things(scenes, row) for row in range(len(scenes))]
    before = spatial_share([general(each, rng, rho=0.01) for each in shown * 5])
    after = spatial_share([spatial_long(each, rng) for each in shown if len(each) > 1])
    assert before["any"] == pytest.approx(0.0075, abs=0.0035)  # a quarter of the pictures holds one thing
    assert after["any"] == 1.0 and 1.3 < after["sum"] < 2.0


def test_bad_input_is_named():
    for wrong in ([], "a red disk"):
        for function in (spatial_share, linguistics):
            with pytest.raises(ValueError, match=r"^captions must be a list of texts, at least one, got "):
                function(wrong)
