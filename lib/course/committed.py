"""What a stored notebook must be: executed in order from a fresh kernel, at laptop scale, light, without traces."""

from __future__ import annotations

import json
import re

from lib.course.notebook_file import source, tags, text_of
from lib.course.settings import parameters
from lib.workbench.claims import CLAIMS_MIME

MACHINE_PATH = re.compile(r"(?<![\w/.])/(?:root|home|tmp|work|Users|opt)/[\w./-]+")
WARNING = re.compile(r"\b\w*Warning:")
MAX_BYTES = 1_500_000
STORED_PARAMETERS = {"scale": "laptop", "seed": 0}


def faults(notebook: dict, *, has_claims: bool) -> list[str]:
    """What is wrong with a stored notebook, a sentence each; empty when it may be committed.

    `has_claims` says that a paper's notebook is meant: it has a ledger of laptop scale. The front door has none.
    """
    found = [fault for check in CHECKS for fault in check(notebook)]
    if has_claims:
        found += ledger_faults(notebook)
    if (size := len(text_of(notebook).encode())) >= MAX_BYTES:
        found.append(f"it has {size / 1e6:.2f} MB, allowed are {MAX_BYTES / 1e6} MB")
    return found


def code_cells(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and source(cell).strip()]


def execution_faults(notebook: dict) -> list[str]:
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    in_order = counts == list(range(1, len(counts) + 1))
    return [] if in_order else ["its cells were not executed once, in order, from a fresh kernel"]


def output_faults(notebook: dict) -> list[str]:
    found = []
    for number, cell in enumerate(code_cells(notebook), 1):
        text = json.dumps(cell["outputs"], ensure_ascii=False)
        if path := MACHINE_PATH.search(text):
            found.append(f"code cell {number} shows a path of this machine: {path.group()}")
        if warning := WARNING.search(text):
            found.append(f"code cell {number} shows a warning: {warning.group()}")
        raised = any(output["output_type"] == "error" for output in cell["outputs"])
        if raised and "raises-exception" not in tags(cell):
            found.append(f"code cell {number} ends in an error")
    return found


def trace_faults(notebook: dict) -> list[str]:
    """What an execution leaves behind and nobody reads: times and widget models."""
    found = []
    if "widgets" in notebook["metadata"]:
        found.append("it holds widget state")
    if any({"execution", "papermill"} & set(cell["metadata"]) for cell in notebook["cells"]):
        found.append("its cells hold times of execution")
    return found


def parameter_faults(notebook: dict) -> list[str]:
    """An edited parameters cell: what is stored is the laptop's scale with seed 0."""
    said = parameters(notebook)
    different = {name: wanted for name, wanted in STORED_PARAMETERS.items() if said.get(name, wanted) != wanted}
    return [f"its parameters cell says {name} = {said[name]!r}, not {wanted!r}" for name, wanted in different.items()]


def ledger_faults(notebook: dict) -> list[str]:
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    ledgers = [output["data"][CLAIMS_MIME] for output in outputs if CLAIMS_MIME in output.get("data", {})]
    found = []
    if not ledgers or ledgers[0]["scale"] != "laptop":
        found.append("it has no claims ledger of laptop scale")
    if sum("parameters" in tags(cell) for cell in code_cells(notebook)) != 1:
        found.append("it needs one code cell tagged parameters")
    elif missing := [name for name in STORED_PARAMETERS if name not in parameters(notebook)]:
        found.append(f"its cell tagged parameters does not assign {' and '.join(missing)}")
    return found


CHECKS = (parameter_faults, execution_faults, output_faults, trace_faults)
