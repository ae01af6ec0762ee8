"""The ledger as text."""

from __future__ import annotations

import pytest

from lib.course.ledger_text import cut, table
from lib.workbench.claims import Ledger
from lib.workbench.verdicts import at_least


def record(scale: str = "laptop", *values: float) -> dict:
    claims = Ledger(None, scale)
    for number, value in enumerate(values):
        claims.add(
            f"J{number}", says="It is " + "very " * number + "good", paper="1", here="h", holds=at_least(value, 2)
        )
    return {"scale": scale, "claims": claims.rows()}


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def test_each_claim_has_its_verdict_over_the_seeds_and_that_of_this_run():
    ledger = record("laptop", 3.0, 1.0)
    evidence = {"scale": "laptop", "runs": [{"seed": seed, "claims": ledger["claims"]} for seed in range(3)]}
    head, first, second, last = table(ledger, evidence)
    assert head.split("  ")[0].strip() == "id" and "over the seeds" in head
    assert [first.split()[0], *first.split()[2:4]] == ["J0", "reproduced", "holds"] and "3, wanted" in first
    assert "contradicted" in second and "does not hold" in second
    assert last == "2 claims in this run; holds: 1, does not hold: 1, not shown: 0"


def test_without_evidence_claims_are_open():
    assert " open " in table(record("laptop", 3.0), None)[1]


def test_a_smoke_run_judges_nothing():
    _, row, last = table(record("smoke", 3.0), None)
    assert "not judged" in row and "holds" not in row and last == "1 claim, not judged at smoke scale"


def test_lines_fit_the_terminal_and_columns_stand_below_each_other():
    rows = table(record("laptop", *[1.0] * 30), None)[:-1]
    assert max(map(len, rows)) <= 100 and any("…" in row for row in rows)
    assert len({row.index("  It is") if "  It is" in row else row.index("  claim") for row in rows}) == 1


def test_an_empty_ledger_says_so():
    assert table(record(), None) == ["no claims"]


def test_what_is_cut_ends_in_dots():
    assert (cut("one two", 7), cut("one\n two three", 8)) == ("one two", "one two…")
