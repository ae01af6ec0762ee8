"""Evidence over seeds: gather the ledgers of several runs of one notebook, and judge claims by them."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from lib.workbench.course import paper_id

MIN_SEEDS = 3
"""A `measured` claim counts as reproduced only from this many seeds, all of them holding."""


Verdict = Literal["reproduced", "not reproduced", "not shown"]


def verdict(claim: dict, evidence: dict | None) -> Verdict:
    """Judge one claim of a ledger.

    Computed and parity claims stand for themselves. A measured claim needs at least three seeds: all of them and this
    run holding is `reproduced`, none holding and at least one failing is `not reproduced`, anything between is noise.
    """
    if claim["kind"] != "measured":
        return {True: "reproduced", False: "not reproduced", None: "not shown"}[claim["holds"]]
    seeds = verdicts(evidence, claim["id"])
    if len(seeds) < MIN_SEEDS:
        return "not shown"
    said = [*seeds, claim["holds"]]
    if all(holds is True for holds in said):
        return "reproduced"
    return "not reproduced" if True not in said and False in said else "not shown"


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


def hardware() -> str:
    """The processor's model and the cores this process may use; nothing that identifies the machine."""
    return f"{processor_model()}, {usable_cores()} cores"


def usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def verdicts(record: dict | None, claim_id: str) -> list[bool | None]:
    """What each seed of the evidence said of a claim; a seed that did not record it says None."""
    runs = record["runs"] if record else []
    return [next((c["holds"] for c in run["claims"] if c["id"] == claim_id), None) for run in runs]


def steadfast(record: dict) -> list[str]:
    """The claims that held in every seed of the evidence."""
    names = [claim["id"] for claim in record["runs"][0]["claims"]] if record["runs"] else []
    return [name for name in names if all(holds is True for holds in verdicts(record, name))]


def lost_claim(record: dict, claim_id: str, ledger: dict | None) -> str | None:
    """One sentence when a claim that held in every seed does not hold in `ledger`, None when it does."""
    promise = f"{record['paper']}: claim {claim_id} held in all {len(record['runs'])} seeds of the evidence, but"
    if ledger is None:
        return f"{promise} the notebook recorded no ledger now."
    claim = next((c for c in ledger["claims"] if c["id"] == claim_id), None)
    if claim is None:
        return f"{promise} the notebook does not examine it now."
    if claim["holds"] is not True:
        verdict = "does not hold" if claim["holds"] is False else "is not shown"
        return f"{promise} {verdict} now: the paper says {claim['paper']}; here {claim['here']}."
    return None
