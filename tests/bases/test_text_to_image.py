"""The text-to-image base hardly ever reads of places, keeps the shipped reader as it is, and must draw both things."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from lib.bases import text_to_image
from lib.bases.card import Card
from lib.bases.files import files_of, load
from lib.bases.registry import recipe_of
from lib.bases.text_to_image import (
    BATCH,
    BLOCK,
    BLOCKS,
    GUIDANCE,
    LENGTH,
    RECIPE,
    RHO,
    SEED,
    batches,
)
from lib.data.scenes.captions import COLOURS, RELATIONS, SHAPES
from lib.data.scenes.scenes import Scenes
from lib.data.scenes.spatial_claims import claims_of
from lib.data.scenes.spatial_words import BOS, EOS, PAD, decode_caption, encode_captions
from lib.data.scenes.spatial_world import SpatialWorld, things, type_pairs
from lib.evaluation.atomic_claims import claim_holds

PLACES = {"left", "right", "above", "below"}


def told_names(caption: str) -> set[str]:
    return {claim.subject for claim in claims_of(caption) if claim.kind == "colour"}


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch):
    """Scenes as they are, pictures left white: for what is asked of captions alone."""
    drawn: dict[int, tuple[Scenes, np.ndarray]] = {}

    def block(number):
        if number not in drawn:
            scenes = SpatialWorld(SEED).draw("base", BLOCK, start=number * BLOCK)
            drawn[number] = scenes, np.full((BLOCK, 3, 32, 32), 255, dtype=np.uint8)
        return drawn[number]

    monkeypatch.setattr(text_to_image, "_block", block)


def test_one_caption_in_a_hundred_says_where_of_those_that_may(undrawn):
    """A quarter of the pictures show one thing, of which no place is told: 1 % of the others, 0.75 % of all."""
    batch = batches()
    captions = [decode_caption(row) for step in range(600) for row in batch(step)["tokens"]]
    where = np.array([not PLACES.isdisjoint(caption.split()) for caption in captions])
    many = np.array([len(told_names(caption)) > 1 for caption in captions])
    assert not (where & ~many).any()
    for rows, share in ((many, RHO), (many | True, 0.75 * RHO)):
        error = np.sqrt(share * (1 - share) / rows.sum())
        assert rows.sum() > 14_000 and where[rows].mean() == pytest.approx(share, abs=4 * error)


def test_captions_name_all_that_their_picture_shows_and_no_held_out_pair(undrawn):
    held = {frozenset(pair) for pair in type_pairs("held out")}
    shown, where, longest = set(), 0, 0
    batch = batches()
    for step in range(40):
        tokens = batch(step)["tokens"]
        scenes, _ = text_to_image._block(step)
        there = [things(scenes, row) for row in range(BLOCK)]
        of_names = {}
        for row in there:
            of_names.setdefault(frozenset(thing.name for thing in row), []).append(row)
        assert tokens.shape == (BATCH, LENGTH) and (tokens[:, 0] == BOS).all() and ((tokens == EOS).sum(1) == 1).all()
        longest = max(longest, int((tokens != PAD).sum(1).max()))
        for caption in map(decode_caption, tokens):
            rows = of_names[frozenset(told_names(caption))]  # no other scene of the block will do
            said = [claim for claim in claims_of(caption) if claim.kind == "relation"]
            assert any(all(claim_holds(claim, row) for claim in said) for row in rows), caption
            where += len(said)
            pairs = {frozenset(pair) for pair in combinations(told_names(caption), 2)}
            assert not pairs & held
            shown |= pairs
    assert len(shown) == 90 and where > 0 and longest < LENGTH


def test_pictures_are_renders_of_the_base_split_and_captions_are_of_their_own_picture():
    batch = batches()(3)
    assert batch["pictures"].shape == (BATCH, 3, 32, 32) and batch["pictures"].dtype == np.float32
    scenes = SpatialWorld(SEED).draw("base", BLOCK, start=3 * BLOCK)
    images = scenes.images()
    rows = []
    for picture, tokens in zip(batch["pictures"], batch["tokens"], strict=True):
        away = np.abs(images - picture).max((1, 2, 3))
        rows.append(int(away.argmin()))
        assert away.min() <= 1 / 255 + 1e-6, "steps of a 127.5th, so half of one at most"
        assert told_names(decode_caption(tokens)) == {thing.name for thing in things(scenes, rows[-1])}
    assert len(set(rows)) == BATCH


def test_a_batch_is_a_function_of_its_step_and_blocks_come_in_turn(undrawn):
    one, two = batches(), batches()
    two(2)
    first, again, round_later = one(1)["tokens"], two(1)["tokens"], one(1 + BLOCKS)["tokens"]
    assert np.array_equal(first, again) and not np.array_equal(first, round_later)
    names = {frozenset(thing.name for thing in things(text_to_image._block(1)[0], row)) for row in range(BLOCK)}
    assert all(frozenset(told_names(decode_caption(row))) in names for row in round_later)


@pytest.fixture(scope="module")
def bases() -> dict[str, tuple[nn.Module, Card]]:
    """The two bases that this one stands on, as they ship; their gates are asked once."""
    return {name: load(name) for name in ("caption_encoder", "render_detector")}


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, bases):
    monkeypatch.setattr(text_to_image, "load_ungated", lambda name: bases[name][0])


def test_the_text_encoder_begins_as_the_shipped_one_and_learns_on(undrawn, loaded, bases):
    shipped = bases["caption_encoder"][0].state_dict()
    model = RECIPE.untrained()
    text = model.text_encoder.state_dict()
    assert set(text) == set(shipped) and all(torch.equal(part, shipped[name]) for name, part in text.items())
    assert all(part.requires_grad for part in model.parameters())
    trained, _ = replace(RECIPE, steps=2).train(progress=False)
    for before, after in ((model.text_encoder, trained.text_encoder), (model.unet, trained.unet)):
        fresh = before.state_dict()
        changed = [not torch.equal(part, fresh[name]) for name, part in after.state_dict().items()]
        assert np.mean(changed) > 0.9


def test_the_loss_is_the_squared_error_of_the_velocity_with_some_captions_dropped(loaded):
    """Picture by picture and in double precision where no network is; Stable Diffusion's betas by their formula."""
    model = RECIPE.untrained().eval()
    captions = ["a red disk above a blue square", "a green plus", "a red disk , a blue square and a green plus"]
    tokens = torch.from_numpy(encode_captions(captions * 4, LENGTH))
    pictures = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    kept = (torch.rand(12, generator=torch.Generator().manual_seed(SEED)) >= 0.1).tolist()
    torch.manual_seed(SEED)
    with torch.no_grad():
        for part in model.unet.conv_out.parameters():
            part.normal_(std=0.1)
        torch.manual_seed(SEED)
        loss = RECIPE.objective(model, {"pictures": pictures, "tokens": tokens}).item()
        torch.manual_seed(SEED)
        torch.rand(12)
        times, noise = torch.randint(1000, (12,)), torch.randn(12, 12, 16, 16)
        remaining = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
        slow = []
        for row in range(12):
            x0 = torch.nn.functional.pixel_unshuffle(pictures[row : row + 1], 2).double()
            signal, spread = remaining[times[row]] ** 0.5, (1 - remaining[times[row]]) ** 0.5
            text = torch.from_numpy(encode_captions([captions[row % 3] if kept[row] else ""], LENGTH))
            text = text[:, : int((text != PAD).sum())]
            states = model.text_encoder(text)
            seen = torch.ones_like(text, dtype=torch.bool)
            noised = (signal * x0 + spread * noise[row]).float()
            guess = model.denoise(noised, times[row : row + 1], states, seen)
            slow.append((guess - (signal * noise[row] - spread * x0)).square().mean().item())
    assert 0 < kept.count(False) < 12
    assert loss == pytest.approx(np.mean(slow), rel=1e-4)


