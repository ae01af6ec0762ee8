"""The claims of one run: what the paper says, what was measured here, and the predicate that compares them.

A claim is of one of three kinds: `paper` (the paper says so), `ours` (a finding of the notebook, a control the paper
lacks), `check` (equal to an independent implementation, or arithmetic at the paper's true sizes). Whether it is
reproduced is said by the evidence over seeds, see `lib.workbench.evidence`; `lib.workbench.ledger_view` draws it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lib.workbench.course import CLAIMS_MIME
from lib.workbench.evidence import Judgement, claim_rows, judge
from lib.workbench.ledger_view import card, table
from lib.workbench.verdicts import Comparison, Predicate, plain_scalar

KINDS = ("paper", "ours", "check")


@dataclass(frozen=True)
class Claim:
    """One row: `says` is the claim, `paper` the paper's figure, `here` ours, `test` the predicate of this run.

    `values` are further figures to keep, `timed` says that clocks are compared.
    """

    id: str
    says: str
    paper: str
    here: str
    kind: str
    test: Predicate
    timed: bool = False
    values: dict[str, object] = field(default_factory=dict)

    @property
    def holds(self) -> bool | None:
        """What the predicate says of this run; None where nothing was shown."""
        return self.test.holds


class Ledger:
    """The claims of one run, in the order of their appearance, beside the evidence that judges them.

    `beside` is evidence of another scale, of which each row says what it says too.
    """

    def __init__(
        self,
        evidence: Mapping[str, object] | None = None,
        scale: str = "laptop",
        beside: Mapping[str, object] | None = None,
    ) -> None:
        self.evidence, self.beside = evidence, beside
        self.scale = scale
        self._claims: dict[str, Claim] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def __iter__(self) -> Iterator[Claim]:
        return iter(self._claims.values())

    def __contains__(self, id: str) -> bool:
        return id in self._claims

    def __getitem__(self, id: str) -> Claim:
        return self._claims[id]

    def add(
        self,
        id: str,
        *,
        says: str,
        paper: object,
        here: object,
        holds: Predicate,
        kind: str = "paper",
        timed: bool = False,
        values: Mapping[str, object] | None = None,
    ) -> Claim:
        """Check and keep one claim. Raises ValueError for what cannot be one, and for an id that is taken."""
        if not isinstance(id, str) or not id or any(character.isspace() for character in id):
            raise ValueError(f"id must be one word such as 'J9', got {id!r}")
        if id in self._claims:
            raise ValueError(f"id must be new in the ledger, which has {', '.join(self._claims)}, got {id!r}")
        if not isinstance(holds, Predicate):
            raise ValueError(f"holds must be a predicate such as at_least(value, 0.9), got {holds!r} in claim {id}")
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r} in claim {id}")
        if not says:
            raise ValueError(f"says must be the claim in one sentence, got {says!r} in claim {id}")
        if timed:
            _check_margin(id, holds)
        plain = _plain_values(id, values or {})
        claim = Claim(id, says, _text(paper), _text(here), kind, holds, bool(timed), plain)
        self._claims[id] = claim
        return claim

    def row(self, claim: Claim) -> dict[str, object]:
        """A claim as a JSON-ready dictionary; `seeds` counts the seeds of the evidence in which it held."""
        rows = claim_rows(self.evidence, claim.id)
        return {
            "id": claim.id,
            "says": claim.says,
            "paper": claim.paper,
            "here": claim.here,
            "kind": claim.kind,
            "holds": claim.holds,
            "test": claim.test.to_json(),
            "timed": claim.timed,
            "seeds": sum(row is not None and row["holds"] is True for row in rows),
            "values": dict(claim.values),
        }

    def rows(self) -> list[dict[str, object]]:
        return [self.row(claim) for claim in self]

    def judgement(self, claim: Claim) -> Judgement:
        """What the evidence says of a claim."""
        return judge(self.row(claim), self.evidence)

    def judgement_beside(self, claim: Claim) -> Judgement | None:
        """What the evidence of the other scale says of a claim; None where it has none."""
        if claim.kind == "check" or not claim_rows(self.beside, claim.id):
            return None
        return judge(self.row(claim), self.beside)

    def row_bundle(self, claim: Claim) -> dict[str, object]:
        """One claim as HTML and text."""
        return card(self, claim)

    def bundle(self, record: Mapping[str, object]) -> dict[str, object]:
        """The whole table as HTML and text, with `record` (the run and its claims) under `CLAIMS_MIME`."""
        return {**table(self), CLAIMS_MIME: dict(record)}


def write_record(record: Mapping[str, object], folder: Path) -> Path:
    """Write a run's record as `<folder>/<paper>.json`, complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{record['paper']}.json"
    partial = folder / f".{target.name}.{os.getpid()}"
    try:
        partial.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _check_margin(id: str, test: Predicate) -> None:
    """A timed claim needs a threshold that a share can be taken of."""
    comparisons = [part for part in test.parts if isinstance(part, Comparison)]
    if not comparisons or not all(part.terms[0] for part in comparisons):
        raise ValueError(
            f"holds must have a threshold other than 0 in the timed claim {id}, such as at_least(ratio, 1), "
            f"got {test.text!r}"
        )


def _text(value: object) -> str:
    value = plain_scalar(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain_values(id: str, values: Mapping[str, object]) -> dict[str, object]:
    return {str(name): _plain(id, str(name), value) for name, value in values.items()}


def _plain(id: str, name: str, value: object) -> object:
    """Numbers, booleans, strings, None and lists of them; a number that is not finite becomes None (JSON has none)."""
    if isinstance(value, Mapping):
        return {str(key): _plain(id, f"{name}.{key}", item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(id, name, item) for item in value]
    value = plain_scalar(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise ValueError(f"values[{name!r}] must be numbers, text or lists, got {type(value).__name__} in claim {id}")
