"""An interrupted run that is resumed ends where an uninterrupted one does, bit for bit."""

from __future__ import annotations

import errno
import os
import random
import signal

import numpy as np
import pytest
import torch

from lib.nn import VQVAE, MultiScaleQuantizer, SmallDecoder, SmallEncoder
from lib.training import fit


@pytest.fixture(scope="module")
def whole(tiny):
    """Weights and history of the run that nothing interrupts."""
    torch.manual_seed(0)
    net = tiny.model()
    history = fit(net, tiny.batches, tiny.objective, **tiny.SETTINGS)
    return net.state_dict(), history.records


def assert_same(whole, net, records):
    weights, expected = whole
    assert records == expected
    assert all(torch.equal(weights[name], tensor) for name, tensor in net.state_dict().items())


def stop_at(step):
    def on_step(done):
        if done == step:
            raise KeyboardInterrupt

    return on_step


@pytest.mark.parametrize("stops", [[1], [7], [24], [3, 11, 12]])
def test_interrupted_in_on_step_and_resumed_equals_uninterrupted(tiny, whole, tmp_path, stops):
    path = tmp_path / "run.safetensors"
    for step in stops:
        with pytest.raises(KeyboardInterrupt, match=f"stopped after step {step} of 24: make the same call again"):
            fit(tiny.model(), tiny.batches, tiny.objective, **tiny.SETTINGS, checkpoint=path, on_step=stop_at(step))
        torch.manual_seed(999)  # whatever happens in between does not matter
    net = tiny.model()
    history = fit(net, tiny.batches, tiny.objective, **tiny.SETTINGS, checkpoint=path)
    assert_same(whole, net, history.records)
    assert list(tmp_path.iterdir()) == []  # a finished run removes its checkpoint


def test_a_run_stopped_on_tensors_goes_on_with_the_same_numbers_as_arrays(tiny, whole, tmp_path):
    path, net = tmp_path / "run.safetensors", tiny.model()
    with pytest.raises(KeyboardInterrupt):
        fit(tiny.model(), tiny.batches, tiny.objective, **tiny.SETTINGS, checkpoint=path, on_step=stop_at(5))

    def arrays(step):
        return {name: tensor.numpy() for name, tensor in tiny.batches(step).items()}

    assert_same(whole, net, fit(net, arrays, tiny.objective, **tiny.SETTINGS, checkpoint=path).records)


