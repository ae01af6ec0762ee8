"""`make verdicts`: what a stored notebook says of the evidence, written anew from its ledger without running it.

New seeds change no number that a notebook measured; they change what its cards, its table of claims and its summary
say of them. All three are functions of the stored ledger and of the evidence.
"""

from __future__ import annotations

import ast
import copy
import re
from pathlib import Path

from lib.course import fingerprint, notebook_file, scoreboard, validated
from lib.course.notebook_file import source
from lib.course.store import whole
from lib.workbench.claims import Ledger
from lib.workbench.course import CLAIMS_MIME, Course, CourseError, read_ledger, read_record
from lib.workbench.summary import render
from lib.workbench.verdicts import from_json

CARD = re.compile(r"(\S+) (?:reproduced|contradicted|open|not judged) \(")
"""How the plain form of a claim's card begins."""


def write_verdicts(course: Course, name: str) -> bool:
    """Write the verdicts of one notebook anew; whether that changed it.

    Raises CourseError where it has no ledger, or its summary has a field that the evidence lacks.
    """
    path = course.notebook(name)
    record = read_ledger(path)
    if record is None or any(not claim.get("test") for claim in record["claims"]):
        raise CourseError(f"{path.name} has no ledger with predicates: `make store NB={path.name[:2]}` makes one.")
    with notebook_file.reading_the_ledger_of(path):
        ledger = ledger_of(course, path, record)
    before = notebook_file.read(path)
    try:
        after = with_verdicts(before, ledger, record)
    except ValueError as error:  # its summary names what this evidence does not have
        raise CourseError(f"{path.name} is unchanged: {error}.") from None
    if after == before:
        return False
    inputs = fingerprint.inputs(course, path)
    notebook_file.write(path, after)
    validated.renew(course, path, inputs, fingerprint.inputs(course, path))  # a compared cell may show a card
    scoreboard.write(course)
    return True


def ledger_of(course: Course, notebook: Path, record: dict) -> Ledger:
    """The stored ledger's claims beside today's evidence."""
    ledger = Ledger(course.read_evidence(notebook), record["scale"], read_record(course.evidence(notebook, "long")))
    for claim in record["claims"]:
        told = {name: claim[name] for name in ("says", "paper", "here", "kind", "timed", "values")}
        ledger.add(claim["id"], holds=from_json(claim["test"]), **told)
    return ledger


def with_verdicts(notebook: dict, ledger: Ledger, record: dict) -> dict:
    """A copy whose cards, table and summary are those of `ledger`; every other output stays as it is."""
    written = copy.deepcopy(notebook)
    for cell in written["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            bundle = _anew(cell, data, ledger, record)
            for kind in data.keys() & bundle.keys():
                value = bundle[kind]
                data[kind] = whole(value) if kind == CLAIMS_MIME else value.splitlines(keepends=True)
    return written


def _anew(cell: dict, data: dict, ledger: Ledger, record: dict) -> dict[str, object]:
    """What an output should hold; nothing for one that says nothing of the evidence."""
    if CLAIMS_MIME in data:
        return ledger.bundle({**record, "claims": ledger.rows()})
    if "text/markdown" in data and (text := summary_text(source(cell))):
        said = render(text, ledger)
        return {"text/markdown": said, "text/plain": said}
    card = CARD.match("".join(data.get("text/plain", "")))
    return ledger.row_bundle(ledger[card[1]]) if card and card[1] in ledger else {}


def summary_text(code: str) -> str | None:
    """The text that a cell gives to `run.summary`, None where it gives none."""
    for node in ast.walk(ast.parse(notebook_file.without_magics(code))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "summary":
            return ast.literal_eval(node.args[0]) if node.args else None
    return None
