"""A recipe trains the same model every time, begins as its first losses say, and leaves the caller's numbers alone."""

from __future__ import annotations

import torch

from tests.bases.toy import batches, closeness, toy


def test_a_recipe_trains_to_the_same_weights_and_passes_its_gate():
    recipe = toy()
    (one, history), (two, _) = recipe.train(progress=False), recipe.train(progress=False)
    assert torch.equal(one.weight, two.weight) and len(history) == 60
    assert recipe.measured(one) == closeness(one) > 0.9 > recipe.measured(recipe.untrained())


def test_the_first_losses_are_those_of_the_whole_training():
    recipe = toy()
    _, history = recipe.train(progress=False)
    assert recipe.first_losses(5) == history.records["loss"][:5]
    assert toy(steps=3).first_losses(5) == toy(steps=3).train(progress=False)[1].records["loss"]


def test_another_seed_or_rate_begins_otherwise():
    first = toy().first_losses(3)
    assert toy(seed=1).first_losses(3)[0] != first[0]
    assert toy(lr=0.2).first_losses(3)[0] == first[0] and toy(lr=0.2).first_losses(3)[2] != first[2]


def test_the_callers_random_numbers_and_the_models_mode_stay():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    recipe = toy(gate=lambda model: float(not model.training) + torch.rand(1).item())
    model, _ = recipe.train(progress=False)
    assert model.training and recipe.measured(model) >= 1 and model.training
    recipe.first_losses(2)
    assert torch.equal(torch.rand(3), expected)


def test_the_datas_digest_sees_the_first_step_and_the_last():
    def from_step(first):
        batch = batches()
        return lambda: lambda step: batch(step + (step >= first))

    before = toy().data_digest()
    assert toy(data=from_step(60)).data_digest() == before == toy().data_digest()
    assert toy(data=from_step(59)).data_digest() != before != toy(data=from_step(0)).data_digest()
