"""VISOR, T2I-CompBench's spatial score and GenEval's position: by hand, by slow forms of the text, by chance levels."""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np
import pytest

from lib.data.scenes import spatial_captions as captions
from lib.data.scenes.captions import RELATIONS
from lib.data.scenes.spatial_world import SpatialWorld, things
from lib.data.scenes.things import Thing
from lib.data.scenes.world import SceneWorld
from lib.evaluation import (
    NEAR_RELATIONS,
    PromptScores,
    SpatialPrompt,
    compbench_spatial,
    geneval_position,
    holds,
    intersection_over_union,
    prompt_scores,
    visor,
    visor_picture,
)


def thing(name: str, x: float, y: float, half: float = 3.0, confidence: float = 0.9) -> Thing:
    colour, shape = name.split()
    return Thing(shape, colour, (x - half, y - half, x + half, y + half), confidence)


def red(x, y, **kwargs):
    return thing("red disk", x, y, **kwargs)


def blue(x, y, **kwargs):
    return thing("blue square", x, y, **kwargs)


def prompt(relation: str) -> SpatialPrompt:
    return SpatialPrompt("red disk", relation, "blue square")


LEFT = prompt("left of")
score = partial(compbench_spatial, size=32)


def random_things(rng) -> list[Thing]:
    """None to three of each, boxes of uneven sides, in no order of confidence."""
    found = []
    for colour, shape in (("red", "disk"), ("blue", "square"), ("red", "square")):
        for _ in range(rng.integers(0, 4)):
            left, top = rng.uniform(0, 24, 2)
            wide, high = rng.uniform(2, 14, 2)
            box = (left, top, left + wide, top + high)
            found.append(Thing(shape, colour, box, rng.uniform(0.3, 0.99)))
    return [found[i] for i in rng.permutation(len(found))]


def middle(box):
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])


@pytest.mark.parametrize(
    ("relation", "first", "second"),
    [
        ("left of", (3, 20), (5, 1)),
        ("right of", (5, 1), (3, 20)),
        ("above", (20, 3), (1, 5)),  # y grows downwards
        ("below", (1, 5), (20, 3)),
    ],
)
def test_a_relation_is_of_one_axis_strict_and_more_than_its_margin(relation, first, second):
    assert holds(relation, first, second) and not holds(relation, second, first)
    assert not holds(relation, first, first)
    assert holds(relation, first, second, 1.99) and not holds(relation, first, second, 2.0)
    assert sum(holds(other, first, second) for other in RELATIONS) == 2  # one a axis


def test_what_the_world_says_of_its_scenes_holds():
    scenes = SceneWorld(3, objects=(2, 2)).draw("test", 200)
    rows = [row for row in range(200) if scenes.there[row].all()]
    assert len(rows) > 150
    for row in rows:
        assert holds(scenes.relation(row), *(tuple(map(float, centre)) for centre in scenes.centre[row]))


def test_the_ceiling_is_a_hundred_per_cent():
    """What may be said of a scene is right by every rule on the scene's own things, and its opposite by none."""
    scenes = SpatialWorld(1).draw("test", 300)
    asked = []
    for row in range(300):
        shown = things(scenes, row)
        if len(shown) > 1 and (relation := captions.relation_between(*shown[:2])):
            asked.append((SpatialPrompt(shown[0].name, relation, shown[1].name), shown))
    assert len(asked) > 200
    for true, shown in asked:
        false = SpatialPrompt(true.second, true.relation, true.first)
        assert visor_picture(true, shown) == (True, True) and visor_picture(false, shown) == (True, False)
        assert score(true, shown) == 1.0 and score(false, shown) == 0.0
        assert geneval_position(true, shown) and not geneval_position(false, shown)


def test_visor_by_hand():
    pictures = [
        [red(5, 5), blue(20, 5)],  # right
        [red(20, 5), blue(5, 5)],  # found, wrong
        [red(5, 5)],  # not found
        [red(30, 5), red(4, 9), blue(10, 30)],  # some pair of instances
    ]
    assert [visor_picture(LEFT, seen) for seen in pictures] == [
        (True, True),
        (True, False),
        (False, False),
        (True, True),
    ]
    scores = visor([LEFT, prompt("above")], [pictures, pictures])
    assert scores.found.tolist() == [[True, True, False, True]] * 2
    assert scores.right.tolist() == [[True, False, False, True], [False, False, False, True]]
    assert (scores.object_accuracy, scores.unconditional) == (6 / 8, 3 / 8)
    assert scores.conditional == pytest.approx(3 / 6)
    assert [scores.at_least(n) for n in (1, 2, 3, 4)] == [1.0, 0.5, 0.0, 0.0]
    assert scores[[False, True]].conditional == pytest.approx(1 / 3) and len(scores[1:]) == 1


