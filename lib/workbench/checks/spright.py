"""Exercises of notebook 12: VISOR, a spatial score, a step, a mirror, a kernel distance, captions of one axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lib.data.randomness import generator
from lib.data.scenes.spatial_captions import RELATIONS, prompt, spatial_long
from lib.data.scenes.spatial_claims import claims_of
from lib.data.scenes.spatial_words import flip_words
from lib.data.scenes.spatial_world import SpatialWorld, things
from lib.data.scenes.things import Thing
from lib.evaluation.kernel_distance import kernel_distance
from lib.evaluation.relations import SpatialPrompt, compbench_spatial
from lib.evaluation.relations import visor as scored
from lib.nn.vision.diffusion_steps import ddim_step
from lib.nn.vision.noise_schedule import NoiseSchedule
from lib.workbench.exercises import exercise

RED, BLUE = "red disk", "blue square"


@exercise("VISOR", returns=(float, float, float, Sequence))
def visor(answer):
    """answer(prompts, seen) -> (OA, unconditional, conditional, [VISOR_1 .. VISOR_4]); four pictures a prompt."""
    left, above = SpatialPrompt(RED, "left of", BLUE), SpatialPrompt(RED, "above", BLUE)
    near, far = _thing(RED, 8, 9), _thing(BLUE, 16, 21)
    missing, wrong, right = [near], [_thing(RED, 20, 9), _thing(BLUE, 9, 9)], [near, far]
    hand = [right, right, wrong, missing]
    got = _figures(answer([left], [hand]))
    assert abs(got[0] - 0.75) < 1e-6, f"both things are there in 3 pictures of 4, so OA is 0.75, got {got[0]:.3g}"
    assert abs(got[1] - 0.5) < 1e-6, f"2 of all 4 pictures are right, so the unconditional is 0.5, got {got[1]:.3g}"
    assert abs(got[2] - 2 / 3) < 1e-6, f"2 of the 3 with both things are right: conditional 2 / 3, got {got[2]:.3g}"
    assert len(got[3]) == 4, f"VISOR_1 to VISOR_4, got {len(got[3])} numbers"
    assert got[3] == [1.0, 1.0, 0.0, 0.0], f"2 of 4 pictures are right: VISOR_1 to 4 are 1, 1, 0, 0, got {got[3]}"
    got = _figures(answer([above], [[right] * 4]))
    assert got[1] == 1.0, "y grows downwards: what is above has the smaller y"
    got = _figures(answer([left], [[[near, _thing(BLUE, 9, 21)]] * 4]))
    assert got[1] == 1.0, "one pixel to the left is left, however far apart the two are on the other axis"
    got = _figures(answer([left], [[[near, _thing(RED, 25, 3), _thing(BLUE, 9, 9)]] * 4]))
    assert got[1] == 1.0, "with two red disks, one of which lies left of the blue square, the picture is right"
    got = _figures(answer([left], [[[_thing(RED, 25, 3), near, _thing(BLUE, 9, 9)]] * 4]))
    assert got[1] == 1.0, "any of the two red disks may be the one that lies left, not the first alone"
    for trial in range(3):
        prompts, seen = _random_pictures(trial)
        wanted = scored(prompts, seen)
        got = _figures(answer(prompts, seen))
        ours = wanted.object_accuracy, wanted.unconditional, wanted.conditional
        for name, mine, theirs in zip(("OA", "unconditional", "conditional"), ours, got, strict=False):
            assert abs(mine - theirs) < 1e-6, f"on {len(prompts)} random prompts {name} is {mine:.4f}, got {theirs:.4f}"
        of_n = [wanted.at_least(n) for n in range(1, 5)]
        assert np.allclose(of_n, got[3]), f"VISOR_n is a share of all prompts: {_short(of_n)}, got {_short(got[3])}"


@exercise("the spatial score", returns=float)
def position(answer):
    """answer(relation, first, second) -> T2I-CompBench's score of one picture; a thing that was not found is None."""
    ask = lambda relation, first, second: float(answer(relation, first, second))  # noqa: E731
    left, right = _thing(RED, 6, 16, confidence=0.8), _thing(BLUE, 24, 17, confidence=0.6)
    got = ask("left of", left, right)
    assert abs(got - 0.85) < 1e-6, f"0.8 / 4 + 0.6 / 4 + 1 / 2 = 0.85 for a clear left, got {got:.3g}"
    assert ask("left of", None, right) == 0 == ask("left of", left, None), "one thing gives at most 1 / 4, which is 0"
    assert ask("right of", left, right) == 0, "the wrong side gives no position, and what is below 1 / 2 is 0"
    diagonal = ask("left of", _thing(RED, 6, 6, 0.9), _thing(BLUE, 20, 20, 0.9))
    assert diagonal == 0, "on the diagonal |dx| does not exceed |dy|: no position, so 0"
    steep = ask("left of", _thing(RED, 6, 4, 0.9), _thing(BLUE, 12, 26, 0.9))
    assert steep == 0, "where |dy| exceeds |dx| the thing is above, not left"
    assert ask("above", _thing(RED, 9, 5, confidence=0.8), _thing(BLUE, 10, 25, confidence=0.6)) > 0.8, (
        "y grows downwards: the first is above when its y is the smaller one"
    )
    first = Thing("disk", "red", (4.0, 4.0, 10.0, 10.0), 0.9)
    second = Thing("square", "blue", (8.0, 4.0, 14.0, 10.0), 0.9)  # 2 of 10 columns in common: IoU 1 / 5
    got = ask("left of", first, second)
    assert abs(got - (0.45 + 0.25)) < 1e-6, f"with IoU 0.2 the position counts 0.1 / 0.2 = 1 / 2: 0.7, got {got:.3g}"
    rng = generator(12, 1)
    for _ in range(200):
        relation = RELATIONS[rng.integers(4)]
        pair = [_thing(name, *rng.uniform(5, 27, 2), rng.uniform(0.5, 1), rng.uniform(2, 5)) for name in (RED, BLUE)]
        wanted, got = compbench_spatial(SpatialPrompt(RED, relation, BLUE), pair, size=32), ask(relation, *pair)
        boxes = " and ".join(str(tuple(round(side, 1) for side in thing.box)) for thing in pair)
        assert abs(wanted - got) < 1e-6, f"{relation}, boxes {boxes}: {wanted:.3f}, got {got:.3f}"


