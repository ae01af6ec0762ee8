"""The lines of set-up, on a terminal and in a log."""

from __future__ import annotations

import sys

import pytest

from lib.course.installation.messages import Stages, show_progress


def test_stages_are_counted(capsys):
    stages = Stages(2)
    stages.begin("this")
    stages.begin("that")
    assert capsys.readouterr().out == "Paper Workbench: 1 of 2: this.\nPaper Workbench: 2 of 2: that.\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_passing_line_stays_on_a_terminal_and_on_one_row(capsys, monkeypatch, terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", "20")
    show_progress("Downloading a package of a very long name\n")
    shown = capsys.readouterr().out
    assert shown == ("\r\x1b[KDownloading a packa" if terminal else "")
