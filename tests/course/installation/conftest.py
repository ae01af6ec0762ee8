"""A project to set up, and something that stands for venv and pip."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from lib.course.installation import machine
from lib.course.installation.environment import Environment
from lib.course.installation.packages import Installer

Disk = namedtuple("Disk", "total used free")


class FakePip:
    """Stands for venv and pip: remembers what was asked, and fails or is interrupted on demand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.asked: list[tuple[str, ...]] = []
        self.by: list[Installer] = []
        self.created = 0
        self.fails_on = self.interrupted_on = "nothing"
        monkeypatch.setattr(Environment, "create", lambda environment: self.create(environment))
        monkeypatch.setattr(Installer, "install", lambda installer, *args, **env: self.install(installer, args))
        monkeypatch.setattr(Environment, "runs_this_python", lambda environment: environment.python.exists())
        monkeypatch.setattr(machine, "pip_settings", lambda python: set())
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: Disk(500e9, 0, 100e9))
        monkeypatch.setattr(shutil, "which", lambda name: None)

    def create(self, environment: Environment) -> None:
        self.created += 1
        environment.python.parent.mkdir(parents=True)
        environment.python.touch()

    def install(self, installer: Installer, arguments: tuple[str, ...]) -> bool:
        self.asked.append(arguments)
        self.by.append(installer)
        if self.interrupted_on in arguments:
            raise KeyboardInterrupt
        return self.fails_on not in arguments


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> FakePip:
    return FakePip(monkeypatch)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]")
    (tmp_path / "constraints.txt").write_text("torch==2.13.0")
    return tmp_path
