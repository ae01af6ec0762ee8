"""The record of a notebook's last validation: what it depended on, when, how long it took, and on what machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lib.course.notebook_file import write_atomically
from lib.workbench.course import Course, CourseError
from lib.workbench.hardware import hardware


@dataclass(frozen=True)
class Validated:
    """`data/validated/NN.json`. `date` is UTC in ISO form, `seconds` those of the whole run."""

    notebook: str
    date: str
    seconds: float
    threads: int
    hardware: str
    inputs: dict[str, str]


def file_of(course: Course, notebook: Path) -> Path:
    return course.root / "data" / "validated" / f"{notebook.name[:2]}.json"


def read(course: Course, notebook: Path) -> Validated | None:
    """The record of `notebook`, None when there is none. Raises CourseError when the file is damaged."""
    file = file_of(course, notebook)
    if not file.is_file():
        return None
    try:
        return Validated(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        shown = file.relative_to(course.root).as_posix()
        raise CourseError(
            f"{shown} is damaged; `git checkout {shown}` brings the committed one back, or `make store "
            f"NB={notebook.name[:2]}` writes it anew."
        ) from error


def renew(course: Course, notebook: Path, before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Let the record of `notebook` have the inputs `now` where it had `before`: nothing ran; whether it did.

    For outputs that say something of the evidence, written anew: date and seconds stay those of the last run.
    """
    record = read(course, notebook)
    if record is None or record.inputs != dict(before) or before == now:
        return False
    _write(course, notebook, replace(record, inputs=dict(sorted(now.items()))))
    return True


def write(course: Course, notebook: Path, inputs: dict[str, str], *, seconds: float, threads: int) -> Path:
    """Record that `notebook` was just executed with these inputs and held; the file written."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = Validated(notebook.name, now, round(seconds, 1), threads, hardware(), dict(sorted(inputs.items())))
    return _write(course, notebook, record)


def _write(course: Course, notebook: Path, record: Validated) -> Path:
    file = file_of(course, notebook)
    write_atomically(file, (json.dumps(asdict(record), indent=1) + "\n").encode())
    return file
