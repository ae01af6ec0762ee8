"""A claims ledger as a table of plain text: how a headless run ends."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping

from lib.workbench.evidence import judge, kind_of
from lib.workbench.verdicts import from_json

HEAD = ("id", "kind", "over the seeds", "this run", "claim", "here")
SAID = {True: "holds", False: "does not hold", None: "not shown"}
NARROWEST = 100
"""Below so many columns lines wrap rather than lose their words."""


def table(ledger: Mapping[str, object], evidence: Mapping[str, object] | None) -> list[str]:
    """One line a claim, below a head; the last line counts. Verdicts are the evidence's, at smoke scale there are none.

    The claim and what was found are cut to the terminal's width.
    """
    is_smoke = ledger["scale"] == "smoke"
    rows = [row(claim, evidence, is_smoke) for claim in ledger["claims"]]
    if not rows:
        return ["no claims"]
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    room = max(shutil.get_terminal_size((120, 24)).columns, NARROWEST) - sum(widths[:4]) - 2 * (len(HEAD) - 1)
    widths[4] = min(widths[4], max(room // 2, room - widths[5]))
    widths[5] = min(widths[5], room - widths[4])
    return [*(line(cells, widths) for cells in (HEAD, *rows)), count(ledger["claims"], is_smoke)]


def row(claim: Mapping[str, object], evidence: Mapping[str, object] | None, is_smoke: bool) -> tuple[str, ...]:
    word = "not judged" if is_smoke else judge(claim, evidence).word
    found = from_json(claim["test"]).text if claim.get("test") else claim["here"]
    return claim["id"], kind_of(claim), word, "" if is_smoke else SAID[claim["holds"]], claim["says"], found


def line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cut(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def cut(text: str, width: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}\u2026"


def count(claims: list[Mapping[str, object]], is_smoke: bool) -> str:
    total = f"{len(claims)} claim{'s' * (len(claims) != 1)}"
    if is_smoke:
        return f"{total}, not judged at smoke scale"
    said = Counter(SAID[claim["holds"]] for claim in claims)
    return f"{total} in this run; {', '.join(f'{word}: {said[word]}' for word in SAID.values())}"
