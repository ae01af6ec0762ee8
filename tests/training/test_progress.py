"""The progress line in a terminal, in a notebook, and in a log."""

from __future__ import annotations

import sys
from types import SimpleNamespace

from lib.training import progress
from lib.training import progress as progress_function


class Terminal:
    def __init__(self, monkeypatch, is_terminal=True):
        self.text, self.is_terminal, self.encoding = "", is_terminal, "utf-8"
        monkeypatch.setattr(sys, "stderr", self)
        monkeypatch.delitem(sys.modules, "IPython", raising=False)

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return self.is_terminal


def test_terminal_shows_label_values_and_time(monkeypatch):
    terminal = Terminal(monkeypatch)
    with progress(3, "hybrid", initial=1) as meter:
        meter.advance(loss=2.5)
        meter.advance(loss=1.25)
    last = terminal.text.strip().split("\r")[-1]
    assert "hybrid: 100%" in last and "3/3" in last and "loss 1.25" in last


def test_log_and_silent_runs_show_nothing(monkeypatch):
    terminal = Terminal(monkeypatch, is_terminal=False)
    for show in (True, False):
        with progress_function(2, show=show) as meter:
            meter.advance(loss=1.0)
    assert terminal.text == ""


def test_notebook_keeps_one_line_in_one_output(monkeypatch):
    shown = []

    class Handle:
        def update(self, content):
            shown.append(repr(content))

    def display(content, display_id):
        assert display_id
        return Handle()

    terminal = Terminal(monkeypatch, is_terminal=False)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1)))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    with progress(400, "hybrid") as meter:
        for step in range(400):
            meter.advance(loss=1 / (1 + step))
    assert "hybrid: 100%" in shown[-1] and "400/400" in shown[-1] and "loss 0.0025" in shown[-1]
    assert all("\n" not in line and "\r" not in line for line in shown)
    assert len(shown) < 50  # drawn a few times a second, not at every step
    assert terminal.text == ""
