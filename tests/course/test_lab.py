"""JupyterLab is started on the folder where the working copies lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lib.course.commands import main
from lib.workbench.course import Course


@pytest.mark.parametrize("shared", [False, True])
def test_lab_opens_the_first_working_copy_where_it_lies(tmp_path, monkeypatch, shared):
    root, own = tmp_path / "course", tmp_path / "mine"
    (root / "notebooks").mkdir(parents=True)
    (root / "notebooks" / "00_start_here.ipynb").write_text("door")
    if shared:
        monkeypatch.setenv("WORKBENCH_WORK", str(own))
    monkeypatch.chdir(tmp_path)
    started = []
    monkeypatch.setattr(os, "execv", lambda program, words: started.append((program, words, Path.cwd())))
    assert main(["lab", "--arguments=--allow-root --ip 'a b'"], Course(root)) == 0
    place = own if shared else root
    [(program, words, folder)] = started
    assert (program, folder) == (sys.executable, place)
    assert words[1:6] == ["-m", "jupyterlab", "--allow-root", "--ip", "a b"]
    assert words[6:] == [f"--ServerApp.root_dir={place}", "work/00_start_here.ipynb"]
    assert (place / "work" / "00_start_here.ipynb").read_text() == "door"


def test_arguments_that_a_shell_could_not_read_are_one_sentence(tmp_path, capsys):
    assert main(["lab", "--arguments='a"], Course(tmp_path)) == 2
    assert (
        capsys.readouterr().err
        == """LAB_ARGS must be words as a shell reads them, got "'a" (No closing quotation).\n"""
    )
