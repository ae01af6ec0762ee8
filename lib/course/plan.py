"""Which notebooks `make validate` runs, and in which order: those that changed, and the one checked longest ago."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.course import fingerprint, validated
from lib.workbench.course import Course

UNKNOWN_SECONDS = 300.0
"""What a notebook without a record is taken to need."""
SLOWER = 1.5
"""A notebook is begun only where this multiple of its recorded time is left."""
SHOWN = 3
"""So many of the inputs that changed are named."""


@dataclass(frozen=True)
class Job:
    """One notebook to run: why (what changed, or its turn), and the seconds that it took when it was recorded."""

    notebook: Path
    why: str
    seconds: float
    inputs: Mapping[str, str]
    must: bool = True
    """Whether leaving it out is a failure: it changed, or it was asked for by name."""

    @property
    def number(self) -> str:
        return self.notebook.name[:2]


@dataclass(frozen=True)
class Plan:
    """`jobs` in the order to run them; `unchanged` are proved by their digests: their stored ledgers count."""

    jobs: tuple[Job, ...]
    unchanged: tuple[Path, ...]

    def __str__(self) -> str:
        lines = [f"{job.number} runs, about {job.seconds / 60:.1f} minutes ({job.why})" for job in self.jobs]
        if self.unchanged:
            lines.append(
                f"{_numbers(self.unchanged)} unchanged, with all that they depend on: their stored ledgers count"
            )
        return "\n".join(lines)


def plan(course: Course, asked: Sequence[Path] = (), *, everything: bool = False) -> Plan:
    """The plan for all notebooks, or for those `asked` for, which run whether or not they changed."""
    jobs, unchanged = [], []
    for notebook in asked or course.notebooks():
        record, now = validated.read(course, notebook), fingerprint.inputs(course, notebook)
        seconds = record.seconds if record else UNKNOWN_SECONDS
        if asked or everything:
            jobs.append(Job(notebook, "asked for", seconds, now))
        elif record is None:
            jobs.append(Job(notebook, "never validated", seconds, now))
        elif names := fingerprint.changed(record.inputs, now):
            jobs.append(Job(notebook, _shortly(names), seconds, now))
        else:
            unchanged.append((record.date, notebook, seconds, now))
    turn = _in_turn(unchanged)
    return Plan(
        (*sorted(jobs, key=lambda job: -job.seconds), *turn),
        tuple(notebook for _, notebook, *_ in unchanged if notebook not in {job.notebook for job in turn}),
    )


def _in_turn(unchanged: Iterable[tuple[str, Path, float, dict[str, str]]]) -> list[Job]:
    """The unchanged notebook with the oldest record, as a job that may be left out."""
    oldest = sorted(unchanged, key=lambda row: (row[0], row[1].name))[:1]
    return [Job(path, "its turn: the oldest record", seconds, now, must=False) for _, path, seconds, now in oldest]


def fits(job: Job, pace: float, seconds_left: float) -> bool:
    """Whether a job can be begun: `pace` is how much slower than recorded this machine was so far, at least 1."""
    return SLOWER * max(pace, 1.0) * job.seconds <= seconds_left


def _shortly(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"changed: {', '.join(names[:SHOWN])}{more}"


def _numbers(notebooks: Iterable[Path]) -> str:
    return ", ".join(path.name[:2] for path in notebooks)
