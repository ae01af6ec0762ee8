"""A checkout with evidence of earlier code."""

from __future__ import annotations

import json

import pytest

from tests.workbench.planted import evidence


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data" / "evidence").mkdir(parents=True)
    record = evidence(J9=[True] * 5, J7=[True, False, None, True, False])
    (tmp_path / "data" / "evidence" / "01-jamba.json").write_text(json.dumps(record))
    return tmp_path
