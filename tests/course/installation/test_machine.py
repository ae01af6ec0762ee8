"""Free disk, pip's settings and the choice of an installer, on a machine that is made up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.course.installation import machine
from lib.course.installation.machine import check_disk, choose_installer, pip_settings
from lib.course.installation.messages import InstallError


@pytest.fixture
def disk(monkeypatch):
    """Sets the free disk in GB, the system and pip's settings."""

    def settle(free: float, system: str = "linux", settings: tuple[str, ...] = ()) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: type("Disk", (), {"free": free * 1e9}))
        monkeypatch.setattr(sys, "platform", system)
        monkeypatch.setattr(machine, "pip_settings", lambda python: set(settings))

    return settle


def test_too_little_disk_is_one_sentence_with_both_figures(disk, tmp_path):
    disk(3.9)
    with pytest.raises(InstallError, match=r"needs 4 GB of free disk, here are 3\.9 GB"):
        check_disk(tmp_path)


@pytest.mark.parametrize(
    ("free", "system", "settings", "warns"),
    [
        (8, "linux", ("timeout",), True),
        (8, "linux", ("extra-index-url",), False),
        (8, "darwin", (), False),
        (30, "linux", (), False),
    ],
)
def test_a_disk_too_small_for_the_cuda_build_is_a_warning_where_that_build_comes(
    disk, tmp_path, capsys, free, system, settings, warns
):
    disk(free, system, settings)
    check_disk(tmp_path)
    assert ("CUDA build" in capsys.readouterr().out) is warns


def test_pips_settings_are_read_by_their_names(monkeypatch):
    lines = ":env:.find-links='/wheels'\nglobal.extra-index-url='https://a https://b?c=d'\ninstall.no-index='1'\n"
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: type("Answer", (), {"stdout": lines}))
    assert pip_settings("python") == {"find-links", "extra-index-url", "no-index"}


def test_a_python_that_does_not_start_has_no_settings(tmp_path):
    assert pip_settings(tmp_path / "none") == set()


@pytest.mark.parametrize(
    ("asked", "has_uv", "settings", "offline", "tool"),
    [
        ("auto", False, set(), False, "pip"),
        ("auto", True, set(), False, "uv"),
        ("auto", True, {"timeout"}, False, "uv"),
        ("auto", True, {"find-links"}, False, "pip"),
        ("auto", True, {"find-links"}, True, "uv"),
        ("uv", True, {"find-links"}, False, "uv"),
        ("pip", True, set(), False, "pip"),
    ],
)
def test_uv_is_chosen_only_where_it_reads_the_same_settings(monkeypatch, asked, has_uv, settings, offline, tool):
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/uv" if has_uv else None)
    monkeypatch.setattr(machine, "pip_settings", lambda python: settings)
    assert choose_installer(asked, Path("python"), offline=offline) == tool


@pytest.mark.parametrize(("asked", "said"), [("conda", "auto, pip, uv, got 'conda'"), ("uv", "no uv is on PATH")])
def test_an_installer_that_is_not_there_is_one_sentence(monkeypatch, asked, said):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InstallError, match=said):
        choose_installer(asked, Path("python"), offline=False)
