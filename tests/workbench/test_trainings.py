"""Training through the cache: an edit trains again, an unchanged cell does not, and a hit says so."""

from __future__ import annotations

import random
import re
import signal

import numpy as np
import pytest
import torch
from torch import nn

from lib.nn.vision import quantizers
from lib.workbench import Run, seed_everything
from tests.training.source.cells import run_cell

CELL = """
import torch
from torch import nn

COEFFICIENT, targets = 0.005, torch.arange(8.0)[:, None]
inputs = torch.arange(16.0).view(8, 2) / 16

def objective(model, batch):
    error = (model(batch["x"]) - batch["y"]).square().mean()
    return error + COEFFICIENT * model.weight.square().sum()  # the second term keeps weights small

def batches(step):
    steps.append(step)
    return {"x": inputs, "y": targets}

def check(model):
    return float(model.weight.detach().sum())

torch.manual_seed(0)
model = nn.Linear(2, 1)
history, seen = run.train(
    "a line", model, batches, objective, key={}, check=check, check_every=2, steps=4, lr=0.1, progress=False
)
"""
HIT = r'a line: from the cache, trained \d+ \w+ \d\d:\d\d in \d+\.\d s; run.forget\("a line"\) trains it again\n'


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.delenv("WORKBENCH_CACHE", raising=False)
    return Run("01-jamba", "smoke", root=tmp_path)


def execute(run, text=CELL, line=1, **names):
    """A notebook's cell; returns its names, `steps` with the steps that were trained."""
    return run_cell(text, {"run": run, "steps": [], **names}, line)


def edited(old, new):
    assert old in CELL
    return CELL.replace(old, new)


def test_the_three_steps_that_once_gave_the_same_weights_give_three_trainings(run):
    cells = [CELL, edited("0.005", "50.0"), edited("0.005", "50.0").replace("arange(8.0)", "arange(8.0).flip(0)")]
    outcomes = [execute(run, cell) for cell in cells]
    assert all(names["steps"] == [0, 1, 2, 3] for names in outcomes)
    assert len({names["history"].records["loss"][-1] for names in outcomes}) == 3
    assert len({tuple(names["model"].weight[0].tolist()) for names in outcomes}) == 3
    again = [execute(run, cell) for cell in cells]
    for first, second in zip(outcomes, again, strict=True):
        assert second["steps"] == [] and torch.equal(first["model"].weight, second["model"].weight)
        assert second["history"] == first["history"] and second["seen"] == first["seen"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("error + COEFFICIENT", "error - COEFFICIENT"),
        ("inputs = torch", "inputs = -torch"),
        ("model.weight.detach().sum()", "model.weight.detach().abs().sum()"),
        ("nn.Linear(2, 1)", "nn.Linear(2, 1, bias=False)"),
        ("nn.Linear(2, 1)", "nn.Linear(2, 1)\nmodel.forward = lambda x: nn.Linear.forward(model, x) ** 3"),
        ("lr=0.1", "lr=0.2"),
        ("key={}", "key={'data': 2}"),
        ("manual_seed(0)", "manual_seed(1)"),
        ("check_every=2", "check_every=1"),
        ("nn.Linear(2, 1)", "type('Mine', (nn.Linear,), {'forward': lambda self, x: self.weight.sum() * x})(2, 1)"),
    ],
)
def test_an_edit_anywhere_trains_again(run, old, new):
    execute(run)
    assert execute(run, edited(old, new))["steps"] == [0, 1, 2, 3]
    assert execute(run)["steps"] == []  # undone, the first one is there


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # the second term keeps weights small", ""),
        ("def objective", "# here\n\n\ndef objective"),
        ("progress=False", "progress=True"),
        ("def check(model):", "def check(model):\n    'What we look at.'"),
    ],
)
def test_what_changes_no_result_is_a_hit_that_says_so(run, capsys, old, new):
    execute(run)
    assert "from the cache" not in capsys.readouterr().out
    assert execute(run, edited(old, new), line=70)["steps"] == []
    assert re.fullmatch(HIT, capsys.readouterr().out)


def test_another_kernel_finds_it_too(run, tmp_path, capsys):
    first = execute(run)
    second = execute(Run("01-jamba", "smoke", root=tmp_path))
    assert second["steps"] == [] and torch.equal(first["model"].bias, second["model"].bias)


