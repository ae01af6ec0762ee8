"""`make validate`: run the notebooks that changed against their stored outputs, then hold all claims to the evidence.

Each notebook is a pytest of its own, by nbval: its cells must run, and where a cell asks for it (the tag
`nbval-check-output`) print what is stored. The last pytest, on `tests/validation`, holds the claims that every seed of
the evidence showed against the ledgers: the new one where a notebook ran, the stored one where nothing changed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lib.course import fingerprint, validated
from lib.course.plan import Job, Plan, fits, plan
from lib.workbench.course import Course, CourseError, paper_id, read_ledger
from lib.workbench.evidence import lost_claim, promises

CELL_SECONDS = 1800
"""How long nbval lets one cell run; a slow machine is slower, not wrong."""
GRACE = 600.0
"""Seconds beyond the budget after which a notebook that still runs is stopped."""
CORES = 2
"""Notebooks 02 and 14 took 364 s side by side with one thread each, 597 s one after the other with two."""


@dataclass(frozen=True)
class Outcome:
    """What came of one notebook: `state` is ok, failed, stopped or left out."""

    notebook: str
    state: str
    seconds: float = 0.0
    why: str = ""
    must: bool = True
    log: str = ""


@dataclass
class Validation:
    """One `make validate`: the notebooks run `jobs` at a time, each with an equal share of the two cores."""

    course: Course
    minutes: float | None = None
    jobs: int = 1
    started: float = field(default_factory=time.perf_counter)

    @property
    def folder(self) -> Path:
        return self.course.build / "validate"

    @property
    def threads(self) -> int:
        return max(1, CORES // self.jobs)

    def left(self) -> float:
        """Seconds of the budget that are left."""
        return 60 * self.minutes - (time.perf_counter() - self.started) if self.minutes is not None else float("inf")

    def run(self, todo: Plan) -> int:
        """Run the plan and the claims' tests; pytest's exit code."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        print(todo, flush=True)
        self.jobs = max(1, min(self.jobs, len(todo.jobs)))  # one alone gets both cores
        outcomes = self.run_jobs(todo.jobs)
        self.repeat_timed(todo.jobs, outcomes)
        ran = {outcome.notebook for outcome in outcomes if outcome.state == "ok"}
        for notebook in self.course.notebooks():
            if notebook.stem not in ran and not self._ledger(notebook).exists() and (stored := read_ledger(notebook)):
                self._ledger(notebook).write_text(json.dumps(stored), encoding="utf-8")
        self.record(todo.jobs, outcomes)
        return self.judge(outcomes, [*todo.unchanged, *(job.notebook for job in todo.jobs)])

    def run_jobs(self, waiting: Sequence[Job]) -> list[Outcome]:
        """Run all that find time, longest first, and say a line as each ends."""
        waiting, running, outcomes, paces = list(waiting), {}, [], [1.0]
        with ThreadPoolExecutor(self.jobs) as pool:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    job = waiting.pop(0)
                    if fits(job, max(paces), self.left()):
                        running[pool.submit(self.run_one, job)] = job
                    else:
                        outcomes.append(said(Outcome(job.notebook.stem, "left out", must=job.must, why=job.why)))
                outcomes += [said(outcome) for outcome in self._ended(running, paces)]
        return outcomes

    def _ended(self, running: dict[Future, Job], paces: list[float]) -> list[Outcome]:
        done, _ = wait(running, return_when=FIRST_COMPLETED) if running else ((), ())
        outcomes = []
        for future in done:
            job, outcome = running.pop(future), future.result()
            outcomes.append(outcome)
            paces.append(outcome.seconds / job.seconds if job.seconds else 1.0)
        return outcomes

    def run_one(self, job: Job, threads: int | None = None) -> Outcome:
        """One notebook by nbval in a process of its own."""
        log = self.folder / f"{job.notebook.stem}.log"
        command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-q"]
        command += ["--nbval-cell-timeout", str(CELL_SECONDS), str(job.notebook)]
        environment = os.environ | {"WORKBENCH_LEDGERS": str(self.folder)}
        environment["OMP_NUM_THREADS"] = str(threads or self.threads)
        start, limit = time.perf_counter(), None if self.minutes is None else max(self.left(), 0.0) + GRACE
        with log.open("w", encoding="utf-8") as file:
            try:
                code = subprocess.run(
                    command, cwd=self.course.root, env=environment, stdout=file, stderr=subprocess.STDOUT, timeout=limit
                ).returncode
            except subprocess.TimeoutExpired:
                code = None
        state = {0: "ok", None: "stopped"}.get(code, "failed")
        seconds = time.perf_counter() - start
        shown = log.relative_to(self.course.root).as_posix()
        return Outcome(job.notebook.stem, state, seconds, job.why, job.must, shown)

    def repeat_timed(self, todo: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
        """Run a notebook once more, alone, when all that it lost are claims about times."""
        ran = {outcome.notebook for outcome in outcomes if outcome.state == "ok"}
        for job in todo:
            if job.notebook.stem in ran and self._lost_only_timed(job.notebook) and fits(job, 1.0, self.left()):
                print(f"{job.number} runs again, alone: a claim about times did not hold", flush=True)
                self.run_one(job, CORES)

    def _lost_only_timed(self, notebook: Path) -> bool:
        evidence, ledger = self.course.read_evidence(notebook), self._read(notebook)
        if evidence is None or ledger is None:
            return False
        timed = {claim["id"] for claim in ledger["claims"] if claim.get("timed")}
        lost = [name for name in promises(evidence) if lost_claim(evidence, name, ledger)]
        return bool(lost) and timed.issuperset(lost)

    def record(self, todo: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
        """Keep the digests of the notebooks that ran and kept their promises."""
        by_name, recorded = {outcome.notebook: outcome for outcome in outcomes}, []
        for job in todo:
            outcome = by_name[job.notebook.stem]
            evidence, ledger = self.course.read_evidence(job.notebook), self._read(job.notebook)
            kept = not evidence or not any(lost_claim(evidence, name, ledger) for name in promises(evidence))
            if outcome.state == "ok" and kept and job.inputs == fingerprint.inputs(self.course, job.notebook):
                file = validated.write(
                    self.course, job.notebook, dict(job.inputs), seconds=outcome.seconds, threads=self.threads
                )
                recorded.append(file.relative_to(self.course.root).as_posix())
        if recorded:
            print(f"written, with digests and seconds: {', '.join(recorded)}", flush=True)

    def judge(self, outcomes: Sequence[Outcome], notebooks: Sequence[Path]) -> int:
        (self.folder / "outcomes.json").write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
        names = " ".join(sorted(notebook.stem for notebook in notebooks))
        environment = os.environ | {"WORKBENCH_LEDGERS": str(self.folder), "WORKBENCH_VALIDATED": names}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs"]
        command.append(str(self.course.root / "tests" / "validation"))
        return subprocess.run(command, cwd=self.course.root, env=environment).returncode

    def _ledger(self, notebook: Path) -> Path:
        return self.folder / f"{paper_id(notebook)}.json"

    def _read(self, notebook: Path) -> Mapping[str, object] | None:
        file = self._ledger(notebook)
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def said(outcome: Outcome) -> Outcome:
    """Print one line about a notebook that ended, and give it back."""
    number, log = outcome.notebook[:2], f", see {outcome.log}" if outcome.state in ("failed", "stopped") else ""
    time_of_it = f", {outcome.seconds:.0f} s" if outcome.seconds else ""
    print(f"{number} {outcome.state}{time_of_it} ({outcome.why}){log}", flush=True)
    return outcome


def validate(
    course: Course, names: str = "", *, minutes: float | None = None, everything: bool = False, jobs: int = CORES
) -> int:
    """Validate the notebooks named (by spaces), or those that changed and one in turn; pytest's exit code.

    Raises CourseError for a name that is none, and where there is no notebook.
    """
    asked = [course.notebook(name) for name in names.split()]
    if not course.notebooks():
        raise CourseError("There is no notebook to validate yet.")
    if jobs < 1:
        raise CourseError(f"JOBS must be at least 1, got {jobs}.")
    for notebook in course.notebooks():  # what is damaged is said before minutes are spent
        read_ledger(notebook)
        course.read_evidence(notebook)
    return Validation(course, minutes, jobs).run(plan(course, asked, everything=everything))


def missing_evidence(course: Course, notebook: Path) -> str | None:
    """One sentence when a paper's notebook shows claims and no evidence of its seeds is there, None otherwise.

    The first page's rows are for practice, and nobody runs it with several seeds.
    """
    ledger, file = read_ledger(notebook), course.evidence(notebook)
    if notebook.name.startswith("00_") or ledger is None or not ledger["claims"] or file.is_file():
        return None
    shown = file.relative_to(course.root).as_posix()
    return (
        f"{notebook.name} shows claims, but {shown} is missing: `git restore {shown}` brings the committed one back, "
        f"`make evidence NB={notebook.name[:2]}` makes it."
    )
