"""What a stored notebook says of the evidence follows the evidence; what it measured stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.course import fingerprint, validated
from lib.course.notebook_file import read, write
from lib.course.scoreboard import END, START
from lib.course.verdicts import summary_text, write_verdicts
from lib.workbench import Ledger, at_least
from lib.workbench.course import CLAIMS_MIME, Course, CourseError
from lib.workbench.summary import render
from tests.workbench.planted import ROW, evidence

SUMMARY = "It recalls {J9.mean:.2f}: {J9}."


def code(text: str, *outputs: dict) -> dict:
    shown = [{"output_type": "display_data", "metadata": {}, "data": data} for data in outputs]
    cell = {"cell_type": "code", "execution_count": 1, "id": f"c{abs(hash(text))}"[:12], "metadata": {}}
    return cell | {"outputs": shown, "source": text.splitlines(keepends=True)}


def lines(bundle: dict) -> dict:
    return {kind: text if kind == CLAIMS_MIME else text.splitlines(keepends=True) for kind, text in bundle.items()}


def executed(ledger: Ledger) -> dict:
    """What a run leaves that showed these claims beside the evidence of its day."""
    record = {"paper": "01-jamba", "scale": "laptop", "seed": 0, "seconds": 90, "claims": ledger.rows()}
    said = render(SUMMARY, ledger)
    cells = [
        code("run.claim('J9')", lines(ledger.row_bundle(ledger["J9"]))),
        code("print(1)", {"text/plain": ["open (a word that is no card)"]}),
        code("run.ledger()", lines(ledger.bundle(record))),
        code(
            f'run.summary(\n    "It recalls "\n    "{SUMMARY[11:]}"\n)',
            lines({"text/markdown": said, "text/plain": said}),
        ),
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def ledger(record: dict | None = None) -> Ledger:
    made = Ledger(record)
    made.add("J9", holds=at_least(0.95, 0.9), **ROW)
    return made


@pytest.fixture
def course(tmp_path: Path) -> Course:
    course = Course(tmp_path)
    course.readme.write_text(f"{START}\n{END}\n")
    write(tmp_path / "notebooks" / "01_jamba.ipynb", executed(ledger()))
    return course


def gathered(course: Course, *values: float) -> dict:
    record = evidence(J9=[at_least(value, 0.9) for value in values])
    file = course.evidence(course.notebook("01"))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record))
    return record


def test_after_new_seeds_the_notebook_is_what_a_run_would_have_left(course):
    record = gathered(course, 0.94, 0.95, 0.96)
    assert write_verdicts(course, "01")
    assert read(course.notebook("01")) == executed(ledger(record))
    card = "".join(read(course.notebook("01"))["cells"][0]["outputs"][0]["data"]["text/plain"])
    assert card.startswith("J9 reproduced") and "this run: holds: 0.95" in card
    assert "| 1 | 0 | 0 |" in course.readme.read_text()


def test_a_compared_cell_that_shows_a_card_does_not_make_the_record_stale(course):
    notebook = course.notebook("01")
    cells = read(notebook)
    cells["cells"][0]["metadata"] = {"tags": ["nbval-check-output"]}
    write(notebook, cells)
    before = fingerprint.inputs(course, notebook)
    validated.write(course, notebook, before, seconds=61.0, threads=1)
    gathered(course, 0.94, 0.95, 0.96)
    assert write_verdicts(course, "01")
    now, record = fingerprint.inputs(course, notebook), validated.read(course, notebook)
    assert fingerprint.changed(before, now) == [fingerprint.COMPARED]
    assert record.inputs == now and record.seconds == 61.0

    gathered(course, 0.1, 0.2, 0.15)
    validated.write(course, notebook, {**now, "cells": "of another state"}, seconds=9.0, threads=1)
    assert write_verdicts(course, "01")
    assert validated.read(course, notebook).inputs["cells"] == "of another state", "what was stale stays stale"


def test_without_seeds_nothing_is_claimed(course):
    gathered(course, 0.1, 0.2, 0.15)
    write_verdicts(course, "01")
    course.evidence(course.notebook("01")).unlink()
    assert write_verdicts(course, "01") and read(course.notebook("01")) == executed(ledger())


def test_what_is_true_already_is_left_alone(course):
    before = course.notebook("01").read_bytes()
    assert not write_verdicts(course, "01") and course.notebook("01").read_bytes() == before


def test_a_notebook_without_a_ledger_is_one_sentence(course):
    write(course.root / "notebooks" / "00_start_here.ipynb", {"cells": [code("1")], "metadata": {}})
    with pytest.raises(CourseError, match="has no ledger with predicates: `make store NB=00` makes one"):
        write_verdicts(course, "00")


def test_a_summary_that_names_what_the_evidence_lacks_is_one_sentence_and_nothing_is_written(course):
    path = course.notebook("01")
    write(path, json.loads(path.read_text().replace("{J9.mean:.2f}", "{J9.gain.mean:.2f}")))
    gathered(course, 0.94, 0.95, 0.96)
    before = path.read_bytes()
    with pytest.raises(CourseError, match=r"01_jamba.ipynb is unchanged: text must name a field of J9"):
        write_verdicts(course, "01")
    assert path.read_bytes() == before


@pytest.mark.parametrize(("text", "found"), [('run.summary("a" "b")', "ab"), ("x = 1\n%time x", None), ("f(x)", None)])
def test_the_text_of_a_summary(text, found):
    assert summary_text(text) == found
