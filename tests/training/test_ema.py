"""The running mean: diffusers' over some steps, by hand for two, kept in checkpoints of a training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lib.training import fit
from lib.training.ema import EMA, Follower


def moved(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float32).to(parameter))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2, bias=False))


@pytest.mark.parametrize("decay", [0.9999, 0.25, 0.0])
def test_equals_diffusers(decay):
    theirs_module = pytest.importorskip("diffusers.training_utils")
    model = net()
    model[2].weight.requires_grad_(False)
    ours, theirs = EMA(model, decay), theirs_module.EMAModel(model.parameters(), decay=decay)
    for step in range(30):
        moved(model, step)
        with torch.no_grad():
            model[2].weight.add_(1.0)
        ours.update(model)
        theirs.step(model.parameters())
        for mean, shadow in zip(ours.means.values(), theirs.shadow_params, strict=True):
            torch.testing.assert_close(mean, shadow, atol=1e-6, rtol=1e-6)
    assert ours.updates == 30 and torch.equal(ours.means["0.weight"], model[0].weight) == (decay == 0)
    assert torch.equal(ours.means["2.weight"], model[2].weight), "what is frozen is copied"


def test_by_hand():
    """The first update copies, the second keeps 2 / 11 of the mean, the third 3 / 12."""
    model = nn.Linear(1, 1, bias=False)
    ema, means = EMA(model), []
    for value in (7.0, 18.0, 0.0):
        nn.init.constant_(model.weight, value)
        ema.update(model)
        means.append(ema.means["weight"].item())
    assert means == pytest.approx([7, 16, 4])
    assert ema.next_decay == pytest.approx(4 / 13) and EMA(model, 0.1).next_decay == 0


def test_applied_gives_the_models_own_parameters_back_also_after_an_error():
    model = net()
    ema = EMA(model)
    moved(model, 1)
    own, buffers = [parameter.clone() for parameter in model.parameters()], list(model.buffers())
    with pytest.raises(KeyError), ema.applied(model) as inside:
        assert inside is model and torch.equal(model[0].weight, ema.means["0.weight"])
        assert not torch.equal(model[0].weight, own[0])
        raise KeyError
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), own, strict=True))
    assert all(a is b for a, b in zip(model.buffers(), buffers, strict=True))


def test_copy_to_writes_in_place_and_shares_nothing():
    model = net()
    ema, weight = EMA(model), model[0].weight
    moved(model, 1)
    ema.copy_to(model)
    assert model[0].weight is weight and torch.equal(weight, ema.means["0.weight"]) and weight.requires_grad
    moved(model, 2)
    assert not torch.equal(weight, ema.means["0.weight"])


def test_half_precision_is_averaged_in_float32():
    """A step of 1e-4 of the way does not show in bfloat16, and adds up in the mean."""
    model = nn.Linear(1, 1, bias=False).bfloat16()
    nn.init.constant_(model.weight, 1.0)
    ema = EMA(model, decay=0.9)
    ema.update(model)
    nn.init.constant_(model.weight, 1.0078125)  # the next number
    ema.updates = 10**6
    ema.update(model)
    assert ema.means["weight"].dtype == torch.float32
    assert ema.means["weight"].item() == pytest.approx(1.00078125, abs=1e-7)
    ema.copy_to(model)
    assert model.weight.dtype == torch.bfloat16


def test_a_shared_parameter_is_averaged_once():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    ema = EMA(model)
    assert sorted(ema.means) == ["0.bias", "0.weight", "1.bias"]
    ema.copy_to(model)
    assert model[1].weight is model[0].weight


def test_a_state_goes_on_where_it_was():
    model = net()
    first, second = EMA(model, 0.9), EMA(model)
    for step in range(4):
        moved(model, step)
        first.update(model)
    second.load_state_dict(first.state_dict())
    moved(model, 9)
    first.update(model)
    assert second.updates == 4 and not torch.equal(second.means["0.bias"], first.means["0.bias"])
    second.update(model)
    assert all(torch.equal(first.means[name], second.means[name]) for name in first.means)
    assert second.decay == 0.9


def test_a_training_that_is_resumed_has_the_same_mean(tmp_path):
    def trained(stop=None):
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        ema = EMA(model, 0.8)
        follower = ema.following(model)

        class Interrupted(Follower):
            def __call__(self, done):
                super().__call__(done)
                if done == stop:
                    raise KeyboardInterrupt

        def batches(step):
            x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
            return {"x": x, "y": x.sum(1, keepdim=True)}

        try:
            fit(
                model, batches, objective, steps=6, lr=0.1, on_step=Interrupted(ema, model) if stop else follower,
                checkpoint=tmp_path / "run", progress=False,
            )  # fmt: skip
        except KeyboardInterrupt:
            assert ema.updates == stop
        return ema

    def objective(model, batch):
        return (model(batch["x"]) - batch["y"]).square().mean()

    whole = trained()
    trained(stop=3)
    resumed = trained()
    assert resumed.updates == whole.updates == 6
    assert all(torch.equal(whole.means[name], resumed.means[name]) for name in whole.means)


def test_wrong_decays_models_and_states():
    model = nn.Linear(2, 3)
    for decay in (1.0, -0.1):
        with pytest.raises(ValueError, match=rf"decay must be in \[0, 1\), got {decay}"):
            EMA(model, decay)
    ema = EMA(model)
    with pytest.raises(ValueError, match=r"model must have .* weight is \(3, 2\), got \(4, 2\)"):
        ema.update(nn.Linear(2, 4))
    with (
        pytest.raises(ValueError, match=r"model must have .* bias is \(3,\), got none"),
        ema.applied(nn.Linear(2, 3, bias=False)),
    ):
        pass
    with pytest.raises(ValueError, match=r"state must have .* 0\.weight is none, got \(3, 2\)"):
        ema.load_state_dict(
            EMA(nn.Sequential(nn.Linear(2, 3))).state_dict() | {"means": {**ema.means, "0.weight": model.weight}}
        )
