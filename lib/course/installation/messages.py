"""What set-up says: a line a stage, a sentence for what went wrong, and on a terminal the last line of the log."""

from __future__ import annotations

import shutil
import sys


class InstallError(Exception):
    """What went wrong and what to do about it, in one sentence."""


class Stages:
    """`1 of 3: ...`, so that a long set-up says where it is."""

    def __init__(self, total: int):
        self.total, self.begun = total, 0

    def begin(self, what: str) -> None:
        self.begun += 1
        say(f"{self.begun} of {self.total}: {what}.")


def say(sentence: str) -> None:
    print(f"Paper Workbench: {sentence}", flush=True)


def show_progress(line: str) -> None:
    """Show `line` in place of the one before, on a terminal only; an empty one wipes it away."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[K{line.strip()[:width]}", end="", flush=True)
