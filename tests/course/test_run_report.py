"""What a headless run says of where it is; the clock is made up."""

from __future__ import annotations

import importlib
import io

import pytest

from lib.course.run_report import RunReport, headings

METER = "tasks: hybrid:  {}%|███      | 3/10 [00:01<00:02, 3.0step/s, loss 1.5]"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_headings_are_read_without_marks_links_and_what_stands_in_a_fence():
    text = "# 01 · *Jamba*\n```\n# no heading\n```\ntext\n## 2 · [Build `it`](#x) ##\n#no\n#### too deep"
    assert headings(text) == [(1, "01 · Jamba"), (2, "2 · Build it")]


def test_a_section_is_named_once_when_its_code_begins(clock):
    stream = io.StringIO()
    report = RunReport(stream, clock)
    report.cell("markdown", "# 01 · Jamba")
    report.cell("code", "")
    report.cell("markdown", "## 4 · Train")
    report.cell("markdown", "words")
    clock.now += 65
    report.cell("code", "")
    report.cell("code", "")
    report.cell("markdown", "### Experts")
    report.cell("code", "")
    report.cell("markdown", "## 5 · Measure")
    report.cell("code", "")
    said = ["  0:00  01 · Jamba", "  1:05  4 · Train", "  1:05  4 · Train > Experts", "  1:05  5 · Measure"]
    assert stream.getvalue().splitlines() == said
    assert report.section == "5 · Measure" and report.minutes == pytest.approx(65 / 60)


def test_in_a_log_a_training_has_a_line_at_its_beginning_and_one_at_its_end(clock):
    stream = io.StringIO()
    report = RunReport(stream, clock)
    for percent in (" 0", "50"):
        report.shown(METER.format(percent))
        clock.now += 30
    report.shown("0.53 accuracy: 100% of what was asked")
    report.shown("text: hybrid:   1%|   | 1/9")
    report.cell("code", "")
    assert stream.getvalue().splitlines() == [
        "  0:00    tasks: hybrid",
        f"  1:00    {METER.format('50')}",
        "  1:00    text: hybrid",
        "  1:00    text: hybrid:   1%|   | 1/9",
    ]


def test_on_a_terminal_the_line_of_a_training_is_rewritten_and_its_last_state_stays(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    report = RunReport(stream, clock)
    report.shown(METER.format(" 0"))
    report.shown(METER.format("50"))
    report.end_training()
    report.end_training()
    rows = stream.getvalue().split("\r\x1b[K")
    assert rows[0] == "" and [row.strip()[:24] for row in rows[1:]] == ["0:00    tasks: hybrid:  " for _ in range(2)]
    assert all(len(row.rstrip("\n")) == 39 for row in rows[1:]) and stream.getvalue().count("\n") == 1


def test_without_a_stream_a_report_is_silent_and_still_knows_the_section():
    report = RunReport()
    report.cell("markdown", "## 4 · Train")
    report.cell("code", "")
    report.shown(METER.format("10"))
    report.end_training()
    assert report.section == "4 · Train"


def test_the_line_of_a_real_training_is_understood(clock, monkeypatch):
    class Display:
        def update(self, text):
            report.shown(repr(text))

    progress = importlib.import_module("lib.training.progress")  # the room has a function of the same name
    monkeypatch.setattr(progress, "_notebook_output", Display)
    stream = io.StringIO()
    report = RunReport(stream, clock)
    with progress.progress(4, "tasks: hybrid") as meter:
        meter.advance(4, loss=2.5)
    report.end_training()
    begun, ended = stream.getvalue().splitlines()
    assert begun == "  0:00    tasks: hybrid"
    assert ended.startswith("  0:00    tasks: hybrid: 100%|") and "4/4" in ended and "loss 2.5" in ended
