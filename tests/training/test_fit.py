"""The loop: what it records, what it refuses, and that it is AdamW with clipping and a schedule, nothing else."""

from __future__ import annotations

import copy
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lib.training import History, cosine_schedule, fit
from lib.training.history import Recorder

GENERATOR = torch.Generator().manual_seed(0)
BATCH = {"x": torch.randn(16, 5, generator=GENERATOR), "y": torch.randn(16, 2, generator=GENERATOR)}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2))


def squared_error(model, batch):
    return F.mse_loss(model(batch["x"]), batch["y"])


def quick(**changes):
    settings = {"steps": 10, "lr": 0.01, "progress": False} | changes
    model, batches, objective = (
        settings.pop(name, default)
        for name, default in (("model", network()), ("batches", lambda step: BATCH), ("objective", squared_error))
    )
    return fit(model, batches, objective, **settings)


def test_equals_a_loop_written_out():
    model = network()
    expected, losses = copy.deepcopy(model), []
    matrices = [p for p in expected.parameters() if p.ndim > 1]
    vectors = [p for p in expected.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.3}, {"params": vectors, "weight_decay": 0.0}],
        lr=0.05, betas=(0.9, 0.98), foreach=False,
    )  # fmt: skip
    for step in range(20):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * cosine_schedule(step, steps=20, warmup=0.1, final_lr=0.2)
        optimizer.zero_grad()
        loss = squared_error(expected, BATCH)
        loss.backward()
        nn.utils.clip_grad_norm_(expected.parameters(), 0.1)
        optimizer.step()
        losses.append(loss.item())
    history = quick(model=model, steps=20, lr=0.05, warmup=0.1, final_lr=0.2, weight_decay=0.3, clip=0.1)
    assert history.records["loss"] == pytest.approx(losses, abs=1e-6)
    for ours, theirs in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_history_has_one_entry_a_step_for_every_scalar():
    def objective(model, batch):
        loss = squared_error(model, batch)
        return {"loss": loss, "twice": 2 * loss, "seven": 7}

    history = quick(objective=objective)
    assert set(history.records) == {"loss", "twice", "seven", "lr", "grad_norm"}
    assert {len(values) for values in history.records.values()} == {10} and len(history) == 10
    assert history.records["twice"] == pytest.approx([2 * loss for loss in history.records["loss"]])
    assert history.records["seven"] == [7.0] * 10
    assert history.seconds > 0
    assert History.from_dict(history.to_dict()) == history


def test_numpy_batches_train_as_tensors_do_bit_for_bit():
    arrays = {name: tensor.numpy() for name, tensor in BATCH.items()}
    one, two = network(), network()
    histories = [quick(model=one).records, quick(model=two, batches=lambda step: arrays).records]
    assert histories[0] == histories[1]
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), two.parameters(), strict=True))
    with pytest.raises(ValueError, match=r"same number of rows, got \{'x': 3, 'y': 4\}"):
        quick(batches=lambda step: {"x": np.ones((3, 5)), "y": np.ones((4, 2))})


def test_model_is_left_as_it_was_besides_its_weights():
    model = network().eval()
    quick(model=model)
    assert type(model) is nn.Sequential and not model.training and "forward" not in vars(model)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert copy.deepcopy(model)(BATCH["x"]).shape == (16, 2)


def test_training_mode_returns_after_on_step_evaluates():
    model, modes = network(), []

    def objective(net, batch):
        modes.append(net.training)
        return squared_error(net, batch)

    quick(model=model, objective=objective, on_step=lambda step: model.eval())
    assert modes == [True] * 10


def test_on_step_counts_finished_steps():
    steps = []
    quick(on_step=steps.append)
    assert steps == list(range(1, 11))


def test_frozen_parameters_stay():
    model = network()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    quick(model=model)
    assert torch.equal(model[0].weight, before)
    with pytest.raises(ValueError, match="model must have at least one parameter with requires_grad"):
        quick(model=model.requires_grad_(False))


