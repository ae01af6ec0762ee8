"""The README's table: what is counted, and what is said of it."""

from __future__ import annotations

import json

import pytest

from lib.course.scoreboard import EARLIER, table
from lib.workbench.course import CLAIMS_MIME, PAPERS, Course, CourseError
from lib.workbench.verdicts import at_least


def row(id: str, kind: str, holds: bool, value: float | None = None) -> dict:
    test = {"test": at_least(value, 1).to_json()} if value is not None else {}
    return {"id": id, "kind": kind, "holds": holds, **test}


NEW = [
    row("C1", "paper", True, 2),
    row("C2", "paper", False, 0),
    row("O1", "ours", True, 3),
    row("P1", "check", True, 1),
]
OLD = [
    row("C1", "measured", True),
    row("C2", "measured", False),
    row("P1", "parity", True),
    row("P2", "computed", False),
]


@pytest.fixture
def course(tmp_path):
    def write(claims: list[dict], evidence: list[dict] | None, scale: str = "laptop") -> Course:
        ledger = {"paper": "01-jamba", "scale": scale, "seconds": 90.0, "claims": claims}
        cell = {"cell_type": "code", "source": [], "outputs": [{"data": {CLAIMS_MIME: ledger}}]}
        (tmp_path / "notebooks").mkdir()
        (tmp_path / "notebooks" / "01_jamba.ipynb").write_text(json.dumps({"cells": [cell]}))
        if evidence is not None:
            (tmp_path / "data" / "evidence").mkdir(parents=True)
            record = {"paper": "01-jamba", "runs": [{"seed": seed, "claims": evidence} for seed in range(3)]}
            (tmp_path / "data" / "evidence" / "01-jamba.json").write_text(json.dumps(record))
        return Course(tmp_path)

    return write


def cells(course: Course) -> list[str]:
    return [cell.strip() for cell in table(course).splitlines()[2].strip("|").split("|")]


def test_the_papers_claims_are_counted_by_verdict_and_ours_and_checks_stand_beside_them(course):
    checkout = course(NEW, NEW)
    assert cells(checkout)[3:] == ["1", "1", "0", "1 of 1", "1 of 1", "1.5"]
    assert EARLIER not in table(checkout) and "\\*" not in table(checkout)


def test_without_seeds_only_checks_count(course):
    assert cells(course(NEW, None))[3:] == ["0", "0", "2", "0 of 1", "1 of 1", "1.5"]


def test_evidence_of_earlier_code_is_judged_by_counts_marked_and_explained(course):
    checkout = course(OLD, OLD)
    assert cells(checkout)[3:] == ["1", "1", "0", "", "1 of 2", "1.5"]
    assert cells(checkout)[1].endswith("\\*") and table(checkout).endswith(f"|\n\n{EARLIER}")


def test_predicates_in_the_notebook_do_not_hide_that_its_evidence_is_earlier(course):
    assert EARLIER in table(course(NEW, OLD))


@pytest.mark.parametrize("scale", ["smoke", "long"])
def test_a_ledger_of_another_scale_is_refused_with_the_remedy(course, scale):
    with pytest.raises(CourseError, match=r"executed at laptop scale.*`git restore notebooks/01_jamba.ipynb`"):
        table(course(NEW, NEW, scale))


def test_every_paper_has_a_row_of_all_columns_and_what_is_not_built_is_to_come(tmp_path):
    head, rule, *rows = table(Course(tmp_path)).splitlines()
    assert len(rows) == len(PAPERS) == 15
    assert all("to come" in text for text in rows)
    assert {text.count("|") for text in (head, rule, *rows)} == {10}