class Painter(nn.Module):
    """Renders what `chosen` picks from the names of a prompt: side by side, on light paper."""

    def __init__(self, chosen):
        super().__init__()
        self.weight, self.chosen, self.asked = nn.Parameter(torch.zeros(1)), chosen, []

    def draw(self, tokens, noise, steps, guidance):
        assert noise.shape == (len(tokens), 12, 16, 16) and 1 < steps <= 15 and guidance == GUIDANCE
        self.asked = [decode_caption(row) for row in tokens]
        said = [next(c for c in claims_of(text) if c.kind == "relation") for text in self.asked]
        return torch.from_numpy(np.concatenate([paint(self.chosen(c.subject, c.object)) for c in said]))


def paint(names: tuple[str, ...]) -> np.ndarray:
    there = [index < len(names) for index in range(2)]
    kinds = [name.split() for name in (*names, "red disk", "red disk")[:2]]
    field = lambda *values: np.array([values])  # noqa: E731
    scenes = Scenes(
        32, field(*there), field(*(SHAPES.index(shape) for _, shape in kinds)),
        field(*(COLOURS.index(colour) for colour, _ in kinds)), np.array([[[8.0, 16.0], [24.0, 16.0]]]),
        field(6.0, 6.0), field(0.0, 0.0), field(0.0, 0.0), field(0.9, 0.9),
        np.array([[0.85] * 6 + [0.0, 0, 4, 0, 0]]),
    )  # fmt: skip
    return scenes.images()


