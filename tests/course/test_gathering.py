"""Seeds gathered into evidence: all of one code, kept as they come, never another run's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.course.fingerprint import inputs
from lib.course.gathering import gather, keep, moved_on, seeds_of
from lib.workbench.course import CLAIMS_MIME, Course, CourseError


def write(path: Path, text: str, ledger: dict | None = None) -> Path:
    outputs = [{"output_type": "display_data", "data": {CLAIMS_MIME: ledger}}] if ledger else []
    cell = {"cell_type": "code", "metadata": {}, "source": [text], "outputs": outputs}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": [cell], "metadata": {}}))
    return path


class Runs:
    """Stands in for papermill: makes an executed copy and counts; `before` is called first."""

    def __init__(self, course: Course, before=lambda seed: None, **wrong: object):
        self.course, self.before, self.wrong, self.seeds = course, before, wrong, []

    def __call__(self, seed: int) -> Path:
        self.before(seed)
        self.seeds.append(seed)
        claim = {"id": "J1", "holds": seed < 2, "seeds": 9}
        ledger = {"paper": "01-jamba", "scale": "laptop", "seed": seed, "seconds": 9.0, "claims": [claim]}
        return write(self.course.build / "runs" / f"{seed}.ipynb", "x = 1", ledger | self.wrong)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    write(tmp_path / "notebooks" / "01_jamba.ipynb", "x = 1")
    return Course(tmp_path)


def gathered(course: Course, seeds, run) -> Path:
    return gather(course, course.notebook("01"), "laptop", seeds, run)


def test_the_record_holds_every_seed_and_the_digests_of_their_code(course):
    file = gathered(course, [2, 0, 1], Runs(course))
    record = json.loads(file.read_text())
    assert file == course.root / "data" / "evidence" / "01-jamba.json"
    assert [(run["seed"], run["claims"][0]["holds"]) for run in record["runs"]] == [(0, True), (1, True), (2, False)]
    assert {"cells", "torch", "python"} - record["inputs"].keys() <= {"torch"}
    assert moved_on(course, course.notebook("01"), record) == []


def test_another_scale_has_a_file_of_its_own(course):
    file = gather(course, course.notebook("01"), "long", [0], Runs(course, scale="long"))
    assert file.name == "01-jamba-long.json"


def test_an_interrupted_gathering_goes_on_where_it_stopped(course):
    def fail(seed: int) -> None:
        if seed == 2:
            raise KeyboardInterrupt

    first = Runs(course, before=fail)
    with pytest.raises(KeyboardInterrupt):
        gathered(course, [0, 1, 2], first)
    assert first.seeds == [0, 1] and not course.evidence(course.notebook("01")).exists()
    second = Runs(course)
    gathered(course, [0, 1, 2], second)
    assert second.seeds == [2]


def test_the_run_that_was_stored_is_one_of_the_evidence(course):
    notebook = course.notebook("01")
    ledger = {
        "paper": "01-jamba",
        "scale": "laptop",
        "seed": 0,
        "seconds": 3.0,
        "claims": [{"id": "J1", "holds": False}],
    }
    keep(course, notebook, inputs(course, notebook), ledger)
    runs = Runs(course)
    record = json.loads(gathered(course, [0, 1], runs).read_text())
    assert runs.seeds == [1] and record["runs"][0]["seconds"] == 3.0

    cells = json.loads(notebook.read_text())
    cells["cells"][0] |= {"metadata": {"tags": ["nbval-check-output"]}, "outputs": []}
    notebook.write_text(json.dumps(cells))
    gathered(course, [0], Runs(course))
    cells["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["1"]}]
    notebook.write_text(json.dumps(cells))
    never = Runs(course)
    gathered(course, [0], never)
    assert never.seeds == [], "what executing writes is no input"

    write(notebook, "x = 2")
    gathered(course, [0, 1], runs)
    assert runs.seeds == [1, 0, 1], "a ledger of other code does not count"


def test_a_seed_that_ran_with_other_code_runs_again(course):
    gathered(course, [0, 1], Runs(course))
    write(course.root / "notebooks" / "01_jamba.ipynb", "x = 2")
    again = Runs(course)
    gathered(course, [0, 1], again)
    assert again.seeds == [0, 1]


def test_code_that_changes_while_a_seed_runs_leaves_the_file_as_it_was(course):
    def edit(seed: int) -> None:
        if seed == 1:
            write(course.root / "notebooks" / "01_jamba.ipynb", "x = 2")

    with pytest.raises(CourseError, match="cells changed while seed 1 ran: nothing is written"):
        gathered(course, [0, 1], Runs(course, before=edit))
    assert not course.evidence(course.notebook("01")).exists()


@pytest.mark.parametrize("wrong", [{"seed": 7}, {"scale": "smoke"}, {"paper": "02-mixture-of-depths"}])
def test_the_ledger_of_another_run_is_refused(course, wrong):
    with pytest.raises(CourseError, match="the ledger must be of the run asked for"):
        gathered(course, [0], Runs(course, **wrong))
    assert not course.evidence(course.notebook("01")).exists()


def test_evidence_names_what_has_changed_since(course):
    record = json.loads(gathered(course, [0], Runs(course)).read_text())
    write(course.root / "notebooks" / "01_jamba.ipynb", "x = 2")
    assert moved_on(course, course.notebook("01"), record) == ["cells"]
    assert moved_on(course, course.notebook("01"), {"runs": []}) == []


@pytest.mark.parametrize(("text", "seeds"), [("0 1", [0, 1]), ("3,4", [3, 4]), (" 5 ", [5])])
def test_seeds_come_by_spaces_or_commas(text, seeds):
    assert seeds_of(text) == seeds


@pytest.mark.parametrize("text", ["", "1 1", "-1", "one"])
def test_seeds_are_different_whole_numbers(text):
    with pytest.raises(CourseError):
        seeds_of(text)


def test_other_seeds_of_the_same_code_stay_in_the_file(course, capsys):
    gathered(course, [0, 1, 2, 3, 4], Runs(course))
    runs = Runs(course)
    record = json.loads(gathered(course, [2], runs).read_text())
    assert [run["seed"] for run in record["runs"]] == [0, 1, 2, 3, 4] and runs.seeds == []
    assert "01-jamba.json held other seeds too (0, 1, 3, 4): they, of the same code, stay" in capsys.readouterr().out


def test_that_seeds_of_earlier_code_go_is_said(course, capsys):
    gathered(course, [0, 1, 2], Runs(course))
    write(course.root / "notebooks" / "01_jamba.ipynb", "x = 2")
    record = json.loads(gathered(course, [0], Runs(course)).read_text())
    assert [run["seed"] for run in record["runs"]] == [0]
    assert "held other seeds too (1, 2): they, of earlier code, are replaced" in capsys.readouterr().out


def test_a_damaged_file_is_written_anew(course):
    file = course.evidence(course.notebook("01"))
    file.parent.mkdir(parents=True)
    file.write_text("{")
    assert len(json.loads(gathered(course, [0, 1], Runs(course)).read_text())["runs"]) == 2