def test_bf16_computes_in_bfloat16_and_keeps_weights_and_loss_in_float32():
    model, seen = network(), []

    def objective(net, batch):
        output = net(batch["x"])
        seen.append(output.dtype)
        return F.mse_loss(output.float(), batch["y"])

    rough = quick(model=model, objective=objective, precision="bf16").records["loss"]
    exact = quick(objective=objective, precision="fp32").records["loss"]  # precisions may alternate in one program
    assert seen[0] == torch.bfloat16 and seen[-1] == torch.float32
    assert model[0].weight.dtype == torch.float32
    assert rough != exact and rough == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ({"steps": 1.5}, "steps must be a whole number of at least 1, got 1.5"),
        ({"lr": 0.0}, "lr must be above 0, got 0.0"),
        ({"lr": float("nan")}, "lr must be above 0, got nan"),
        ({"lr": "0.1"}, "lr must be above 0, got '0.1'"),
        ({"betas": 0.9}, r"betas must be two numbers in \[0, 1\), got 0.9"),
        ({"clip": "1"}, "clip must be above 0, or None, got '1'"),
        ({"objective": lambda m, b: None}, "or a dict with one as 'loss', got None"),
        (
            {"objective": lambda m, b: {"loss": m(b["x"]).sum(), "error": torch.ones(3)}},
            r"objective must return scalars, 'error' has the shape \(3,\)",
        ),
        ({"batches": lambda s: [torch.ones(3, 5)]}, "batches must give tensors or arrays by name, got list"),
        ({"warmup": 1.0}, r"warmup must be in \[0, 1\)"),
        ({"clip": 0.0}, "clip must be above 0, or None, got 0.0"),
        ({"checkpoint_every": 0}, "checkpoint_every must be at least 1, got 0"),
        ({"schedule": "stairs"}, "schedule must be one of constant, cosine, linear, got 'stairs'"),
        ({"precision": "fp8"}, "precision must be one of auto, bf16, fp32, got 'fp8'"),
        ({"objective": lambda m, b: {"error": m(b["x"]).sum()}}, r"got the keys \['error'\]"),
        ({"objective": lambda m, b: m(b["x"])}, r"got Tensor of shape \(16, 2\)"),
        ({"objective": lambda m, b: 1.0}, "got float"),
        ({"batches": lambda s: {"x": torch.ones(3, 5), "y": torch.ones(4, 2)}}, "same number of rows"),
    ],
)
def test_wrong_arguments_answer_in_one_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        quick(**changes)
    assert "\n" not in str(caught.value)


def test_loss_that_is_not_a_number_stops_naming_the_step_and_spares_the_weights():
    model = network()

    def objective(net, batch):
        return squared_error(net, batch) * (float("nan") if len(done) == 6 else 1.0)

    done = []
    with pytest.raises(FloatingPointError, match=r"loss became nan at step 7 of 10 \(lr 0.0\d+\): lower lr"):
        quick(model=model, objective=objective, on_step=done.append)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_reading_rarely_as_on_a_gpu_gives_the_same_history_and_names_the_right_step(monkeypatch):
    at_once = quick().records
    monkeypatch.setattr(Recorder, "due", property(lambda self: len(self._pending) == 4))
    assert quick().records == at_once

    def objective(net, batch):
        return squared_error(net, batch) * (float("nan") if len(done) == 5 else 1.0)

    done = []
    with pytest.raises(FloatingPointError, match="loss became nan at step 6 of 10"):
        quick(objective=objective, on_step=done.append)
    assert done[-1] == 7  # noticed when step 8 was read


def test_gradient_that_is_not_finite_stops_too():
    def objective(net, batch):
        return net(batch["x"]).sub(net(batch["x"])).sum().abs().sqrt()  # slope of the root at 0

    with pytest.raises(FloatingPointError, match=r"grad_norm became (nan|inf) at step 1 of 10"):
        quick(objective=objective)


def test_entries_that_change_between_steps_are_refused():
    def objective(net, batch):
        loss = squared_error(net, batch)
        return {"loss": loss, "extra": loss} if done else {"loss": loss}

    done = []
    with pytest.raises(ValueError, match="objective must return the same entries at every step"):
        quick(objective=objective, on_step=done.append)


def test_own_time_per_step_is_under_a_millisecond():
    def bare(steps):
        model = network()
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        for _ in range(steps):
            squared_error(model, BATCH).backward()
            optimizer.step()
            optimizer.zero_grad()

    def processor_time(run, steps):
        started = time.process_time()
        run(steps=steps)
        return time.process_time() - started

    def per_step(run):
        return min(processor_time(run, 220) - processor_time(run, 20) for _ in range(5)) / 200

    quick()
    assert per_step(quick) - per_step(bare) < 1e-3
