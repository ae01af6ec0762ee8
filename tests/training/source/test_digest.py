"""Code that does the same has the same digest; any change that can change a result changes it, however far away."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lib.training.source import Undigestible, source_digest
from tests.training.source.cells import run_cell

ROOT = Path(__file__).resolve().parents[3]
CELL = """
import functools, math, types
import numpy as np
import torch
import torch.nn.functional as F
from lib.nn import RMSNorm
from torch import nn

COEFFICIENT, sizes = 0.005, types.SimpleNamespace(batch=4, test=9)
table, targets = {"a": [1, 2]}, torch.arange(6.0)
norm = RMSNorm(4)

class Head(nn.Module):
    power = 2
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)
    def forward(self, x):
        return self.layer(x) ** self.power

def penalty(model):
    return COEFFICIENT * sum(w.square().sum() for w in model.parameters())

def scaled(by):
    def decorate(function):
        @functools.wraps(function)
        def inner(*arguments):
            return by * function(*arguments)
        return inner
    return decorate

@scaled(3)
def error(model, batch):
    return F.mse_loss(model(batch["x"]), batch["y"])

def objective(model, batch, weight=1.0, *, floor=0.0):
    '''A loss.'''
    return weight * error(model, batch) + penalty(model) + floor  # a comment

def batches(step):
    rng = np.random.default_rng([7, step])
    rows = torch.from_numpy(rng.integers(0, 6, sizes.batch))
    return {"x": norm(targets[rows]), "y": table["a"], "head": Head}
"""


def digests(text: str = CELL, line: int = 1) -> tuple[str, str]:
    names = run_cell(text, line=line)
    return tuple(source_digest(names[name], name) for name in ("objective", "batches"))


def test_a_cell_that_is_executed_again_is_the_same():
    assert digests() == digests()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # a comment", "  # another"),
        ("'''A loss.'''", "'''A loss, in nats.'''"),
        ("\ndef penalty", "\n\n\n# here it is\n\n\ndef penalty"),
        ("test=9", "test=90"),  # of the sizes, one that these functions do not read
        ("+ penalty(model) + floor", "+ penalty(model)  +  floor"),
    ],
)
def test_what_changes_no_result_changes_no_digest(old, new):
    assert old in CELL
    assert digests(CELL.replace(old, new), line=40) == digests()


@pytest.mark.parametrize(
    ("old", "new", "which"),
    [
        ("0.005", "50.0", "objective"),
        ("weight=1.0", "weight=2.0", "objective"),
        ("floor=0.0", "floor=1.0", "objective"),
        ("@scaled(3)", "@scaled(4)", "objective"),
        ("w.square()", "w.abs()", "objective"),
        ("F.mse_loss", "F.l1_loss", "objective"),
        ("weight * error", "weight + error", "objective"),
        ("weight=1.0", "weight=1", "objective"),
        ("batch=4", "batch=5", "batches"),
        ("torch.arange(6.0)", "torch.arange(6.0).double()", "batches"),
        ("torch.arange(6.0)", "-torch.arange(6.0)", "batches"),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', "batches"),
        ("[7, step]", "[8, step]", "batches"),
        ("RMSNorm(4)", "RMSNorm(4, eps=1e-3)", "batches"),
        ("power = 2", "power = 3", "batches"),
        ("** self.power", "* self.power", "batches"),
        ("nn.Linear(2, 1)", "nn.Linear(2, 1, bias=False)", "batches"),
    ],
)
def test_an_edit_changes_the_digest_of_what_reaches_it_and_of_nothing_else(old, new, which):
    assert old in CELL
    objective, batches = (
        before != after for before, after in zip(digests(), digests(CELL.replace(old, new)), strict=True)
    )
    assert (objective, batches) == (which == "objective", which == "batches")


def test_another_process_gives_the_same_digest():
    code = "import json; from tests.training.source.test_digest import digests; print(json.dumps(digests()))"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "5"}
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert tuple(json.loads(out.stdout)) == digests()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("stream = (i for i in range(3))", "batches uses 'stream', an object of type generator, whose state cannot be"),
        ("import threading; stream = threading.Lock()", "batches uses 'stream', an object of type _thread.lock"),
        ("stream = [[open(__import__('os').devnull)]]", "batches uses 'stream', an object of type _io.TextIOWrapper"),
        ("stream = []\nfor _ in range(5000): stream = [stream]", "batches uses values that are nested too deeply"),
        ("stream = eval", None),
    ],
)
def test_what_cannot_be_compared_is_named(value, words):
    names = run_cell(value)
    run_cell("def batches(step):\n    return next(stream)", names)
    if words is None:
        source_digest(names["batches"], "batches")
    else:
        with pytest.raises(Undigestible, match=f"^{words}"):
            source_digest(names["batches"], "batches")


@pytest.mark.parametrize("call", ["eval('seed')", "globals()['seed']", "exec('seed')"])
def test_code_that_hides_the_names_it_reads_is_refused(call):
    names = run_cell(f"seed = 1\ndef batches(step):\n    return {call}")
    with pytest.raises(
        Undigestible, match=r"^batches is code that calls \w+, which reaches what only running it shows"
    ):
        source_digest(names["batches"], "batches")


def test_values_that_refer_to_themselves_and_to_each_other_end():
    names = run_cell("""
        ring = [1]; ring.append(ring)
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def batches(step): return ring, even(step)
    """)
    again = run_cell("""
        ring = [1]; ring.append([1])
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def batches(step): return ring, even(step)
    """)
    assert source_digest(names["batches"], "b") != source_digest(again["batches"], "b")


def test_neighbouring_values_are_told_apart():
    lists = [
        [1, [2]],
        [[1], 2],
        [1, 2],
        (1, 2),
        [1, 2.0],
        [True, 2],
        ["1", 2],
        ["12"],
        ["1", "2"],
        [b"1", 2],
        {1: 2},
        {1, 2},
    ]
    assert len({source_digest(values, "values") for values in lists}) == len(lists)
    assert source_digest({"x", "y", "z"}, "v") == source_digest({"z", "y", "x"}, "v")


def test_an_object_used_twice_is_not_two_equal_objects():
    one, other = [0], [0]
    assert source_digest([one, one], "v") != source_digest([one, other], "v")


def test_what_a_closure_and_a_partial_hold_counts():
    def make(weight):
        return lambda model, batch: weight * model(batch)

    assert source_digest(make(1), "f") == source_digest(make(1), "f") != source_digest(make(2), "f")
    parts = [functools.partial(make(1), 3), functools.partial(make(1), 4), functools.partial(make(2), 3)]
    assert len({source_digest(part, "f") for part in parts}) == 3


def test_a_lock_inside_a_set_is_found_too():
    with pytest.raises(Undigestible, match=r"lock, whose state cannot be compared$"):
        source_digest({threading.Lock()}, "values")
