"""How claims are judged for the scoreboard."""

from __future__ import annotations

import pytest

from lib.course.scoreboard import table
from lib.workbench.course import PAPERS, Course
from lib.workbench.evidence import lost_claim, steadfast, verdict


def evidence(*said: bool | None) -> dict:
    claim = {"id": "J1", "paper": "p", "here": "h", "kind": "measured"}
    return {"paper": "01-jamba", "runs": [{"claims": [claim | {"holds": holds}]} for holds in said]}


@pytest.mark.parametrize(
    ("here", "seeds", "expected"),
    [
        (True, [True] * 3, "reproduced"),
        (True, [True] * 2, "not shown"),
        (True, [], "not shown"),
        (True, [True, True, False], "not shown"),
        (True, [True, True, None], "not shown"),
        (False, [True] * 5, "not shown"),
        (False, [False] * 3, "not reproduced"),
        (False, [False, None, False], "not reproduced"),
        (False, [False] * 2, "not shown"),
        (None, [None] * 3, "not shown"),
    ],
)
def test_a_measured_claim_counts_from_three_agreeing_seeds(here, seeds, expected):
    assert verdict({"id": "J1", "kind": "measured", "holds": here}, evidence(*seeds)) == expected


@pytest.mark.parametrize("kind", ["computed", "parity"])
@pytest.mark.parametrize(("here", "expected"), [(True, "reproduced"), (False, "not reproduced"), (None, "not shown")])
def test_computed_and_parity_claims_need_no_seeds(kind, here, expected):
    assert verdict({"id": "J1", "kind": kind, "holds": here}, None) == expected


def test_a_seed_that_did_not_record_the_claim_does_not_count_as_holding():
    record = evidence(True, True, True)
    record["runs"][1]["claims"] = []
    assert verdict({"id": "J1", "kind": "measured", "holds": True}, record) == "not shown"
    assert steadfast(record) == []


def test_every_paper_has_a_row_and_what_is_not_built_is_to_come(tmp_path):
    rows = table(Course(tmp_path)).splitlines()[2:]
    assert len(rows) == len(PAPERS) == 15
    assert all("to come" in row for row in rows)


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ([{"id": "J1", "holds": False, "paper": "p", "here": "0.1"}], "does not hold now: the paper says p; here 0.1."),
        ([{"id": "J1", "holds": None, "paper": "p", "here": "0.1"}], "is not shown now"),
        ([{"id": "J2", "holds": True, "paper": "p", "here": "0.1"}], "does not examine it now."),
    ],
)
def test_a_claim_that_held_in_every_seed_and_stops_holding_is_named(claims, says):
    record = evidence(True, True)
    assert steadfast(record) == ["J1"]
    assert says in lost_claim(record, "J1", {"claims": claims})


def test_a_claim_that_wavered_over_seeds_is_no_promise():
    assert steadfast(evidence(True, False)) == []


def test_a_holding_claim_is_not_lost_and_a_missing_ledger_is():
    assert lost_claim(evidence(True), "J1", {"claims": [{"id": "J1", "holds": True}]}) is None
    assert "recorded no ledger" in lost_claim(evidence(True), "J1", None)