@pytest.fixture
def python_interrupt():
    """Python's own SIGINT handler, also where the tests run in the background, which ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_control_c_in_the_middle_of_a_step_waits_for_its_end(tiny, whole, tmp_path, python_interrupt):
    path = tmp_path / "run.safetensors"

    def interrupted_objective(net, batch):
        values = tiny.objective(net, batch)
        if len(calls) == 9:
            signal.raise_signal(signal.SIGINT)
        calls.append(1)
        return values

    calls = []
    with pytest.raises(KeyboardInterrupt, match="stopped after step 10 of 24"):
        fit(tiny.model(), tiny.batches, interrupted_objective, **tiny.SETTINGS, checkpoint=path)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    net = tiny.model()
    assert_same(whole, net, fit(net, tiny.batches, interrupted_objective, **tiny.SETTINGS, checkpoint=path).records)


def test_killed_process_and_resumed_equals_uninterrupted(tiny, whole, tmp_path, launch):
    path = tmp_path / "run.safetensors"
    codes, output = launch(tmp_path / "out", checkpoint=str(path), checkpoint_every=5, kill_at=13)
    assert codes == [-signal.SIGKILL], output
    done = []
    net = tiny.model()
    history = fit(net, tiny.batches, tiny.objective, **tiny.SETTINGS, checkpoint=path, on_step=done.append)
    assert done[0] == 11  # went on from the checkpoint of step 10
    assert_same(whole, net, history.records)


def test_interrupt_without_checkpoint_says_that_nothing_was_saved(tiny):
    with pytest.raises(KeyboardInterrupt, match="stopped after step 2 of 24, not saved: give fit a checkpoint"):
        fit(tiny.model(), tiny.batches, tiny.objective, **tiny.SETTINGS, on_step=stop_at(2))


def test_full_disk_costs_one_warning_and_not_the_training(tiny, whole, tmp_path, monkeypatch):
    path, writes = tmp_path / "run.safetensors", []

    def full_after_the_first(file):
        writes.append(file)
        if len(writes) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_after_the_first)
    with (
        pytest.warns(RuntimeWarning, match="checkpoint of step 12: .*No space left on device"),
        pytest.warns(RuntimeWarning, match="checkpoint of step 10: .*No space left on device; the one before is kept"),
        pytest.raises(KeyboardInterrupt, match=r"stopped after step 12 of 24, not saved: .* could not be written"),
    ):
        settings = tiny.SETTINGS | {"checkpoint_every": 5, "checkpoint": path, "on_step": stop_at(12)}
        fit(tiny.model(), tiny.batches, tiny.objective, **settings)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]  # no half-written file stays

    with pytest.warns(RuntimeWarning, match="No space left"):  # goes on from step 5, to the end, without saving
        net = tiny.model()
        history = fit(net, tiny.batches, tiny.objective, **tiny.SETTINGS, checkpoint=path, checkpoint_every=5)
    assert_same(whole, net, history.records)


class Draws(torch.nn.Module):
    """Draws from all three global generators, keeps buffers that share memory, a tied weight and extra state."""

    def __init__(self):
        super().__init__()
        self.one, self.two = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
        self.two.weight = self.one.weight
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("first", self.mean[:2])
        self.passes = 0

    def get_extra_state(self):
        return {"passes": self.passes}

    def set_extra_state(self, state):
        self.passes = state["passes"]

    def forward(self, x):
        self.passes += 1
        with torch.no_grad():
            self.mean.mul_(0.9).add_(random.random())
            self.first.add_(1.0)
        noise = torch.as_tensor(np.random.randn(*x.shape), dtype=x.dtype)
        return self.two(torch.relu(self.one(x + noise * self.mean.mean()))) / self.passes


def drawn_batch(step):
    """Not a function of the step alone: every generator moves on."""
    x = torch.rand(4, 3) + np.random.rand() + random.random()
    return {"x": x, "y": x.flip(1)}


def squared_error(net, batch):
    return (net(batch["x"]) - batch["y"]).square().mean()


def seeded():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)


DRAWN = {"steps": 12, "lr": 0.05, "progress": False}


def drawn_run(path, stops):
    """The trained model, the history and what is drawn next; stopped after each of `stops` in between."""
    seeded()
    for step in stops:
        with pytest.raises(KeyboardInterrupt):
            fit(Draws(), drawn_batch, squared_error, **DRAWN, checkpoint=path, on_step=stop_at(step))
        random.seed(7), np.random.seed(8), torch.manual_seed(9)
    net = Draws()
    history = fit(net, drawn_batch, squared_error, **DRAWN, checkpoint=path)
    return net, history.records, [random.random(), np.random.rand(), torch.rand(1).item()]


@pytest.mark.parametrize("stops", [[1], [5], [2, 3, 11]])
def test_batches_and_models_that_draw_go_on_with_the_same_numbers(tmp_path, stops):
    whole, expected, after = drawn_run(None, [])
    net, records, drawn = drawn_run(tmp_path / "run", stops)
    assert records == expected and drawn == after and net.passes == whole.passes == 12
    assert all(
        torch.equal(tensor, net.state_dict()[name])
        for name, tensor in whole.state_dict().items()
        if "_extra" not in name
    )
    assert net.two.weight is net.one.weight and net.first.data_ptr() == net.mean.data_ptr()


def small_vqvae():
    torch.manual_seed(0)
    quantizer = MultiScaleQuantizer(12, 4, (1, 2), beta=0.1)
    return VQVAE(SmallEncoder(4, 8, 4, 1), SmallDecoder(4, 8, 4, 1), quantizer)


def test_an_image_tokenizer_goes_on_with_its_record_of_used_codes(tmp_path):
    def images(step):
        return {"images": torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(step)) * 2 - 1}

    def loss(vae, batch):
        rebuilt, quantized = vae(batch["images"])
        return (rebuilt - batch["images"]).square().mean() + quantized.loss

    def train(*stops):
        for step in stops:
            with pytest.raises(KeyboardInterrupt):
                fit(small_vqvae(), images, loss, **DRAWN, checkpoint=tmp_path / "vae", on_step=stop_at(step))
        vae, revived = small_vqvae(), []

        def revive(done):  # reads the record, changes weights
            if done > 8:
                revived.append(vae.quantize.revive(vae.latents(images(99)["images"]), below=0.5))

        fit(vae, images, loss, **DRAWN, checkpoint=tmp_path / "vae" if stops else None, on_step=revive)
        return vae, revived

    (whole, revived), (resumed, again) = train(), train(3, 7)
    assert revived == again and any(revived) and whole.quantize.records == 12
    assert all(torch.equal(tensor, resumed.state_dict()[name]) for name, tensor in whole.state_dict().items())


class Counting:
    """An `on_step` with a state, which stops at a step."""

    def __init__(self, stop):
        self.stop, self.seen = stop, []

    def __call__(self, done):
        self.seen.append(done)
        if done == self.stop:
            raise KeyboardInterrupt

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


class MovingTarget(torch.nn.Module):
    """An objective with a state: an average of the model's outputs."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, net, batch):
        out = net(batch["x"])
        self.mean.lerp_(out.detach().mean(0), 0.1)
        return (out - self.mean - batch["y"]).square().mean()


