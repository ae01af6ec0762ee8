"""An interrupted run that is resumed ends where an uninterrupted one does, bit for bit."""

from __future__ import annotations

import errno
import signal

import pytest
import torch

from lib.training import checkpoint as checkpoint_module
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
    assert_same(whole, net, fit(net, tiny.batches, tiny.objective, **tiny.SETTINGS, checkpoint=path).records)


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

    def full_after_the_first(tensors, filename, metadata):
        writes.append(filename)
        if len(writes) > 1:
            filename.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save_file(tensors, filename, metadata)

    save_file = checkpoint_module.save_file
    monkeypatch.setattr(checkpoint_module, "save_file", full_after_the_first)
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
