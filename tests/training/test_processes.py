"""Two processes (gloo, CPU) train as one does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lib.training import fit


@pytest.fixture(scope="module")
def pair(launch, tmp_path_factory):
    """The folder and the joint output of two processes that ran `pair.py` together."""
    folder = tmp_path_factory.mktemp("pair")
    codes, output = launch(folder, processes=2, script=Path(__file__).with_name("pair.py"))
    assert codes == [0, 0], output
    return folder, output


def records(folder, name, rank):
    return json.loads((folder / f"{name}{rank}.json").read_text())["records"]


def test_two_processes_give_the_loss_curve_of_one(tiny, pair):
    targets = (tiny.batches(0)["targets"] != -100).sum(1)
    assert targets[::2].sum() != targets[1::2].sum()  # the two hold different numbers of targets
    net = tiny.model(dropout=0.0)
    one = fit(net, tiny.batches, tiny.objective, **tiny.SETTINGS).records
    assert one["loss"][-1] < 0.8 * one["loss"][0]  # the curve is one of learning
    for rank in range(2):
        two = records(pair[0], "curve", rank)
        assert two.keys() == one.keys()
        for name in one:
            assert two[name] == pytest.approx(one[name], abs=1e-5), name
        weights = load_file(pair[0] / f"curve{rank}.safetensors")
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(weights[name], parameter.detach(), atol=1e-4, rtol=0)


def test_interrupt_of_one_process_stops_both_at_the_same_step_and_they_resume_exactly(pair):
    folder, output = pair
    assert output.count("stopped after step 10 of 24: make the same call again") == 2, output
    assert records(folder, "whole", 0) != records(folder, "curve", 0)  # dropout is at work
    for rank in range(2):
        assert records(folder, "parts", rank) == records(folder, "whole", rank)
        parts, whole = (load_file(folder / f"{name}{rank}.safetensors") for name in ("parts", "whole"))
        assert all(torch.equal(parts[name], whole[name]) for name in whole)
    assert not (folder / "run.safetensors").exists()


def test_processes_build_a_cached_artefact_together_once(pair):
    folder, output = pair
    assert output.count("built by 0") == output.count("built by 1") == 1, output
    assert output.count("cached steps 2") == 4
    assert len(list((folder / "cache").glob("*.safetensors"))) == 1


def test_rows_that_two_processes_cannot_share_are_refused(pair):
    sentence = "batches(0) must give a number of rows that 2 processes can share equally, got 7"
    assert pair[1].count(sentence) == 2
