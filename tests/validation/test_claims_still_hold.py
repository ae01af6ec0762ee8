"""Claims that held in every seed of the evidence still hold. `make validate` runs this after the notebooks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.workbench.course import Course
from lib.workbench.evidence import lost_claim, promises

COURSE = Course(Path(__file__).resolve().parents[2])


def promised() -> Iterator[pytest.param]:
    """(evidence, claim) for each claim of a validated notebook that held in all its seeds."""
    for name in os.environ.get("WORKBENCH_VALIDATED", "").split():
        record = COURSE.read_evidence(COURSE.notebook(name))
        for claim in promises(record) if record else ():
            yield pytest.param(record, claim, id=f"{record['paper']}-{claim}")


@pytest.mark.parametrize(("record", "claim"), list(promised()))
def test_claim_still_holds(record: dict, claim: str) -> None:
    file = Path(os.environ["WORKBENCH_LEDGERS"]) / f"{record['paper']}.json"
    ledger = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    sentence = lost_claim(record, claim, ledger)
    if sentence:
        pytest.fail(sentence, pytrace=False)
