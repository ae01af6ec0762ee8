"""The captioner's base learns true captions of its own split alone; its gate counts true relations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib.bases import picture_captioner
from lib.bases.picture_captioner import BATCH, CONFIG, HELD_OUT, RECIPE, REGIMES, SEED, batches, shown
from lib.data.scenes.spatial_words import BOS, EOS, PAD, VOCABULARY, decode_caption, encode_captions
from lib.data.scenes.spatial_world import SPATIAL_SPLITS, SpatialWorld
from lib.evaluation.atomic_claims import verify_captions
from lib.nn.vision.picture_captioner import PictureCaptioner


def test_every_caption_is_true_of_its_picture_mirrored_or_not(monkeypatch: pytest.MonkeyPatch):
    """The picture's own row is found by its colours, which mirroring and the noise leave."""
    monkeypatch.setattr(picture_captioner, "with_noise", lambda pictures, rng: pictures)
    mirrored = 0
    for step in range(4):
        batch = batches()(step)
        pictures, told = shown(REGIMES[step % 2], "captioner", 0)
        for picture, tokens in zip(batch["pictures"], batch["tokens"], strict=True):
            as_is = np.abs(pictures - picture).mean((1, 2, 3))
            turned = np.abs(pictures[..., ::-1] - picture).mean((1, 2, 3))
            row = int(np.minimum(as_is, turned).argmin())
            things = told[row]
            if turned[row] < as_is[row]:
                mirrored += 1
                flip = lambda box: (32 - box[2], box[1], 32 - box[0], box[3])  # noqa: E731
                things = [type(thing)(thing.shape, thing.colour, flip(thing.box)) for thing in things]
            table = verify_captions([decode_caption(tokens)], [things])
            assert table.right.sum() == table.made.sum() > 0
    assert 0.35 < mirrored / (4 * BATCH) < 0.65


def test_a_batch_is_a_function_of_its_step_and_no_longer_than_its_longest_caption():
    one, two = batches(), batches()
    two(7)
    for step in (2, 3):
        first, second = one(step), two(step)
        assert all(np.array_equal(part, second[name]) for name, part in first.items())
        tokens = first["tokens"]
        assert len(tokens) == BATCH and tokens.shape[1] <= CONFIG.max_position_embeddings
        assert (tokens[:, 0] == BOS).all() and ((tokens == EOS).sum(1) == 1).all() and (tokens[:, -1] != PAD).any()
    assert one(3)["tokens"].shape[1] > one(2)["tokens"].shape[1], "seven things take more words than three"


def test_it_learns_from_its_own_split_alone():
    assert {"captioner", "captioner validation"} <= set(SPATIAL_SPLITS)
    used = {place.tobytes() for place in SpatialWorld(SEED, pairs="all").draw("captioner", 1_000).centre[:, 0]}
    held = {place.tobytes() for place in SpatialWorld(SEED, pairs="all").draw("captioner validation", 256).centre[:, 0]}
    assert not used & held


def test_the_loss_is_the_mean_over_words():
    model = RECIPE.untrained().eval()
    batch = {name: torch.from_numpy(part) for name, part in batches()(0).items()}
    logits = model(batch["pictures"], batch["tokens"][:, :-1]).log_softmax(-1)
    nats = -logits.gather(-1, batch["tokens"][:, 1:, None])[..., 0]
    torch.testing.assert_close(RECIPE.objective(model, batch), nats[batch["tokens"][:, 1:] != PAD].mean())
    assert abs(RECIPE.objective(model, batch).item() - np.log(len(VOCABULARY))) < 1


class Parrot(PictureCaptioner):
    """Writes the same caption of every picture."""

    def __init__(self, caption: str):
        super().__init__(CONFIG)
        self.caption = torch.from_numpy(encode_captions([caption]))

    def write(self, pictures, max_length=None, **_):
        return self.caption.expand(len(pictures), -1)


def test_the_gate_counts_relations_that_are_true():
    caption = "the red disk is above the blue square ."
    told = [things for regime in REGIMES for things in shown(regime, "captioner validation", 0)[1][:HELD_OUT]]
    boxes = [{thing.name: thing.centre for thing in things} for things in told]
    right = sum(
        "red disk" in places and "blue square" in places and places["red disk"][1] < places["blue square"][1]
        for places in boxes
    )
    assert right > 0 and RECIPE.measured(Parrot(caption)) == pytest.approx(right / len(told))
