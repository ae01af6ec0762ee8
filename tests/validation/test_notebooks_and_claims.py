"""What came of the notebooks that `make validate` ran, and whether what every seed showed still holds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.course.validation import missing_evidence
from lib.workbench.course import Course
from lib.workbench.evidence import lost_claim, promises

COURSE = Course(Path(__file__).resolve().parents[2])
FOLDER = Path(os.environ.get("WORKBENCH_LEDGERS", "nowhere"))
OUTCOMES = FOLDER / "outcomes.json"
ENDED = json.loads(OUTCOMES.read_text(encoding="utf-8")) if OUTCOMES.exists() else []
TAIL = 40
"""Lines of a failed notebook's log that are shown."""


def promised() -> Iterator[pytest.param]:
    """(evidence, claim) for each claim of a validated notebook that held in all its seeds."""
    for name in os.environ.get("WORKBENCH_VALIDATED", "").split():
        record = COURSE.read_evidence(COURSE.notebook(name))
        for claim in promises(record) if record else ():
            yield pytest.param(record, claim, id=f"{record['paper']}-{claim}")


@pytest.mark.parametrize("outcome", ENDED, ids=[outcome["notebook"] for outcome in ENDED])
def test_a_notebook_runs_and_prints_what_is_stored(outcome: dict) -> None:
    name, number = outcome["notebook"], outcome["notebook"][:2]
    if outcome["state"] == "failed":
        log = (COURSE.root / outcome["log"]).read_text(encoding="utf-8").splitlines()
        pytest.fail("\n".join([f"{name} differs from what is stored, or a cell raised:", *log[-TAIL:]]), pytrace=False)
    if outcome["state"] != "ok":
        sentence = (
            f"{name} ({outcome['why']}) found no time: run `make validate NB={number}` and commit data/validated."
        )
        pytest.fail(sentence, pytrace=False) if outcome["must"] else pytest.skip(sentence)


VALIDATED = [COURSE.notebook(name) for name in os.environ.get("WORKBENCH_VALIDATED", "").split()]
MISSING = [sentence for notebook in VALIDATED if (sentence := missing_evidence(COURSE, notebook))]


@pytest.mark.parametrize("sentence", MISSING)
def test_a_notebook_with_claims_has_evidence(sentence: str) -> None:
    """Without the file nothing would be promised, and nothing could be broken."""
    pytest.fail(sentence, pytrace=False)


@pytest.mark.parametrize(("record", "claim"), list(promised()))
def test_claim_still_holds(record: dict, claim: str) -> None:
    file = FOLDER / f"{record['paper']}.json"
    ledger = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    sentence = lost_claim(record, claim, ledger)
    if sentence:
        pytest.fail(sentence, pytrace=False)