def test_an_objective_and_a_callback_with_a_state_go_on_too(tmp_path):
    def train(stop, path):
        seeded()
        torch.manual_seed(2)
        net, objective, callback = Draws(), MovingTarget(), Counting(stop)
        fit(net, drawn_batch, objective, **DRAWN, checkpoint=path, on_step=callback)
        return net.state_dict()["mean"], objective.mean, callback.seen

    expected = train(None, None)
    with pytest.raises(KeyboardInterrupt):
        train(6, tmp_path / "run")
    mean, target, seen = train(None, tmp_path / "run")
    assert (
        torch.equal(mean, expected[0]) and torch.equal(target, expected[1]) and seen == expected[2] == [*range(1, 13)]
    )


def test_a_model_or_an_option_that_cannot_be_kept_is_found_before_the_first_step(tmp_path):
    calls = []

    def batches(step):
        calls.append(step)
        return drawn_batch(step)

    net = Draws()
    net.register_buffer("rows", torch.eye(2).to_sparse())
    with pytest.raises(ValueError, match=r"^the tensor rows of the model cannot be kept in a file: it is sparse_coo$"):
        fit(net, batches, squared_error, **DRAWN, checkpoint=tmp_path / "run")
    with pytest.raises(
        ValueError, match=r"^lr must be a plain number or text to be kept in a checkpoint, got float32$"
    ):
        fit(Draws(), batches, squared_error, **DRAWN | {"lr": np.float32(0.1)}, checkpoint=tmp_path / "run")
    callback = Counting(None)
    callback.seen.append(abs)
    with pytest.raises(
        ValueError, match=r"^the state_dict of on_step cannot be kept: a value of type builtin_function"
    ):
        fit(Draws(), batches, squared_error, **DRAWN, checkpoint=tmp_path / "run", on_step=callback)
    assert not calls and not any(tmp_path.iterdir())
    fit(net, batches, squared_error, **DRAWN)  # without a checkpoint nothing needs to be kept
