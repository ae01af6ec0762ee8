"""`make evidence`: one run of a notebook for each seed, all of the same code, into one file of `data/evidence`.

A seed that has run is kept under build/evidence with the digests of what it depended on; `make store` keeps its own. An
interrupted gathering goes on from there; a ledger of other code is never used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lib.course import fingerprint
from lib.course.notebook_file import write_atomically
from lib.workbench import evidence
from lib.workbench.course import Course, CourseError, check_scale, check_seed, paper_id, read_ledger, read_record


def seeds_of(text: str) -> list[int]:
    """The seeds in `text`, by spaces or commas. Raises CourseError unless they are different whole numbers."""
    numbers = [check_seed(seed) for seed in text.replace(",", " ").split()]
    if not numbers or len(set(numbers)) != len(numbers):
        raise CourseError(f"SEEDS must list different whole numbers from 0 on, got {text!r}.")
    return numbers


def gather(course: Course, notebook: Path, scale: str, seeds: Sequence[int], run: Callable[[int], Path]) -> Path:
    """Write what the claims of `notebook` showed over the seeds; `run(seed)` gives the executed copy.

    The file is replaced only when every seed has run. Other seeds of the same code that it holds stay in it; those of
    earlier code go, and a sentence says so. Raises CourseError when the code changed meanwhile, or a copy
    shows no ledger or that of another run.
    """
    check_scale(scale)
    inputs, ledgers = fingerprint.inputs(course, notebook), []
    for seed in seeds:
        ledger, how = _kept(_place(course, notebook, scale, seed), inputs), " (ran before)"
        if ledger is None:
            ledger, how = _checked(run(seed), notebook, scale, seed), ""
            if moved := fingerprint.changed(inputs, fingerprint.inputs(course, notebook), written=False):
                raise CourseError(f"{', '.join(moved)} changed while seed {seed} ran: nothing is written; begin again.")
            keep(course, notebook, inputs, ledger)
        ledgers.append(ledger)
        held = [claim["id"] for claim in ledger["claims"] if claim["holds"] is True]
        print(f"seed {seed}{how}: {len(held)} of {len(ledger['claims'])} claims hold ({', '.join(held)})", flush=True)
    file = course.evidence(notebook, scale)
    ledgers += _others(file, inputs, seeds)
    record = evidence.gather(notebook, scale, ledgers) | {"inputs": inputs}
    write_atomically(file, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    return file


def _others(file: Path, inputs: Mapping[str, str], seeds: Sequence[int]) -> list[dict]:
    """The runs of other seeds that the file holds, where they are of the same code; none of a file that is damaged.

    A sentence says what becomes of them.
    """
    try:
        record = read_record(file) or {"runs": []}
    except CourseError:
        return []
    runs = [run for run in record["runs"] if run["seed"] not in seeds]
    if not runs:
        return []
    listed = ", ".join(str(run["seed"]) for run in runs)
    same = not fingerprint.changed(record["inputs"], inputs, written=False) if record.get("inputs") else False
    what = "of the same code, stay" if same else "of earlier code, are replaced"
    print(f"{file.name} held other seeds too ({listed}): they, {what}", flush=True)
    return runs if same else []


def keep(course: Course, notebook: Path, inputs: Mapping[str, str], ledger: Mapping[str, object]) -> Path:
    """Keep the ledger of one run, so that its seed need not run again while `inputs` stay as they are; the file."""
    file = _place(course, notebook, ledger["scale"], ledger["seed"])
    write_atomically(file, json.dumps({"inputs": dict(inputs), "ledger": ledger}).encode())
    return file


def moved_on(course: Course, notebook: Path, record: Mapping[str, object]) -> list[str]:
    """What has changed since the seeds of an evidence record ran; empty as well where the record has no digests."""
    before = record.get("inputs")
    return fingerprint.changed(before, fingerprint.inputs(course, notebook), written=False) if before else []


def _place(course: Course, notebook: Path, scale: str, seed: int) -> Path:
    return course.build / "evidence" / f"{paper_id(notebook)}-{scale}-{seed}.json"


def _kept(file: Path, inputs: Mapping[str, str]) -> dict | None:
    """The ledger that a run of the same code left in `file`."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return None if fingerprint.changed(record["inputs"], inputs, written=False) else record["ledger"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _checked(copy: Path, notebook: Path, scale: str, seed: int) -> dict:
    ledger = read_ledger(copy)
    if ledger is None:
        raise CourseError(f"{notebook.stem} shows no claims ledger; its last code cells must call run.ledger().")
    asked = {"paper": paper_id(notebook), "scale": scale, "seed": seed}
    shown = {name: ledger.get(name) for name in asked}
    if shown != asked:
        raise CourseError(f"the ledger must be of the run asked for, {asked}, got {shown}.")
    return ledger