def test_visor_equals_its_definition_on_random_pictures():
    rng = np.random.default_rng(0)
    prompts = [prompt(RELATIONS[i % 4]) for i in range(60)]
    things = [[random_things(rng) for _ in range(4)] for _ in prompts]
    both = right = 0
    at_least = {n: 0 for n in (1, 2, 3, 4)}
    for asked, pictures in zip(prompts, things, strict=True):
        correct = 0
        for seen in pictures:
            a = [middle(t.box) for t in seen if (t.colour, t.shape) == ("red", "disk")]
            b = [middle(t.box) for t in seen if (t.colour, t.shape) == ("blue", "square")]
            both += len(a) > 0 and len(b) > 0
            yes = False
            for first, second in itertools.product(a, b):
                yes |= {
                    "left of": first[0] < second[0],
                    "right of": first[0] > second[0],
                    "above": first[1] < second[1],
                    "below": first[1] > second[1],
                }[asked.relation]
            correct += yes
        right += correct
        for n in at_least:
            at_least[n] += correct >= n
    scores = visor(prompts, things)
    assert scores.object_accuracy == both / 240 and scores.unconditional == right / 240
    assert scores.conditional == right / both
    assert [scores.at_least(n) for n in at_least] == [count / 60 for count in at_least.values()]
    assert scores.unconditional == pytest.approx(scores.object_accuracy * scores.conditional, abs=1e-12)
    assert 0.3 < scores.object_accuracy < 0.8


def test_visor_without_a_pair_has_no_conditional_value():
    scores = visor([LEFT], [[[], [red(1, 1)], [blue(1, 1)], []]])
    assert (scores.object_accuracy, scores.unconditional) == (0.0, 0.0) and math.isnan(scores.conditional)
    assert scores.at_least(1) == 0.0


def test_chance_is_half_of_visor_and_independent_pictures_give_its_curve():
    rng = np.random.default_rng(1)
    prompts = [prompt(RELATIONS[i % 4]) for i in range(4000)]
    places = rng.uniform(3, 29, (4000, 4, 2, 2))
    things = [[[red(*a), blue(*b)] for a, b in pictures] for pictures in places.tolist()]
    scores = visor(prompts, things)
    assert scores.object_accuracy == 1.0
    assert scores.conditional == pytest.approx(0.5, abs=0.016)  # four standard errors of 16000 pictures
    for n, share in ((1, 0.9375), (2, 0.6875), (3, 0.3125), (4, 0.0625)):
        assert scores.at_least(n) == pytest.approx(share, abs=4 * (share * (1 - share) / 4000) ** 0.5)
    right = prompt_scores(lambda asked, seen: score(asked, seen) > 0, prompts, things)
    assert right.mean == pytest.approx(0.25, abs=0.014)


def test_compbench_by_hand():
    assert score(LEFT, [red(5, 10), blue(20, 12)]) == pytest.approx(0.25 * 0.9 + 0.25 * 0.9 + 0.5)
    assert score(LEFT, [red(5, 5), blue(20, 20)]) == 0.0  # the diagonal itself
    assert score(LEFT, [red(5, 5), blue(20, 21)]) == 0.0  # more below than beside
    assert score(LEFT, [red(20, 5), blue(5, 5)]) == 0.0
    assert score(LEFT, [red(5, 5, confidence=1.0)]) == 0.0  # one alone is a quarter, so nothing
    assert score(LEFT, []) == 0.0
    # The surest comes first and is the one that counts.
    assert score(LEFT, [red(20, 5), red(5, 5), blue(12, 5)]) == 0.0
    assert score(LEFT, [red(5, 5), red(20, 5), blue(12, 5)]) > 0.9
    # Certain of both and wrong all the same.
    assert score(LEFT, [red(20, 5, confidence=1.0), blue(5, 5, confidence=1.0)]) == 0.0


