"""Sentences whose figures come from the evidence: `render("It recalls {C1.mean:.0%} in {C1.seeds} seeds", ledger)`.

| field | becomes |
|---|---|
| `{C1}` | the verdict: reproduced, contradicted, open |
| `{C1.seeds}` | `5 of 5`: in how many seeds it held |
| `{C1.mean:.2f}`, `{C1.low:.2f}`, `{C1.high:.2f}` | mean, smallest, largest value of the predicate over the seeds |
| `{C1.range:.2f}` | `0.73 to 0.94`: smallest to largest |
| `{C1.interval:.2f}` | `0.70 to 0.91`: the 95 % interval of the mean |
| `{C1.gain.range:.1%}` | the same of the part, or of the recorded value, called `gain` |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import TYPE_CHECKING

from lib.workbench.evidence import claim_rows, judge, spread
from lib.workbench.verdicts import Comparison, Predicate, from_json

if TYPE_CHECKING:
    from lib.workbench.claims import Ledger

STATISTICS = ("mean", "low", "high", "range", "interval")
MISSING = "\u2013"


def render(text: str, ledger: Ledger) -> str:
    """`text` with its fields filled from the ledger's evidence.

    Where no seeds were gathered, and at smoke scale, fields become dashes and the text says so once at its end.
    Raises ValueError for a claim or a field that does not exist, naming those that do.
    """
    pieces, missing = [], False
    for literal, field, form, conversion in Formatter().parse(text):
        pieces.append(literal)
        if field is None:
            continue
        if conversion:
            raise ValueError(f"text must have fields without '!', got {{{field}!{conversion}}}")
        filled = _filled(field, form or "", ledger)
        missing = missing or filled is None
        pieces.append(MISSING if filled is None else filled)
    if not missing:
        return "".join(pieces)
    why = "smoke run: no figures" if ledger.scale == "smoke" else "no seeds yet"
    return f"{''.join(pieces).rstrip()} ({why})"


def _filled(field: str, form: str, ledger: Ledger) -> str | None:
    """One field's text, None when there is no evidence for it."""
    claim_id, _, path = field.partition(".")
    rows = claim_rows(ledger.evidence, claim_id)
    here = ledger.row(ledger[claim_id]) if claim_id in ledger else None
    claim = here or next(filter(None, rows), None)
    if claim is None:
        raise ValueError(f"text must name a claim of {', '.join(_claims(ledger)) or 'none yet'}, got {{{field}}}")
    known = [row for row in rows if row]
    if path == "":
        return judge(claim, ledger.evidence).word if known and ledger.scale != "smoke" else None
    if path == "seeds":
        held = sum(row["holds"] is True for row in known)
        return f"{held} of {len(rows)}" if known and ledger.scale != "smoke" else None
    name, statistic = _split(path)
    if not any(_has(row, name) for row in [claim, *known]):
        raise ValueError(f"text must name a field of {claim_id}: {', '.join(_fields(claim, known))}, got {{{field}}}")
    values = [_value(row, name) for row in known if _has(row, name)]
    if not values or None in values or ledger.scale == "smoke":
        return None
    return _statistic(statistic, values, form)


def _statistic(name: str, values: Sequence[float], form: str) -> str:
    over = spread(values)
    if name == "mean":
        return format(over.mean, form)
    low, high = (over.low, over.high) if name == "interval" else (min(values), max(values))
    ends = {"low": (low,), "high": (high,)}.get(name, (low, high))
    return " to ".join(format(end, form) for end in ends)


def _split(path: str) -> tuple[str, str]:
    """`gain.range` -> (gain, range); `range` -> ("", range); `gain` -> (gain, mean)."""
    name, _, last = path.rpartition(".")
    return (name, last) if last in STATISTICS else (path, "mean")


def _has(row: Mapping[str, object], name: str) -> bool:
    return name in _numbers(row)


def _value(row: Mapping[str, object], name: str) -> float | None:
    return _numbers(row)[name]


def _numbers(row: Mapping[str, object]) -> dict[str, float | None]:
    """What a row can say in numbers, by name: the predicate's value under "", its named parts, the recorded values."""
    numbers = _plain(row.get("values") or {})
    if row.get("test"):
        test: Predicate = from_json(row["test"])
        parts = [part for part in test.parts if isinstance(part, Comparison)]
        numbers |= {part.name: part.reading for part in parts if part.name}
        numbers |= {"": parts[0].reading} if len(test.parts) == 1 and parts else {}
    return numbers


def _plain(values: Mapping[str, object], before: str = "") -> dict[str, float | None]:
    """The numbers among recorded values; those of a nested record under `outer.inner`."""
    numbers: dict[str, float | None] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            numbers |= _plain(value, f"{before}{name}.")
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            numbers[f"{before}{name}"] = value
    return numbers


def _fields(claim: Mapping[str, object], rows: Sequence[Mapping[str, object]]) -> list[str]:
    """What can be asked of a claim."""
    names = dict.fromkeys(name for row in [claim, *rows] for name in _numbers(row))
    own = list(STATISTICS) if "" in names else []
    return ["seeds", *own, *(name for name in names if name)]


def _claims(ledger: Ledger) -> list[str]:
    runs = ledger.evidence["runs"] if ledger.evidence else []
    gathered = [claim["id"] for run in runs for claim in run["claims"]]
    return list(dict.fromkeys([*(claim.id for claim in ledger), *gathered]))
