"""The claims ledger: what the paper says, what was measured here, and whether that agrees.

A claim's kind says what stands behind it: `measured` (trained and measured in this notebook), `computed` (arithmetic
at the paper's true sizes), `parity` (equal to an independent implementation). Its verdict is True, False, or None for
"not shown at this scale", and is computed by the caller from values that the reader sees.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from numbers import Integral, Real
from pathlib import Path

CLAIMS_MIME = "application/vnd.paper-workbench.claims+json"
KINDS = ("measured", "computed", "parity")
VERDICTS = {True: "holds", False: "does not hold", None: "not shown at this scale"}
_MARKS = {True: ("\u2713", "#1b7f3b"), False: ("\u2717", "#b3261e"), None: ("?", "#6b6b6b")}
_CELL = "text-align:left;vertical-align:top;padding:3px 10px"


@dataclass(frozen=True)
class Claim:
    """One row: `says` is the claim, `paper` the paper's figure, `here` ours, `values` what the verdict came from."""

    id: str
    says: str
    paper: str
    here: str
    kind: str
    holds: bool | None
    values: dict[str, object] = field(default_factory=dict)


class Ledger:
    """The claims of one run, in the order of their appearance.

    `history` maps a claim's id to (seeds in which it held, seeds that were run), see `read_history`.
    """

    def __init__(self, history: Mapping[str, tuple[int, int]] | None = None) -> None:
        self.history = dict(history or {})
        self._claims: dict[str, Claim] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def __iter__(self) -> Iterator[Claim]:
        return iter(self._claims.values())

    def __getitem__(self, id: str) -> Claim:
        return self._claims[id]

    def add(
        self,
        id: str,
        *,
        says: str,
        paper: object,
        here: object,
        holds: bool | None,
        kind: str = "measured",
        values: Mapping[str, object] | None = None,
    ) -> Claim:
        """Check and keep one claim. Raises ValueError for a duplicate id, an unknown kind or a verdict of no kind."""
        if not isinstance(id, str) or not id or any(character.isspace() for character in id):
            raise ValueError(f"id is {id!r}; a claim's id is one word such as 'J9'")
        if id in self._claims:
            raise ValueError(f"id {id!r} is already in the ledger; ids so far: {', '.join(self._claims)}")
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; allowed are {', '.join(KINDS)}")
        if not says:
            raise ValueError(f"says is empty in claim {id}; it takes the claim in one sentence")
        claim = Claim(id, says, _text(paper), _text(here), kind, _verdict(id, holds), _plain_values(id, values or {}))
        self._claims[id] = claim
        return claim

    def rows(self) -> list[dict[str, object]]:
        """The claims as JSON-ready dictionaries; `seeds` counts the seeds of the evidence in which the claim held."""
        return [
            {
                "id": claim.id,
                "says": claim.says,
                "paper": claim.paper,
                "here": claim.here,
                "kind": claim.kind,
                "holds": claim.holds,
                "seeds": self.history.get(claim.id, (0, 0))[0],
                "values": dict(claim.values),
            }
            for claim in self
        ]

    def seeds_text(self, claim: Claim) -> str:
        """`holds in 5 of 5 seeds`, or that no evidence was gathered yet."""
        held, runs = self.history.get(claim.id, (0, 0))
        return f"holds in {held} of {runs} seeds" if runs else "no seeds gathered yet"

    def row_bundle(self, claim: Claim) -> dict[str, object]:
        """One claim as HTML and text."""
        return {"text/html": self._html([claim]), "text/plain": self._text(claim)}

    def bundle(self, record: Mapping[str, object]) -> dict[str, object]:
        """The whole table as HTML and text, with `record` (the run and its claims) under `CLAIMS_MIME`."""
        text = "\n".join(self._text(claim) for claim in self) or "no claims yet"
        return {"text/html": self._html(list(self)), "text/plain": text, CLAIMS_MIME: dict(record)}

    def _text(self, claim: Claim) -> str:
        return (
            f"{claim.id} {VERDICTS[claim.holds]} ({claim.kind}; {self.seeds_text(claim)}): {claim.says} "
            f"| paper: {claim.paper} | here: {claim.here}"
        )

    def _html(self, claims: list[Claim]) -> str:
        titles = ("claim", "the paper says", "paper's figure", "here", "verdict", "evidence", "seeds")
        head = "".join(f'<th style="{_CELL}">{title}</th>' for title in titles)
        return f'<table style="border-collapse:collapse"><tr>{head}</tr>{"".join(map(self._html_row, claims))}</table>'

    def _html_row(self, claim: Claim) -> str:
        mark, colour = _MARKS[claim.holds]
        verdict = f'<b style="color:{colour}">{mark} {VERDICTS[claim.holds]}</b>'
        texts = [f"<b>{escape(claim.id)}</b>", *map(escape, (claim.says, claim.paper, claim.here))]
        texts += [verdict, escape(claim.kind), escape(self.seeds_text(claim))]
        return "<tr>" + "".join(f'<td style="{_CELL}">{text}</td>' for text in texts) + "</tr>"


def read_history(file: Path) -> dict[str, tuple[int, int]]:
    """Per claim, in how many of the gathered seeds it held: `{"J9": (5, 5)}`; empty when the file is not there.

    Raises ValueError in one sentence when the file is damaged.
    """
    if not file.is_file():
        return {}
    history: dict[str, tuple[int, int]] = {}
    try:
        for run in json.loads(file.read_text(encoding="utf-8"))["runs"]:
            for claim in run["claims"]:
                held, runs = history.get(claim["id"], (0, 0))
                history[claim["id"]] = held + (claim["holds"] is True), runs + 1
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file.name} in the evidence folder is damaged; `make evidence` writes it anew") from error
    return history


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


def _verdict(id: str, holds: object) -> bool | None:
    holds = _scalar(holds)
    if holds is not None and not isinstance(holds, bool):
        raise ValueError(f"holds is {holds!r} in claim {id}; allowed are True, False, or None for 'not shown'")
    return holds


def _text(value: object) -> str:
    value = _scalar(value)
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
    value = _scalar(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise ValueError(f"values[{name!r}] is a {type(value).__name__} in claim {id}; allowed are numbers, text and lists")


def _scalar(value: object) -> object:
    """A numpy or torch scalar as the Python number it holds; everything else as it is."""
    if not isinstance(value, str) and hasattr(value, "item") and getattr(value, "size", 1) != 0:
        try:
            value = value.item()
        except (ValueError, RuntimeError, TypeError):
            return value
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value