@exercise("a step of DDIM", returns=Tensor)
def step(answer):
    """answer(v, x_t, a_t, a_p) -> x_p without new noise."""
    schedule = NoiseSchedule("scaled_linear", 1000, "v")
    for t, previous in ((999, 900), (500, 200), (20, 1)):
        v, x_t = torch.randn(2, 2, 3, 5, 4)
        a_t, a_p = schedule.alpha_bars[t], schedule.alpha_bars[previous]
        wanted = ddim_step(schedule, v, x_t, t, previous)
        got = answer(v.clone(), x_t.clone(), a_t, a_p)
        assert got.shape == x_t.shape, f"x_p has the shape of x_t {tuple(x_t.shape)}, got {tuple(got.shape)}"
        x0, noise = a_t.sqrt() * x_t - (1 - a_t).sqrt() * v, (1 - a_t).sqrt() * x_t + a_t.sqrt() * v
        as_noise = (x_t - (1 - a_t).sqrt() * v) / a_t.sqrt()
        far = lambda other, got=got: not torch.allclose(other, got, atol=1e-5)  # noqa: E731
        assert far(a_p.sqrt() * as_noise + (1 - a_p).sqrt() * v), "v is the velocity, not the noise: convert it first"
        assert far(a_p * x0 + (1 - a_p) * noise), "the shares are of power: take the square roots of a_p and 1 - a_p"
        assert far(x0), "this is the picture that v means; mix it with the noise again, for the time p"
        assert far(a_t.sqrt() * x0 + (1 - a_t).sqrt() * noise), "this is x_t again: mix with the shares of p"
        assert not far(wanted), f"from time {t} to {previous}: x_0 and noise from v, mixed with the shares of p"


@exercise("the mirror", returns=(Tensor, str))
def mirror(answer):
    """answer(picture, caption) -> the mirrored picture and a caption that is true of it."""
    scenes = SpatialWorld(12, pairs="all").draw("test", 12)
    images = torch.from_numpy(scenes.images())
    said = [
        prompt(RED, relation, BLUE, negate=negate) for relation in RELATIONS for negate in (False, True)
    ]  # all four relations, negated ones too
    said += [spatial_long(things(scenes, row), generator(12, row)) for row in range(len(scenes))]
    for number, caption in enumerate(said):
        image = images[number % len(images)]
        kept = image.clone()
        got, told = answer(image, caption)
        assert torch.equal(image, kept), "the picture that came in was changed: return a new one"
        assert not torch.equal(got, kept.flip(-2)), "the picture is upside down: mirror the columns, the last axis"
        assert torch.equal(got, kept.flip(-1)), "the picture must be mirrored, its columns in reverse order"
        assert told != caption or flip_words(caption) == caption, (
            f"'{caption}' is no longer true of the mirrored picture"
        )
        assert sorted(_neither(told)) == sorted(_neither(caption)), (
            "only 'left' and 'right' may change: colours, shapes, above and below stay"
        )
        words = told.split()
        assert "left" not in caption.split() or "right" in words, "left became nothing, or right became left again"
        assert claims_of(told) == claims_of(flip_words(caption)), f"'{caption}' must become '{flip_words(caption)}'"