def other(name: str) -> str:
    colour, shape = name.split()
    return f"{COLOURS[COLOURS.index(colour) - 1]} {shape}"


def test_the_gate_counts_pictures_in_which_both_things_are_found(loaded):
    both = Painter(lambda first, second: (first, second))
    assert RECIPE.measured(both) >= 0.95
    pairs = [frozenset(told_names(text)) for text in both.asked]
    assert set(pairs) <= {frozenset(pair) for pair in type_pairs("train")} and len(set(pairs)) == len(pairs) == 20
    asked = [next(c.relation for c in claims_of(text) if c.kind == "relation") for text in both.asked]
    assert sorted(asked.count(relation) for relation in RELATIONS) == [5, 5, 5, 5]
    assert RECIPE.measured(Painter(lambda first, second: ())) == 0, "paper"


def test_the_gate_counts_no_picture_with_one_of_the_things_or_another_in_its_place(loaded):
    """In turn: both the other way around, the first alone, the second alone, another first, another second."""
    turns = iter(range(20))

    def chosen(first: str, second: str) -> tuple[str, ...]:
        ways = (second, first), (first,), (second,), (other(first), second), (first, other(second))
        return ways[next(turns) % 5]

    assert RECIPE.measured(Painter(chosen)) == pytest.approx(1 / 5, abs=0.025)


def test_what_it_builds_on_is_the_shipped_base_and_no_gate_is_asked(monkeypatch: pytest.MonkeyPatch, bases):
    def never(model: nn.Module) -> float:
        raise AssertionError

    silent = replace(recipe_of("caption_encoder"), gate=never)
    monkeypatch.setattr(text_to_image, "recipe_of", lambda name: silent)
    found, expected = (
        model.state_dict() for model in (text_to_image.load_ungated("caption_encoder"), bases["caption_encoder"][0])
    )
    assert list(found) == list(expected) and all(torch.equal(part, expected[name]) for name, part in found.items())


def test_weights_that_are_not_those_of_the_card_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path):
    weights, card = files_of("caption_encoder")
    replace(Card.read(card), weights_digest="0" * 64).write(tmp_path / "card.json")
    monkeypatch.setattr(text_to_image, "files_of", lambda name: (weights, tmp_path / "card.json"))
    with pytest.raises(ValueError, match=r"^the weights of the base 'caption_encoder' must be those of its card; "):
        text_to_image.load_ungated("caption_encoder")
