"""The reader's base learns from triples of its own split, words alone; its gate asks who stands where."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from lib.bases import caption_encoder
from lib.bases.caption_encoder import BATCH, CONFIG, HELD_OUT, RECIPE, SCALE, SCENES, batches, scenes, shortest, vectors
from lib.data.scenes.spatial_claims import claims_of
from lib.data.scenes.spatial_words import BOS, CONTEXT_LENGTH, EOS, PAD, VOCABULARY, decode_caption, encode_captions
from lib.data.scenes.spatial_world import TYPES, type_pairs

TURNED = {"left of": (0, 1), "right of": (0, -1), "above": (1, 1), "below": (1, -1)}
"""Axis and sign of each relation."""


class Reader(nn.Module):
    """One vector a text, by a rule; it stands at every token, so that `pool` has nothing to find."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, tokens):
        read = torch.stack([self.read(row) for row in tokens])
        return read[:, None].expand(-1, tokens.shape[1], -1)

    def pool(self, states, tokens):
        return states[:, 0]


class Roles(Reader):
    """Of every pair of types and each axis: 1, -1, or 0 where nothing is said. Sides are told apart by who is named."""

    def read(self, row):
        places = torch.zeros(len(TYPES), len(TYPES), 2)
        for claim in claims_of(decode_caption(row)):
            if claim.kind == "relation":
                axis, sign = TURNED[claim.relation]
                first, second = TYPES.index(claim.subject), TYPES.index(claim.object)
                places[min(first, second), max(first, second), axis] = sign if first < second else -sign
        return places.flatten()


class Bag(Reader):
    """How often each word comes."""

    def read(self, row):
        return torch.bincount(row[row != PAD], minlength=len(VOCABULARY)).float()


class AxisBag(Reader):
    """The types that come, and whether the relation is sideways or upright: all of it but its direction."""

    def read(self, row):
        said = decode_caption(row)
        types = [float(name in said) for name in TYPES]
        return torch.tensor(
            [*types, float("left" in said or "right" in said), float("above" in said or "below" in said)]
        )


def test_the_gate_is_one_for_a_reader_of_roles_and_at_most_chance_for_bags_of_words():
    """A bag finds the opposite nearer where it names the captions' own relation word, and ties are not won."""
    assert RECIPE.measured(Roles()) == 1
    assert RECIPE.measured(Bag()) < 0.5
    assert RECIPE.measured(AxisBag()) == 0, "paraphrase and opposite are the same to it"
    assert RECIPE.measured(RECIPE.untrained()) < 0.65 < RECIPE.least


def test_a_batch_is_a_function_of_its_step_and_no_longer_than_its_longest_caption():
    one, two = batches(), batches()
    two(7)
    first, second = one(3)["tokens"], two(3)["tokens"]
    assert np.array_equal(first, second) and not np.array_equal(first, one(4)["tokens"])
    assert first.shape[:2] == (3, BATCH) and first.shape[2] <= CONTEXT_LENGTH and first.dtype == np.int64
    assert (first[..., 0] == BOS).all() and ((first == EOS).sum(-1) == 1).all() and (first[..., -1] != PAD).any()


def test_a_batch_holds_captions_their_paraphrases_and_their_opposites_in_this_order():
    told, same, opposite = torch.from_numpy(batches()(5)["tokens"])
    read = Roles()
    told, same, opposite = (read.pool(read(part), part) for part in (told, same, opposite))
    assert ((told * same).sum(-1) > 0).all() and ((told * opposite).sum(-1) < 0).all()
    assert torch.equal(same, -opposite)


def test_shortest_keeps_every_word():
    tokens = encode_captions(["a red disk", "a red disk above a blue square"])
    assert np.array_equal(shortest(tokens), tokens[:, :9]) and not (tokens[:, 9:] != PAD).any()


def test_training_and_gate_ask_for_scenes_of_their_own_split(monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(caption_encoder, "scenes", lambda split, count: asked.append(split) or scenes(split, count))
    batches()(0)
    assert set(asked) == {"train"}
    asked.clear()
    RECIPE.measured(AxisBag())
    assert set(asked) == {"validation"}


def test_what_is_held_out_is_not_read_and_no_held_out_pair_is():
    train, held = scenes("train", SCENES), scenes("validation", HELD_OUT)
    assert (len(train), len(held)) == (SCENES, HELD_OUT)
    places = lambda told: {thing.box for things in told for thing in things}  # noqa: E731
    assert not places(train) & places(held)
    forbidden = {frozenset(pair) for pair in type_pairs("held out")}
    for told, most in ((train, 90), (held, 80)):
        shown = {frozenset((a.name, b.name)) for things in told for a, b in combinations(things, 2)}
        assert most <= len(shown) <= 90 and not shown & forbidden
    read = {decode_caption(row) for step in range(20) for row in batches()(step)["tokens"].reshape(3 * BATCH, -1)}
    for caption in read:
        names = [claim.subject for claim in claims_of(caption) if claim.kind == "colour"]
        assert not forbidden & {frozenset(pair) for pair in combinations(names, 2)}, caption


def test_the_loss_is_the_contrast_among_all_paraphrases_and_opposites():
    model = RECIPE.untrained().eval()
    tokens = torch.from_numpy(batches()(2)["tokens"][:, :5])
    with torch.no_grad():
        read = [[_read_alone(model, row) for row in part] for part in tokens]
        loss = RECIPE.objective(model, {"tokens": tokens}).item()
    cosine = lambda a, b: float(a @ b / np.sqrt((a @ a) * (b @ b)))  # noqa: E731
    nats = []
    for row, told in enumerate(read[0]):
        scores = [np.exp(SCALE * cosine(told, other)) for part in read[1:] for other in part]
        nats.append(-np.log(scores[row] / sum(scores)))
    assert loss == pytest.approx(np.mean(nats), rel=1e-4)


def _read_alone(model, row):
    """The state at the end of one text without padding, as numpy in double precision."""
    end = row.tolist().index(EOS)
    return model(row[None, : end + 1])[0, end].double().numpy()


def test_the_loss_of_a_reader_that_tells_nothing_apart_is_that_of_guessing():
    batch = {"tokens": torch.from_numpy(batches()(0)["tokens"])}
    constant = Bag()
    constant.read = lambda row: torch.ones(3)
    assert RECIPE.objective(constant, batch).item() == pytest.approx(np.log(2 * BATCH), rel=1e-5)


def test_vectors_have_length_one_and_do_not_see_padding():
    model = RECIPE.untrained().eval()
    short = torch.from_numpy(encode_captions(["a red disk above a blue square", "a red disk"], 9))
    long = torch.from_numpy(encode_captions(["a red disk above a blue square", "a red disk"]))
    read = vectors(model, short)
    assert read.shape == (2, CONFIG.hidden_size)
    torch.testing.assert_close(read.norm(dim=-1), torch.ones(2))
    torch.testing.assert_close(vectors(model, long), read)