def test_compbench_halves_the_position_at_an_overlap_of_a_fifth():
    """Equal boxes 12 wide, 8 apart: 4 of 20 columns are shared. p = 0.1 / 0.2, so s = c / 2 + 1/4."""
    a, b = Thing("disk", "red", (0, 0, 12, 10), 0.8), Thing("square", "blue", (8, 0, 20, 10), 0.8)
    assert intersection_over_union(a.box, b.box) == pytest.approx(0.2)
    assert score(LEFT, [a, b]) == pytest.approx(0.4 + 0.5 * 0.5)
    unsure = [Thing(t.shape, t.colour, t.box, 0.4) for t in (a, b)]
    assert score(LEFT, unsure) == 0.0  # 0.2 + 0.25 is below a half


def test_near_is_a_share_of_the_side():
    """150 of 512 pixels are 9.375 of 32; one axis within it is enough."""
    for relation in NEAR_RELATIONS:
        assert score(prompt(relation), [red(3, 3), blue(30, 12)]) == pytest.approx(0.95)
        far = score(prompt(relation), [red(3, 3), blue(28, 23)])
        assert far == pytest.approx(0.45 + 0.5 * 9.375 / 25)
        assert compbench_spatial(prompt(relation), [red(3, 3), blue(28, 23)], size=512) == pytest.approx(0.95)


def test_compbench_equals_its_text_on_random_pictures():
    rng = np.random.default_rng(2)
    seen_scores = set()
    for trial in range(800):
        relation = (*RELATIONS, *NEAR_RELATIONS)[trial % 7]
        things = random_things(rng)
        found = [next((t for t in things if t.name == name), None) for name in ("red disk", "blue square")]
        expected = sum(0.25 * t.confidence for t in found if t)
        if all(found):
            (l1, t1, r1, b1), (l2, t2, r2, b2) = (t.box for t in found)
            dx, dy = middle(found[1].box) - middle(found[0].box)
            grid = np.maximum(0, min(r1, r2) - max(l1, l2)) * np.maximum(0, min(b1, b2) - max(t1, t2))
            iou = grid / ((r1 - l1) * (b1 - t1) + (r2 - l2) * (b2 - t2) - grid)
            soft = 1 if iou < 0.1 else 0.1 / iou
            close = 150 / 512 * 32
            position = {
                "left of": soft if dx > 0 and abs(dx) > abs(dy) else 0,
                "right of": soft if dx < 0 and abs(dx) > abs(dy) else 0,
                "above": soft if dy > 0 and abs(dy) > abs(dx) else 0,
                "below": soft if dy < 0 and abs(dy) > abs(dx) else 0,
            }.get(relation, 1 if min(abs(dx), abs(dy)) < close else close / max(abs(dx), abs(dy)))
            expected += 0.5 * position
        expected = expected if expected >= 0.5 else 0
        assert score(prompt(relation), things) == pytest.approx(expected, abs=1e-12)
        seen_scores.add(round(expected, 6))
    assert len(seen_scores) > 150


def test_geneval_by_hand():
    assert geneval_position(LEFT, [red(5, 10), blue(20, 10)])
    assert not geneval_position(LEFT, [red(20, 10), blue(5, 10)])
    assert not geneval_position(LEFT, [red(5, 10)])
    # A diagonal of boxes of 6 pixels, 15 apart: (15 - 1.2) / 21.2 = 0.65 on both axes.
    assert geneval_position(LEFT, [red(5, 5), blue(20, 20)])
    assert geneval_position(prompt("above"), [red(5, 5), blue(20, 20)])
    # At 30 degrees sin is a half, and the shrinking takes it below.
    assert not geneval_position(LEFT, [red(5, 5), blue(5 + 10 * 0.5, 5 + 10 * 3**0.5 / 2)])
    assert geneval_position(LEFT, [red(5, 5), blue(5 + 10 * 0.55, 5 + 10 * 0.835)], shrink=0.0)
    # The surest of each name counts, wherever it stands in the list.
    pair = [red(25, 10, confidence=0.4), red(5, 10, confidence=0.8), blue(15, 10)]
    assert geneval_position(LEFT, pair) and not geneval_position(prompt("right of"), pair)
    # Shrunk to nothing: large boxes almost in one place.
    assert not geneval_position(LEFT, [red(10, 10, half=6), blue(12, 10, half=6)])
    assert not geneval_position(LEFT, [red(10, 10), blue(10, 10)])