def test_a_constant_of_the_library_that_is_set_trains_again(run, monkeypatch):
    execute(run)
    monkeypatch.setattr(quantizers, "LONG_HISTORY", 5)
    assert execute(run)["steps"] == [0, 1, 2, 3]
    monkeypatch.undo()
    assert execute(run)["steps"] == []


def test_forget_trains_again_and_says_what_it_removed(run, tmp_path, capsys):
    first = execute(run)
    execute(run, edited("a line", "a line, long"))
    capsys.readouterr()
    run.forget("a line")
    assert re.fullmatch(
        r"a line: removed from the cache, trained \d+ \w+ \d\d:\d\d in \d+\.\d s\n", capsys.readouterr().out
    )
    run.forget("a line")
    assert capsys.readouterr().out == "a line: not in the cache\n"
    assert torch.equal(execute(run)["model"].weight, first["model"].weight)
    assert execute(run, edited("a line", "a line, long"))["steps"] == []  # another's is left alone
    other = Run("01-jamba", "smoke", root=tmp_path)
    other.forget("a line")
    assert execute(other)["steps"] == [0, 1, 2, 3]


def test_forget_of_a_wrong_name_lists_the_right_ones(run, tmp_path, monkeypatch, capsys):
    with pytest.raises(ValueError, match=r"^name must be one of .* in the cache \(none so far\), got 'a lime'$"):
        run.forget("a lime")
    execute(run)
    execute(Run("02-mixture-of-depths", "smoke", root=tmp_path), edited("a line", "elsewhere"))
    with pytest.raises(ValueError, match=r"one of this notebook's trainings in the cache \('a line'\), got 'a lime'$"):
        run.forget("a lime")
    monkeypatch.setenv("WORKBENCH_CACHE", "off")
    capsys.readouterr()
    Run("01-jamba", "smoke", root=tmp_path).forget("a line")
    assert capsys.readouterr().out.endswith("a line: the cache is off, so that nothing is kept\n")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "steps.append(step)",
            "steps.append(next(stream))",
            "batches uses 'stream', an object of type generator, whose",
        ),
        ("error + COEFFICIENT", "error + eval('COEFFICIENT')", "objective is code that calls eval, which reaches what"),
    ],
)
def test_what_cannot_be_compared_trains_each_time_and_says_why(run, capsys, old, new, words):
    for _ in range(2):
        names = execute(run, edited(old, new), stream=(i for i in range(9)))
        assert names["steps"] == [0, 1, 2, 3]
        assert capsys.readouterr().out.startswith(f"a line: not kept in the cache, because {words}")
    run.forget("a line")
    assert capsys.readouterr().out == "a line: not in the cache\n"


