"""The stored notebooks are what a reader should find: executed in order, at laptop scale, light, without traces."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lib.course.student import tags
from lib.workbench.course import Course, read_ledger

MACHINE_PATH = re.compile(r"(?<![\w/.])/(?:root|home|tmp|work|Users|opt)/[\w./-]+")
MAX_BYTES = 1_500_000

each_notebook = pytest.mark.parametrize(
    "notebook", Course(Path(__file__).resolve().parents[2]).notebooks(), ids=lambda path: path.stem
)


def code_cells(notebook: Path) -> list[dict]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]


@each_notebook
def test_cells_were_executed_once_in_order_from_a_fresh_kernel(notebook):
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_outputs_hold_no_error_no_warning_and_no_machine_path(notebook):
    for cell in code_cells(notebook):
        text = json.dumps(cell["outputs"])
        assert not MACHINE_PATH.search(text)
        assert not re.search(r"\b\w*Warning:", text)
        assert "raises-exception" in tags(cell) or all(o["output_type"] != "error" for o in cell["outputs"])


@each_notebook
def test_a_notebook_is_light_and_its_ledger_is_of_laptop_scale(notebook):
    assert notebook.stat().st_size < MAX_BYTES
    if notebook.stem != "00_start_here":
        assert read_ledger(notebook)["scale"] == "laptop"
        assert sum("parameters" in tags(cell) for cell in code_cells(notebook)) == 1
