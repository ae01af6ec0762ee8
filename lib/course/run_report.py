"""What a headless run says while it runs: the section of the notebook it is in, and the training.

A line begins with the minutes since the start: ` 3:05  4 · Train > Experts`. On a terminal the line of a training is
rewritten as it goes on; elsewhere, in a log, a training has one line when it begins and one when it ends.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from typing import TextIO

METER = re.compile(r"\s*(?P<label>.+?): +\d+%\|")
"""How the line of a training begins, see `lib.training.progress`."""
HEADING = re.compile(r"(#{1,3}) +(.+?) *#*$")
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def headings(markdown: str) -> list[tuple[int, str]]:
    """The headings of levels 1 to 3 in a cell, in order, as (level, text); what stands in a fence is none."""
    found, fenced = [], False
    for line in markdown.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and (match := HEADING.match(line)):
            found.append((len(match[1]), LINK.sub(r"\1", match[2]).replace("*", "").replace("`", "")))
    return found


class RunReport:
    """The lines of one run, written to `stream`; without one it only remembers where the run is."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic):
        self.stream, self.clock, self.begun = stream, clock, clock()
        self.live = stream is not None and stream.isatty()
        self._path: dict[int, str] = {}
        self._said = self._label = self._meter = ""

    @property
    def section(self) -> str:
        """Where the run is: `5 · Measure > Experts`; the notebook's title before its first section."""
        below = [text for level, text in sorted(self._path.items()) if level > 1]
        return " > ".join(below) or self._path.get(1, "")

    @property
    def minutes(self) -> float:
        return (self.clock() - self.begun) / 60

    def cell(self, cell_type: str, source: str) -> None:
        """The next cell is reached. A section is named when its first code runs."""
        self.end_training()
        if cell_type == "markdown":
            for level, text in headings(source):
                self._path = {above: title for above, title in self._path.items() if above < level} | {level: text}
        elif cell_type == "code" and self.section != self._said:
            self._said = self.section
            self.line(self._said)

    def shown(self, text: str) -> None:
        """The running cell has shown `text` or changed what it shows; what is no training's line is passed over."""
        match = METER.match(text)
        if match is None:
            return
        if match["label"] != self._label:
            self.end_training()
            self._label = match["label"]
            if not self.live:
                self.line(f"  {self._label}")
        self._meter = text.strip()
        if self.live:
            self._write(f"\r\x1b[K{self._timed(self._meter)}")

    def end_training(self) -> None:
        """Leave the last state of the training's line standing."""
        if self._meter:
            self._write("\n" if self.live else f"{self._timed(self._meter)}\n")
        self._label = self._meter = ""

    def line(self, text: str) -> None:
        self._write(f"{self._timed(text)}\n")

    def _timed(self, text: str) -> str:
        minutes, seconds = divmod(int(self.clock() - self.begun), 60)
        whole = f"{minutes:3d}:{seconds:02d}  {'  ' if text is self._meter else ''}{text}"
        return whole[: shutil.get_terminal_size().columns - 1] if self.live else whole

    def _write(self, text: str) -> None:
        if self.stream is not None:
            self.stream.write(text)
            self.stream.flush()
