"""Two runs are not mixed: what makes a run this one is compared before it is gone on from."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from lib.training import checkpoint, fit
from lib.training.identity import run_digests

WEIGHT = 0.5


def net(dropout=0.1, double=False):
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(3, 4), nn.Dropout(dropout), nn.Linear(4, 2))
    return made.double() if double else made


def batches(step):
    return {"x": torch.ones(4, 3) * (step + 1)}


def objective(model, batch):
    return model(batch["x"].to(model[0].weight.dtype)).square().mean()


def other(model, batch):
    return model(batch["x"].to(model[0].weight.dtype)).abs().mean()


@pytest.fixture
def stopped(tmp_path):
    def stop(done):
        if done == 3:
            raise KeyboardInterrupt

    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(net(), batches, objective, steps=6, lr=0.1, progress=False, checkpoint=path, on_step=stop)
    return path


def frozen():
    made = net()
    made[0].weight.requires_grad_(False)
    return made


@pytest.mark.parametrize(
    ("make", "loss", "words"),
    [
        (net, other, "its objective is another than this run's"),
        (lambda: net(0.3), objective, "its model is another than this run's"),
        (frozen, objective, "its list of trained parameters is another than this run's"),
        (lambda: net(double=True), objective, "its number format is another than this run's"),
    ],
)
def test_another_run_with_the_same_shapes_is_refused(stopped, make, loss, words):
    with pytest.raises(ValueError, match=f"belongs to another run: {words}; remove the file"):
        fit(make(), batches, loss, steps=6, lr=0.1, progress=False, checkpoint=stopped)


def test_the_same_run_goes_on_and_so_does_one_of_other_library_code_with_a_word(stopped):
    tensors, info = checkpoint.read_tensors(stopped)
    info["digests"]["code of lib and kernels"] = "of another day"
    checkpoint.write_tensors(stopped, tensors, info)
    done = []
    with pytest.warns(RuntimeWarning, match="was written by another version of the code of lib and kernels; it is"):
        fit(net(), batches, objective, steps=6, lr=0.1, progress=False, checkpoint=stopped, on_step=done.append)
    assert done == [4, 5, 6]


def with_closure(weight):
    return lambda model, batch: weight * objective(model, batch)


def test_an_objective_is_its_code_and_the_plain_values_beside_it(monkeypatch):
    model = net()

    def digest(function):
        return run_digests(model, function)["objective"]

    assert digest(with_closure(0.5)) == digest(with_closure(0.5)) != digest(with_closure(0.25))
    assert digest(functools.partial(objective)) != digest(objective)

    def uses_a_global(model, batch):
        return WEIGHT * objective(model, batch)

    before = digest(uses_a_global)
    monkeypatch.setitem(uses_a_global.__globals__, "WEIGHT", 0.75)
    assert digest(uses_a_global) != before

    class Loss(nn.Module):
        def forward(self, model, batch):
            return objective(model, batch)

    assert digest(Loss()) == digest(Loss()) != digest(objective)


def test_weights_that_training_moves_do_not_make_another_run():
    model = net()
    before = run_digests(model, objective)
    with torch.no_grad():
        model[0].weight.add_(1.0)
    assert run_digests(model.eval(), objective) == before
