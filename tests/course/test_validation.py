"""`make validate` on tiny notebooks: what runs, what is compared, what is recorded, what fails and with which words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lib.course import fingerprint, validated
from lib.course.commands import main
from lib.course.plan import Job, Plan
from lib.course.validation import Outcome, Validation, missing_evidence, said, validate
from lib.workbench.course import CLAIMS_MIME, Course, CourseError

ROOT = Path(__file__).resolve().parents[2]
SHOW = """
import json, os, pathlib
claim = dict(id="J1", says="s", paper="p", here="1", kind="paper", timed=TIMED, holds=HOLDS)
ledger = dict(paper=PAPER, scale="laptop", seed=0, seconds=9.0, device="cpu", claims=[claim])
pathlib.Path(os.environ["WORKBENCH_LEDGERS"], PAPER + ".json").write_text(json.dumps(ledger))
"""
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def cell(text: str, *tags: str, shows: str = "", ledger: dict | None = None) -> dict:
    outputs = [{"name": "stdout", "output_type": "stream", "text": shows}] if shows else []
    if ledger:
        outputs.append({"output_type": "display_data", "data": {CLAIMS_MIME: ledger}, "metadata": {}})
    identity = f"c{abs(hash((text, tags)))}"[:20]
    head = {"cell_type": "code", "execution_count": 1, "id": identity, "metadata": {"tags": list(tags)}}
    return head | {"outputs": outputs, "source": text}


def write(course: Course, name: str, *cells: dict) -> Path:
    notebook = {"cells": list(cells), "metadata": {"kernelspec": KERNEL}, "nbformat": 4, "nbformat_minor": 5}
    path = course.root / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(notebook))
    return path


def promising(course: Course, name: str, holds: str, *, stored: bool = True, timed: bool = False) -> Path:
    """A notebook whose claim J1 held in three seeds, holds in the stored ledger or not, and is `holds` when it runs."""
    paper = name.replace("_", "-")
    claim = {"id": "J1", "says": "s", "paper": "p", "here": "1", "kind": "paper", "timed": timed, "holds": True}
    runs = [{"seed": seed, "seconds": 9.0, "claims": [claim]} for seed in range(3)]
    file = course.root / "data" / "evidence" / f"{paper}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"paper": paper, "runs": runs}))
    text = SHOW.replace("TIMED", str(timed)).replace("HOLDS", holds).replace("PAPER", repr(paper))
    ledger = {"paper": paper, "scale": "laptop", "seed": 0, "seconds": 9.0, "claims": [claim | {"holds": stored}]}
    return write(course, name, cell(text, ledger=ledger))


def recorded(course: Course, notebook: Path, seconds: float = 9.0) -> None:
    validated.write(course, notebook, fingerprint.inputs(course, notebook), seconds=seconds, threads=2)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    shutil.copytree(ROOT / "tests" / "validation", tmp_path / "tests" / "validation")
    return Course(tmp_path)


@pytest.mark.slow
def test_a_notebook_that_changed_runs_is_compared_and_recorded(course, capfd):
    path = write(
        course, "01_jamba", cell("print(1 + 3)", "nbval-check-output", shows="4\n"), cell("print(5)", shows="6")
    )
    assert main(["validate"], course) == 0
    out = capfd.readouterr().out
    assert "01 runs, about 5.0 minutes (never validated)" in out and "01 ok, " in out
    assert "1 passed" in out.splitlines()[-1]
    assert validated.read(course, path).inputs == fingerprint.inputs(course, path)


@pytest.mark.slow
def test_another_output_than_the_stored_fails_with_nbvals_words_and_no_record(course, capfd):
    path = write(course, "01_jamba", cell("print(1 + 3)", "nbval-check-output", shows="3\n"))
    assert validate(course, "01") == 1
    out = capfd.readouterr().out
    assert "01 failed, " in out and "differs from what is stored" in out and "mismatch" in out
    assert "1 failed" in out.splitlines()[-1] and validated.read(course, path) is None


@pytest.mark.slow
def test_unchanged_notebooks_are_judged_by_their_stored_ledgers_and_one_has_its_turn(course, capfd):
    for name in ("01_jamba", "02_b", "03_c"):
        recorded(course, promising(course, name, "True"))
    assert validate(course) == 0
    out = capfd.readouterr().out
    assert "02, 03 unchanged" in out and "01 ok" in out and "4 passed" in out.splitlines()[-1]

    recorded(course, promising(course, "03_c", "True", stored=False))
    assert validate(course) == 1
    assert "03-c: claim J1 held in all 3 seeds of the evidence, but does not hold now" in capfd.readouterr().out


@pytest.mark.slow
def test_a_promise_that_the_run_does_not_keep_fails_and_leaves_no_record(course, capfd):
    path = promising(course, "01_jamba", "False")
    assert validate(course, "01") == 1
    out = capfd.readouterr().out
    assert "claim J1 held in all 3 seeds" in out and "1 failed, 1 passed" in out.splitlines()[-1]
    assert validated.read(course, path) is None


@pytest.mark.slow
def test_a_claim_about_times_is_tried_again_alone(course, capfd):
    once = "(lambda f: f.exists() or f.touch())(pathlib.Path('once'))"
    promising(course, "01_jamba", f"bool({once})", timed=True)
    assert validate(course, "01", jobs=2) == 0
    assert "01 runs again, alone: a claim about times did not hold" in capfd.readouterr().out


@pytest.mark.slow
def test_what_changed_and_found_no_time_fails_with_the_command_and_its_turn_does_not(course, capfd):
    write(course, "01_jamba", cell("1"))
    recorded(course, write(course, "02_b", cell("2")))
    assert validate(course, minutes=0.01) == 1
    out = capfd.readouterr().out
    assert "01 left out (never validated)" in out
    assert "found no time: run `make validate NB=01` and commit data/validated" in out
    assert "1 failed, 3 skipped" in out.splitlines()[-1]


def test_one_notebook_alone_gets_both_cores(course, monkeypatch):
    threads = []
    monkeypatch.setattr(Validation, "run_one", lambda self, job: threads.append(self.threads) or Outcome("01_b", "ok"))
    monkeypatch.setattr(Validation, "judge", lambda *_: 0)
    monkeypatch.setattr("lib.course.validation.fingerprint.inputs", lambda *_: {})
    for numbers in (("01",), ("01", "02")):
        jobs = [Job(course.root / f"{number}_b.ipynb", "", 10.0, {"cells": ""}) for number in numbers]
        monkeypatch.setattr(Validation, "record", lambda *_: None)
        Validation(course, jobs=2).run(Plan(tuple(jobs), ()))
    assert threads == [2, 1, 1]


def test_a_pace_slower_than_recorded_leaves_out_what_would_not_end(course, monkeypatch):
    jobs = [Job(course.root / f"{number}.ipynb", "", 10.0, {}) for number in ("01", "02")]
    validation = Validation(course, minutes=1.0)
    monkeypatch.setattr(validation, "left", lambda: 40.0)
    monkeypatch.setattr(validation, "run_one", lambda job: Outcome(job.notebook.stem, "ok", 30.0))
    assert [outcome.state for outcome in validation.run_jobs(jobs)] == ["ok", "left out"]


def test_one_line_says_what_came_of_a_notebook(capsys):
    said(Outcome("02_b", "failed", 312.4, "changed: cells", log="build/validate/02_b.log"))
    assert capsys.readouterr().out == "02 failed, 312 s (changed: cells), see build/validate/02_b.log\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--minutes", "soon"], "MINUTES must be a number above 0"),
        (["--jobs", "0.5"], "JOBS must be 1 or more, got '0.5'"),
    ],
)
def test_a_wrong_option_is_one_sentence(course, capsys, options, words):
    write(course, "01_jamba", cell("1"))
    assert main(["validate", *options], course) == 2
    assert words in capsys.readouterr().err


def test_without_notebooks_there_is_nothing_to_validate(course):
    with pytest.raises(CourseError, match="no notebook to validate"):
        validate(course)


@pytest.mark.slow
def test_claims_whose_evidence_is_gone_fail_with_the_way_back(course, capfd):
    recorded(course, promising(course, "01_jamba", "True"))
    (course.root / "data" / "evidence" / "01-jamba.json").unlink()
    assert validate(course) == 1
    out = capfd.readouterr().out
    assert "01_jamba.ipynb shows claims, but data/evidence/01-jamba.json is missing: `git restore" in out


def test_evidence_is_missing_only_where_claims_are_shown(course):
    path = promising(course, "01_jamba", "True")
    assert missing_evidence(course, path) is None
    (course.root / "data" / "evidence" / "01-jamba.json").unlink()
    assert missing_evidence(course, path).endswith("`make evidence NB=01` makes it.")
    assert missing_evidence(course, write(course, "02_mixture_of_depths", cell("1"))) is None
    practice = promising(course, "00_start_here", "True")
    course.evidence(practice).unlink(missing_ok=True)
    assert missing_evidence(course, practice) is None, "rows to practise on need no seeds"