def test_geneval_equals_its_text_on_random_pictures():
    rng = np.random.default_rng(3)
    yes = 0
    for trial in range(800):
        relation, things = RELATIONS[trial % 4], random_things(rng)
        named = {name: [t for t in things if t.name == name] for name in ("red disk", "blue square")}
        expected = False
        if all(named.values()):
            a, b = (np.array(sorted(found, key=lambda t: -t.confidence)[0].box) for found in named.values())
            offset = middle(a) - middle(b)
            sizes = (a[2:] - a[:2]) + (b[2:] - b[:2])
            kept = np.sign(offset) * np.clip(np.abs(offset) - 0.1 * sizes, 0, None)
            x, y = kept / np.sqrt((offset**2).sum())
            expected = {"left of": x < -0.5, "right of": x > 0.5, "above": y < -0.5, "below": y > 0.5}[relation]
        assert geneval_position(prompt(relation), things) == expected
        yes += expected
    assert 80 < yes < 300


def test_scores_keep_their_prompts():
    pictures = [[red(5, 10), blue(20, 10)], []]
    scores = prompt_scores(geneval_position, [LEFT, prompt("right of")], [pictures, pictures])
    assert isinstance(scores, PromptScores) and scores.values.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert scores.mean == 0.25 and scores[:1].mean == 0.5 and len(scores) == 2


def test_a_prompt_reads_as_the_captions_do():
    assert str(LEFT) == "a red disk to the left of a blue square"
    for relation in RELATIONS:
        assert str(prompt(relation)) == captions.prompt("red disk", relation, "blue square")
    assert str(prompt("next to")) == "a red disk next to a blue square"


def test_bad_input_is_named():
    for wrong in ("disk red", "red", "red  disk", "pink disk"):
        with pytest.raises(ValueError, match=r"^first must be a colour and a shape such as 'red disk', got "):
            SpatialPrompt(wrong, "above", "blue square")
    with pytest.raises(ValueError, match=r"^second must differ from first, got 'red disk' twice$"):
        SpatialPrompt("red disk", "above", "red disk")
    with pytest.raises(ValueError, match=r"^relation must be one of left of, .*, got 'behind'$"):
        prompt("behind")
    near = prompt("near")
    for rule in (visor_picture, geneval_position):
        with pytest.raises(ValueError, match=r"^relation must be one of left of, right of, above, below, got 'near'$"):
            rule(near, [red(1, 1), blue(9, 9)])
    with pytest.raises(ValueError, match=r"^relation must be one of .* got 'near'$"):
        visor([near], [[[]] * 4])  # though nothing was found
    with pytest.raises(ValueError, match=r"^margin must be at least 0, got -1$"):
        holds("above", (0, 0), (1, 1), -1)
    with pytest.raises(ValueError, match=r"^shrink must be at least 0, got -1$"):
        geneval_position(LEFT, [], shrink=-1)
    for wrong in ({"size": 0}, {"size": 32, "near": 0.0}, {"size": 32, "overlap": 1.5}):
        with pytest.raises(ValueError, match=r"^size, near and overlap must be positive, overlap at most 1, got "):
            compbench_spatial(LEFT, [], **wrong)
    with pytest.raises(ValueError, match=r"^things must have 4 pictures a prompt, got \[3, 4\]$"):
        visor([LEFT, LEFT], [[[]] * 4, [[]] * 3])
    with pytest.raises(ValueError, match=r"^things must have some pictures a prompt, got \[0\]$"):
        prompt_scores(score, [LEFT], [[]])
    with pytest.raises(ValueError, match=r"^things must have one row a prompt, got 0 rows for 0 prompts$"):
        visor([], [])
    with pytest.raises(ValueError, match=r"^things must have one row a prompt, got 1 rows for 2 prompts$"):
        prompt_scores(score, [LEFT, LEFT], [[[]]])
    with pytest.raises(ValueError, match=r"^pictures must be in 1..4, got 5$"):
        visor([LEFT], [[[]] * 4]).at_least(5)
