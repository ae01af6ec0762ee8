"""What may not be committed is seen, each fault by a sentence of its own."""

from __future__ import annotations

import pytest

from lib.course.committed import faults


def cell(*outputs: dict, text: str = "1", count: int = 1, **metadata: object) -> dict:
    parts = {"cell_type": "code", "execution_count": count, "metadata": metadata}
    return parts | {"outputs": list(outputs), "source": [text]}


def printed(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": [text]}


ERROR = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([cell(count=2)], "in order"),
        ([cell(count=None)], "in order"),
        ([cell(printed("/tmp/x"))], "a path of this machine: /tmp/x"),
        ([cell(printed("x: UserWarning: y"))], "a warning: UserWarning:"),
        ([cell(ERROR)], "ends in an error"),
        ([cell(printed("x" * 1_500_000))], "MB"),
        ([cell(execution={})], "times of execution"),
        ([cell(papermill={})], "times of execution"),
        ([cell(text="scale = 'smoke'", tags=["parameters"])], "scale = 'smoke'"),
    ],
)
def test_a_fault_is_named(cells, said):
    [sentence] = faults({"cells": cells, "metadata": {}}, has_claims=False)
    assert said in sentence


def test_widget_state_is_a_fault():
    assert faults({"cells": [], "metadata": {"widgets": {}}}, has_claims=False) == ["it holds widget state"]


def test_an_expected_error_and_ordinary_output_are_none():
    cells = [cell(ERROR, tags=["raises-exception"]), cell(printed("a/tmp/x"), count=2)]
    assert faults({"cells": cells, "metadata": {}}, has_claims=False) == []


def test_a_papers_notebook_needs_its_ledger_and_one_parameters_cell():
    assert len(faults({"cells": [cell()], "metadata": {}}, has_claims=True)) == 2


def test_the_parameters_cell_assigns_scale_and_seed():
    lacking = cell(text="scale = 'laptop'", tags=["parameters"])
    assert "its cell tagged parameters does not assign seed" in faults(
        {"cells": [lacking], "metadata": {}}, has_claims=True
    )
