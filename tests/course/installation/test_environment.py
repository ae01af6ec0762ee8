"""The stamp and the marker in `.venv`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lib.course.installation.environment import Environment


@pytest.fixture
def environment(project: Path) -> Environment:
    """One whose interpreter is this one."""
    environment = Environment(project)
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(sys.executable)
    environment.under_way.touch()
    environment.write_stamp(gpu=False)
    return environment


def test_a_stamp_says_what_was_installed(environment):
    assert environment.is_complete(wants_gpu=False) and not environment.is_complete(wants_gpu=True)
    assert environment.read_stamp()["files"] == environment.files()


@pytest.mark.parametrize("damaged", ["", "{", "[]", "3", '{"key": "x"}'])
def test_a_damaged_stamp_is_none(environment, damaged):
    environment.stamp.write_text(damaged)
    assert environment.read_stamp() is None


def test_a_stamp_from_before_it_named_the_files_still_counts(environment):
    environment.stamp.write_text(f'{{"key": "{environment.key()}", "gpu": false}}')
    assert environment.is_complete(wants_gpu=False)


def test_half_a_pip_is_never_gone_on_with(environment):
    """An interrupt while the interpreter was made leaves a pip that imports and does not run."""
    assert environment.runs_this_python()
    environment.under_way.write_text("installing")
    assert environment.runs_this_python()
    environment.under_way.write_text("creating")
    assert not environment.runs_this_python()


def test_what_cannot_be_written_is_not_ours_to_change(environment, monkeypatch):
    assert environment.is_ours_to_change()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert not environment.is_ours_to_change()
