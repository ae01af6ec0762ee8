"""What is set in the library's modules while a notebook runs is seen, and nothing else is."""

from __future__ import annotations

import sys

import pytest
import torch

import lib.nn
import lib.workbench
from lib.nn import RMSNorm
from lib.nn.layers import norms
from lib.nn.vision import quantizers
from lib.training import schedules
from lib.training.source import library_edits, source_digest


def test_modules_as_their_files_have_them_show_no_edits():
    assert sum(name.startswith("lib.nn.") for name in sys.modules) > 20
    assert library_edits() == {}


def mine(*arguments):
    return torch.ones(1)


class Mine(RMSNorm):
    pass


@pytest.mark.parametrize(
    ("owner", "name", "value", "said"),
    [
        (quantizers, "LONG_HISTORY", 5, "lib.nn.vision.quantizers.LONG_HISTORY"),
        (quantizers, "LONG_HISTORY", 100.0, "lib.nn.vision.quantizers.LONG_HISTORY"),
        (norms, "rms_norm", mine, "lib.nn.layers.norms.rms_norm"),
        (norms, "RMSNorm", Mine, "lib.nn.layers.norms.RMSNorm"),
        (RMSNorm, "forward", mine, "lib.nn.layers.norms.RMSNorm.forward"),
        (RMSNorm, "forward", staticmethod(mine), "lib.nn.layers.norms.RMSNorm.forward"),
    ],
)
def test_what_is_set_is_named(monkeypatch, owner, name, value, said):
    monkeypatch.setattr(owner, name, value)
    found = library_edits()
    assert said in found and all(part.endswith(said.rpartition(".")[2]) for part in found)  # also where it is imported
    assert source_digest(found, "library") != source_digest({}, "library")


def test_an_entry_of_the_users_own_in_a_table_is_named(monkeypatch):
    monkeypatch.setitem(schedules.SCHEDULES, "mine", mine)
    found = library_edits()
    assert found["lib.training.schedules.SCHEDULES['mine']"] is mine
    assert all(name.endswith(".SCHEDULES['mine']") for name in found)  # also where it is imported


def test_the_workbench_is_the_users_side(monkeypatch):
    monkeypatch.setattr(lib.workbench.run, "ROOT", None)
    assert library_edits() == {}