@exercise("CMMD by two means", returns=float)
def means(answer):
    """answer(real, other) -> about the kernel distance of the rows divided by their lengths."""
    rng = generator(12, 2)
    for width, shift in ((16, 0.8), (48, 0.6), (200, 0.4)):
        middle = rng.standard_normal(width)  # of both clouds, so that their means lie less than 1 apart
        real = middle + rng.standard_normal((400, width)) * rng.uniform(0.5, 2, width)
        other = 1.7 * (middle + shift * rng.standard_normal(width) + rng.standard_normal((500, width)))
        wanted = kernel_distance(real, other, unit_norm=True)
        got = float(answer(real.copy(), other.copy()))
        raw = float(((real.mean(0) - other.mean(0)) ** 2).sum())
        unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (real, other)]
        length = float(np.linalg.norm(unit[0].mean(0) - unit[1].mean(0)))
        assert not np.isclose(got, 10 * raw, rtol=0.02), (
            "each row is divided by its own length before the mean is taken"
        )
        assert not np.isclose(got, 10 * length, rtol=0.02), "the distance of the means enters squared"
        assert abs(got / wanted - 1) < 0.05, (
            f"the kernel distance is {wanted:.4f}, got {got:.4f}: expand exp(-d^2 / 200) to its first two terms, "
            "and mind the factor 1000"
        )


@exercise("captions of one axis", returns=str)
def one_axis(answer):
    """answer(caption) -> the caption without the sentences that say above or below."""
    fixed = "two objects : a red disk and a blue square . the red disk is above the blue square ."
    assert answer(fixed) == "two objects : a red disk and a blue square .", (
        f"'{fixed}' keeps its first sentence alone, with its full stop, got '{answer(fixed)}'"
    )
    for row, told in enumerate(_captions(40)):
        got = answer(told)
        wanted = [claim for claim in claims_of(told) if claim.relation not in ("above", "below")]
        assert not {"above", "below"} & set(got.split()), f"'{got}' still says above or below"
        assert claims_of(got) == wanted, f"'{told}' keeps all else that it says, got '{got}'"
        assert got == " ".join(got.split()) and got.endswith("."), (
            f"words with one blank between, a full stop last: {row}"
        )


def _captions(count: int) -> list[str]:
    scenes = SpatialWorld(12).draw("validation", count)
    return [spatial_long(things(scenes, row), generator(13, row)) for row in range(count)]


def _thing(name: str, x: float, y: float, confidence: float = 1.0, reach: float = 3.0) -> Thing:
    colour, _, shape = name.partition(" ")
    return Thing(shape, colour, (x - reach, y - reach, x + reach, y + reach), confidence)


def _random_pictures(trial: int) -> tuple[list[SpatialPrompt], list[list[list[Thing]]]]:
    """Some prompts, and four pictures each with none, one or several of the things that they name."""
    rng = generator(12, 3, trial)
    names = (RED, BLUE, "green plus")
    prompts, seen = [], []
    for _ in range(5 + trial):
        first, second = rng.permutation(names)[:2]
        prompts.append(SpatialPrompt(str(first), RELATIONS[rng.integers(4)], str(second)))
        seen.append([[_thing(str(name), *rng.uniform(4, 28, 2)) for name in rng.choice(names, 4)] for _ in range(4)])
    return prompts, seen


def _figures(got) -> tuple[float, float, float, list[float]]:
    found, unconditional, conditional, of_n = got
    return float(found), float(unconditional), float(conditional), [float(value) for value in of_n]


def _neither(caption: str) -> list[str]:
    return [word for word in caption.split() if word not in ("left", "right")]


def _short(values: Sequence[float]) -> list[float]:
    return [round(float(value), 3) for value in values]
