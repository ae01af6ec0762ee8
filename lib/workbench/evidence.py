"""Evidence over seeds: gather the ledgers of several runs of one notebook, and judge claims by them.

The verdict on a claim is that of the evidence. Each elementary predicate has one value per seed, at least three. Let
[low, high] be the 95 % t-interval of their mean. The claim is

    reproduced      when [low, high] lies wholly on the claimed side of the threshold,
    contradicted    when it lies wholly on the other side (`beats`: wholly below -by),
    open            otherwise.

A conjunction is reproduced when all its parts are, contradicted when any is. A check stands for itself: this run and
every seed must hold. Timed claims have to clear their threshold by 20 % of it, and count runs instead of seeds.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal

from lib.workbench.course import paper_id
from lib.workbench.hardware import hardware
from lib.workbench.verdicts import Comparison, Predicate, Within, from_json

MIN_SEEDS = 3
"""Fewer seeds than this leave a claim open."""
TIMED_MARGIN = 0.2
"""By this share of its threshold a timed claim must clear it."""

Word = Literal["reproduced", "contradicted", "open"]
WORDS: dict[bool | None, Word] = {True: "reproduced", False: "contradicted", None: "open"}


@dataclass(frozen=True)
class Spread:
    """One number over the seeds: the values, and the 95 % t-interval of their mean."""

    values: tuple[float, ...]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Judgement:
    """What the evidence says of a claim: the word, in how many of the runs it held, and why it is open.

    `earlier` marks evidence that was recorded before claims kept their predicates.
    """

    word: Word
    held: int = 0
    runs: int = 0
    why: str = ""
    earlier: bool = False


def judge(claim: Mapping[str, object], evidence: Mapping[str, object] | None) -> Judgement:
    """Judge one row of a ledger by the evidence of its notebook; the rule stands at the top of this module."""
    rows = claim_rows(evidence, claim["id"])
    said = [row["holds"] if row else None for row in rows]
    earlier = is_earlier(evidence)
    counts = {"held": said.count(True), "runs": len(said), "earlier": earlier}
    if kind_of(claim) == "check":
        every = [claim["holds"], *said]
        return Judgement(WORDS[False if False in every else None if None in every else True], **counts)
    if len(rows) < MIN_SEEDS:
        return Judgement("open", **counts, why=too_few(len(rows), bool(claim.get("timed"))))
    if not any(row and row.get("test") for row in rows):
        return Judgement(_word_by_counts(said), **counts)
    tests = [from_json(row["test"]) if row and row.get("test") else None for row in rows]
    answer, why = _over_seeds(tests, bool(claim.get("timed")))
    now = from_json(claim["test"]) if claim.get("test") else None
    if now and all(tests) and same_terms(tests) and not _same_as_gathered(now, tests):
        answer, why = None, "the threshold changed since the seeds were gathered"
    return Judgement(WORDS[answer], **counts, why=why)


@dataclass(frozen=True)
class Tally:
    """How many claims of one kind the evidence reproduces, contradicts and leaves open."""

    reproduced: int = 0
    contradicted: int = 0
    open: int = 0

    @property
    def total(self) -> int:
        return self.reproduced + self.contradicted + self.open


def tally(ledger: Mapping[str, object], evidence: Mapping[str, object] | None) -> dict[str, Tally]:
    """The claims of a stored ledger, counted by kind and verdict: {"paper": Tally, "ours": Tally, "check": Tally}."""
    words: dict[str, list[Word]] = {"paper": [], "ours": [], "check": []}
    for claim in ledger["claims"]:
        words[kind_of(claim)].append(judge(claim, evidence).word)
    return {kind: Tally(*(said.count(word) for word in WORDS.values())) for kind, said in words.items()}


def too_few(runs: int, timed: bool = False) -> str:
    name = "runs" if timed else "seeds"
    return f"{runs} {name}, a verdict needs {MIN_SEEDS}" if runs else f"no {name} gathered yet"


def _over_seeds(tests: Sequence[Predicate | None], timed: bool) -> tuple[bool | None, str]:
    """The three-valued answer of the predicates, one for each seed, and why it is None."""
    if not all(tests):
        return None, "not every seed recorded it"
    if not same_terms(tests):
        return None, "the seeds were held against different thresholds"
    answers = [_part_over_seeds(parts, timed) for parts in zip(*(test.parts for test in tests), strict=True)]
    answer = False if False in answers else None if None in answers else True
    return answer, "" if answer is not None else "the interval over the seeds does not decide it"


def _part_over_seeds(parts: Sequence[Predicate], timed: bool) -> bool | None:
    first = parts[0]
    if not isinstance(first, Comparison):
        said = {part.holds for part in parts}
        return said.pop() if len(said) == 1 else None
    positions = [part.position for part in parts]
    if None in positions:
        return None
    over = spread(positions)
    return first.judge(over.low, over.high, TIMED_MARGIN if timed else 0.0)


def spread(values: Sequence[float]) -> Spread:
    """mean ± t(0.975, n - 1) s / sqrt(n); equal values (or a single one) have no width."""
    if min(values) == max(values):
        return Spread(tuple(values), values[0], values[0], values[0])
    from scipy.special import stdtrit

    mean, n = fmean(values), len(values)
    half = float(stdtrit(n - 1, 0.975)) * stdev(values) / math.sqrt(n)
    return Spread(tuple(values), mean, mean - half, mean + half)


def _same_as_gathered(now: Predicate, tests: Sequence[Predicate]) -> bool:
    """Whether `now` asks what the seeds were asked. A target that is the same in every seed is part of the question."""
    if not same_terms([now, *tests]):
        return False
    for mine, *seeds in zip(now.parts, *(test.parts for test in tests), strict=True):
        if isinstance(mine, Within):
            targets = {seed.target for seed in seeds}
            if len(targets) == 1 and not _close(mine.target, targets.pop()):
                return False
    return True


def _close(a: float | None, b: float | None) -> bool:
    return a == b if a is None or b is None else math.isclose(a, b, rel_tol=1e-6)


def same_terms(tests: Sequence[Predicate]) -> bool:
    """Whether predicates differ in what was measured only: the same tests, parts, names and thresholds."""
    first, *others = tests
    return all(_agree(a, b) for test in others for a, b in _paired(first.parts, test.parts))


def _paired(mine: Sequence[Predicate], theirs: Sequence[Predicate]) -> list[tuple[Predicate | None, Predicate]]:
    return list(zip(mine, theirs, strict=True)) if len(mine) == len(theirs) else [(None, theirs[0])]


def _agree(a: Predicate | None, b: Predicate) -> bool:
    if a is None or (a.test, a.name) != (b.test, b.name):
        return False
    if not isinstance(a, Comparison):
        return True
    return all(map(_close, a.terms, b.terms))


def claim_rows(evidence: Mapping[str, object] | None, claim_id: str) -> list[dict | None]:
    """What each seed of the evidence recorded of a claim; None for a seed that did not record it."""
    runs = evidence["runs"] if evidence else []
    rows = [next((claim for claim in run["claims"] if claim["id"] == claim_id), None) for run in runs]
    return rows if any(rows) else []


def is_earlier(evidence: Mapping[str, object] | None) -> bool:
    """Whether the evidence was recorded by code from before claims kept their predicates."""
    claims = [claim for run in (evidence["runs"] if evidence else []) for claim in run["claims"]]
    return any(not claim.get("test") for claim in claims)


# Old form: records from before claims kept their predicates. When the last file of evidence gives a `test`, delete
# these two functions and `is_earlier`.
def kind_of(claim: Mapping[str, object]) -> str:
    """A row's kind, in today's names."""
    return {"measured": "paper", "computed": "check", "parity": "check"}.get(claim["kind"], claim["kind"])


def _word_by_counts(said: Sequence[bool | None]) -> Word:
    """All hold: reproduced. None holds and at least one fails: contradicted."""
    if all(holds is True for holds in said):
        return "reproduced"
    return "contradicted" if True not in said and False in said else "open"


def promises(evidence: Mapping[str, object]) -> list[str]:
    """The claims that held in every seed of the evidence; `make validate` asks that they go on holding."""
    names = [claim["id"] for claim in evidence["runs"][0]["claims"]] if evidence["runs"] else []
    return [name for name in names if all(row and row["holds"] is True for row in claim_rows(evidence, name))]


def lost_claim(evidence: Mapping[str, object], claim_id: str, ledger: Mapping[str, object] | None) -> str | None:
    """One sentence when a claim that held in every seed does not hold in `ledger`, None when it does."""
    promise = f"{evidence['paper']}: claim {claim_id} held in all {len(evidence['runs'])} seeds of the evidence, but"
    if ledger is None:
        return f"{promise} the notebook recorded no ledger now."
    claim = next((row for row in ledger["claims"] if row["id"] == claim_id), None)
    if claim is None:
        return f"{promise} the notebook does not examine it now."
    holds = from_json(claim["test"]).holds if claim.get("test") else claim["holds"]
    if holds is not True:
        answer = "does not hold" if holds is False else "is not shown"
        return f"{promise} {answer} now: the paper says {claim['paper']}; here {claim['here']}{_measured(claim)}."
    return None


def _measured(claim: Mapping[str, object]) -> str:
    return f" ({from_json(claim['test']).text})" if claim.get("test") else ""


def gather(notebook: Path, scale: str, ledgers: list[dict]) -> dict:
    """The evidence record of `notebook` from one ledger per seed, in the order of the seeds."""
    runs = [
        {
            "seed": ledger["seed"],
            "seconds": ledger["seconds"],
            "claims": [{key: value for key, value in claim.items() if key != "seeds"} for claim in ledger["claims"]],
        }
        for ledger in sorted(ledgers, key=lambda ledger: ledger["seed"])
    ]
    return {
        "paper": paper_id(notebook),
        "notebook": notebook.name,
        "scale": scale,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"python": platform.python_version(), "torch": version("torch"), "numpy": version("numpy")},
        "hardware": hardware(),
        "runs": runs,
    }