def test_without_a_cache_nothing_is_compared_or_kept(run, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("WORKBENCH_CACHE", "off")
    for _ in range(2):
        names = execute(run, edited("steps.append(step)", "steps.append(next(stream))"), stream=(i for i in range(9)))
        assert names["steps"] == [0, 1, 2, 3] and capsys.readouterr().out == ""
    assert not list(tmp_path.rglob("*.safetensors"))


def squared_error(model, batch):
    return model(batch["x"]).square().mean()


@pytest.mark.parametrize("draw", [lambda: torch.rand(8, 2), np.random.rand, random.random])
def test_a_training_that_draws_is_found_where_its_random_numbers_began_as_they_do_now(run, draw):
    steps, outcomes = [], []

    def batches(step):
        steps.append(step)
        return {"x": torch.ones(8, 2) + draw()}

    for seed in (1, 1, 2):
        seed_everything(0)
        model = torch.nn.Linear(2, 1)  # the start is that of seed 0 each time
        seed_everything(seed)
        run.train("noise", model, batches, squared_error, key={}, steps=4, lr=0.1, progress=False)
        outcomes.append((model.weight.tolist(), random.random(), np.random.rand(), float(torch.rand(1))))
    assert steps == [0, 1, 2, 3] * 2
    assert outcomes[0] == outcomes[1]  # a hit leaves the random numbers where the training left them
    assert outcomes[2][0] != outcomes[0][0]


def test_a_training_that_draws_nothing_is_found_wherever_the_random_numbers_stand(run):
    first = execute(run)
    cell = edited("model = nn.Linear(2, 1)", "model = nn.Linear(2, 1)\ntorch.rand(3)")
    assert execute(run, cell)["steps"] == [] and len(first["steps"]) == 4


@pytest.fixture
def interruptible(run, tmp_path):
    """Eight steps with a check after every second one; `press=True` presses Ctrl-C in the sixth."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    pressed = tmp_path / "pressed"  # a file, which no digest sees

    def train(factor=1.0, press=False):
        torch.manual_seed(0)
        model, steps = torch.nn.Linear(2, 1), []

        def batches(step):
            steps.append(step)
            if step == 5 and pressed.exists():
                pressed.unlink()
                signal.raise_signal(signal.SIGINT)
            return {"x": torch.full((4, 2), factor)}

        if press:
            pressed.touch()
        options = {"steps": 8, "lr": 0.1, "progress": False, "checkpoint": run.checkpoint("line")}
        sums = {"check": lambda model: float(model.weight.detach().sum()), "check_every": 2}
        _, seen = run.train("line", model, batches, squared_error, key={}, **sums, **options)
        return model.weight.tolist(), seen, steps

    yield train
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_training_goes_on_with_what_its_checks_saw(run, interruptible):
    weights, seen, _ = interruptible()
    run.forget("line")
    with pytest.raises(KeyboardInterrupt, match=r"stopped after step 6 of 8: make the same call again"):
        interruptible(press=True)
    # The batch of step 5 is drawn once more, to see that the data are the same.
    assert interruptible() == (weights, seen, [5, 6, 7]) and len(seen) == 4


def test_an_interrupted_training_does_not_go_on_after_an_edit(run, interruptible):
    with pytest.raises(KeyboardInterrupt):
        interruptible(press=True)
    assert interruptible(factor=2.0)[2] == list(range(8))
    assert interruptible()[2] == [5, 6, 7]  # undone, it does
    with pytest.raises(KeyboardInterrupt):
        interruptible(factor=3.0, press=True)
    run.forget("line")
    assert interruptible(factor=3.0)[2] == list(range(8))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"model": "line"}, "model must be a torch.nn.Module, got str"),
        ({"batches": [1, 2]}, "batches must be a function, got list"),
        ({"objective": None}, "objective must be a function, got NoneType"),
        ({"check": 3, "check_every": 1}, "check must be a function, got int"),
        ({"key": "v1"}, "key must be a dictionary, got str"),
    ],
)
def test_an_argument_of_a_wrong_type_is_named_before_the_first_step(run, wrong, words):
    right = {"model": nn.Linear(1, 1), "batches": dict, "objective": print, "key": {}}
    with pytest.raises(TypeError, match=f"^{words}$"):
        run.train("line", **(right | wrong), steps=1, lr=0.1)


def test_what_a_file_cannot_hold_is_found_before_the_first_step(run):
    steps: list = []
    model = torch.nn.Linear(2, 1)
    model.register_buffer("rows", torch.eye(2).to_sparse())
    with pytest.raises(ValueError, match=r"^the tensor rows of the model cannot be kept in a file: it is sparse_coo$"):
        run.train("a line", model, steps.append, squared_error, key={}, steps=4, lr=0.1)
    assert steps == []


def test_a_model_comes_back_whole_with_tied_weights_and_extra_state(run):
    class Counted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.passes = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2), 0
            self.two.weight = self.one.weight
            self.register_buffer("mean", torch.zeros(2), persistent=False)

        def get_extra_state(self):
            return self.passes

        def set_extra_state(self, state):
            self.passes = state

        def forward(self, x):
            self.passes += 1
            self.mean += 1.0
            return self.two(self.one(x))

    def train():
        torch.manual_seed(0)
        model = Counted()
        options = {"key": {}, "steps": 3, "lr": 0.1, "progress": False}
        run.train("counted", model, lambda step: {"x": torch.ones(4, 2)}, squared_error, **options)
        return model

    first, again = train(), train()
    assert again.passes == first.passes == 3 and torch.equal(again.mean, first.mean) and float(first.mean[0]) == 3
    assert again.two.weight is again.one.weight and torch.equal(again.one.weight, first.one.weight)
