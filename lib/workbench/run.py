"""The header of every notebook: one object that fixes the seed, the device, the sizes, and keeps the claims."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import torch
from torch import nn

import kernels.dispatch  # noqa: F401 (where there is no GPU, Triton must learn it before PyTorch imports it)
from lib.workbench import trainings
from lib.workbench.claims import Ledger, write_record
from lib.workbench.course import SCALES, Course, CourseError, check_scale, check_seed, read_record
from lib.workbench.display import show
from lib.workbench.hardware import usable_threads
from lib.workbench.randomness import seed_everything
from lib.workbench.summary import render

if TYPE_CHECKING:
    from lib.evaluation import OurEmbedder, OurModel
    from lib.training import History
    from lib.training.cache import Cache
    from lib.workbench.settings import Setting
    from lib.workbench.shipped import ShippedCard
    from lib.workbench.tuning import Grid, Tuning
    from lib.workbench.verdicts import Predicate

ROOT = Course().root


class Run:
    """One run of one notebook: `run = Run("01-jamba", scale, seed)`.

    Seeds Python, numpy and torch, picks the device (CUDA where there is one, else the CPU with two threads), sets the
    plots' house style and shows a one-line header. Raises ValueError, in one sentence that lists what is allowed, for
    an unknown scale or a seed that is not a whole number from 0 to 2**32 - 1 (or its digits).

    Attributes: `paper`, `scale`, `seed`, `device` (torch.device), `threads`, `claims` (Ledger), `root`, and `kept`, the
    files in the cache that each training of this run has asked for.
    """

    def __init__(self, paper: str, scale: str = "laptop", seed: int = 0, *, root: Path | str | None = None) -> None:
        self.paper = _checked_paper(paper)
        self.scale = check_scale(scale)
        self.seed = check_seed(seed)
        self.root = Path(root) if root is not None else ROOT
        self._started = time.perf_counter()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.threads = _settle(self.device)
        seed_everything(self.seed)
        _house_style()
        self.claims = Ledger(*self._evidence())
        self.kept: dict[str, set[Path]] = {}
        show(self._header())

    def __repr__(self) -> str:
        return f"Run({self.paper!r}, scale={self.scale!r}, seed={self.seed})"

    @property
    def seconds(self) -> float:
        """Since the header was shown."""
        return round(time.perf_counter() - self._started, 1)

    def preset(self, sizes: Mapping[str, Mapping[str, object]]) -> SimpleNamespace:
        """The sizes of this run's scale as attributes, from `{"smoke": {...}, "laptop": {...}, "long": {...}}`.

        Raises ValueError unless exactly the three scales are there and all name the same sizes: a size forgotten at
        another scale is found now, not by the next person.
        """
        if set(sizes) != set(SCALES):
            raise ValueError(f"sizes must name the scales {', '.join(SCALES)}, got {', '.join(map(str, sizes))}")
        names = set(sizes[self.scale])
        for scale in SCALES:
            if different := names.symmetric_difference(sizes[scale]):
                different_names = ", ".join(sorted(map(str, different)))
                raise ValueError(
                    f"sizes must have the same names at {scale} and {self.scale}, got {different_names} at one only"
                )
        return SimpleNamespace(**sizes[self.scale])

    @cached_property
    def cache(self) -> Cache:
        """Trained artefacts under data/cache; `WORKBENCH_CACHE=off` disables it, a folder's path moves it there."""
        from lib.training.cache import Cache

        return Cache(self._cache_folder(), enabled=os.environ.get("WORKBENCH_CACHE") != "off")

    def train(
        self,
        name: str,
        model: nn.Module,
        batches: Callable[[int], Mapping[str, torch.Tensor]],
        objective: Callable,
        *,
        key: Mapping[str, object],
        check: Callable[[nn.Module], object] | None = None,
        check_every: int = 0,
        **options: object,
    ) -> tuple[History, list]:
        """Train `model` with `fit(..., **options)`, or take its weights from the cache; it ends in eval mode, in place.

        The cache knows the start, the options, and what objective, batches and check do (`lib.training.source`): an
        edit of one of them trains again. `key` says what they do not show, such as the content of a file that they
        read. `check(model)` is called every `check_every` steps in eval mode; what it gives (numbers, lists) comes
        back in order. Raises ValueError before the first step for a model that a file cannot hold.
        """
        return trainings.train(self, name, model, batches, objective, key, check, check_every, options)

    def base(self, name: str, *, retrain: bool = False) -> tuple[nn.Module, ShippedCard]:
        """A pretrained model that ships, in eval mode, and its card; one line about it is shown.

        `retrain` trains it here instead of reading it; an interrupted training goes on when it is asked for again.
        Raises as `lib.workbench.shipped.shipped_base` does.
        """
        from lib.workbench.shipped import shipped_base

        checkpoint = self.checkpoint(f"base-{name}") if retrain else None
        return shipped_base(name, root=self.root, device=self.device, retrain=retrain, checkpoint=checkpoint)

    def forget(self, name: str) -> None:
        """Remove what the cache holds of the training `name`, and say what that was.

        Raises ValueError, which lists the names that there are, when there is none of this name.
        """
        trainings.forget(self, name)

    def real(self, name: str, *, chat: bool = False) -> OurModel | OurEmbedder | None:
        """A released model, "smollm2" or "minilm", or None with a sentence; see `lib.workbench.real.real_model`."""
        from lib.workbench.real import real_model

        return real_model(name, self.device, chat=chat)

    def tuned(
        self,
        name: str,
        arms: Iterable[str],
        grid: Grid,
        measure: Callable[[str, Setting, int], float],
        *,
        best: Callable = min,
        seeds: Sequence[int] = (100, 101),
        what: str = "validation loss (nats)",
    ) -> Tuning:
        """The best setting of each arm, from what is stored in `data/evidence`; see `lib.workbench.tuning.tuned`."""
        from lib.workbench.tuning import tuned

        return tuned(self, name, arms, grid, measure, best=best, seeds=seeds, what=what)

    def checkpoint(self, name: str) -> Path:
        """Where an interrupted training of this paper, scale and seed is kept; the folder is made if need be."""
        if not re.fullmatch(r"[\w.+-]+", str(name)) or str(name).startswith("."):
            raise ValueError(f"name must be of letters, digits, '_', '-', '+' and '.', got {name!r}")
        folder = self._cache_folder() / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.paper}-{self.scale}-seed{self.seed}-{name}.safetensors"

    def claim(
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
    ) -> None:
        """Add one claim to the ledger and show its card.

        `says` is the claim, `paper` the paper's figure, `here` ours, `holds` a predicate of `lib.workbench.verdicts`
        such as `at_least(recall, 0.9)`. `kind` is "paper" (the paper claims it), "ours" (a finding of the notebook) or
        "check" (parity, arithmetic). `timed` says that clocks are compared: the evidence must then clear the threshold
        by 20 % of it. `values` are further figures to record. Raises ValueError as `Ledger.add` does.
        """
        claim = self.claims.add(
            id, says=says, paper=paper, here=here, holds=holds, kind=kind, timed=timed, values=values
        )
        show(self.claims.row_bundle(claim))

    def record(self) -> dict[str, object]:
        """The run and its claims, JSON-ready."""
        return {
            "paper": self.paper,
            "scale": self.scale,
            "seed": self.seed,
            "seconds": self.seconds,
            "device": self.device.type,
            "claims": self.claims.rows(),
        }

    def ledger(self) -> None:
        """Show the table of claims and store the record in the same output, under `CLAIMS_MIME`.

        Where the environment's `WORKBENCH_LEDGERS` names a folder, the record is written there too, as <paper>.json.
        """
        record = self.record()
        show(self.claims.bundle(record))
        if folder := os.environ.get("WORKBENCH_LEDGERS"):
            write_record(record, Path(folder))

    def summary(self, text: str) -> None:
        """Show Markdown sentences with figures from the evidence, such as `{C1.mean:.2f}`; see `summary.render`."""
        rendered = render(text, self.claims)
        show({"text/markdown": rendered, "text/plain": rendered})

    def _evidence(self) -> tuple[dict | None, str, dict | None]:
        """What judges the claims: seeds of this scale, or laptop's where it has none; the scale; the other seeds."""
        laptop, long = self._gathered(""), self._gathered("-long")
        own, other = (long, laptop) if self.scale == "long" and long else (laptop, long)
        return own, self.scale, other

    def _gathered(self, ending: str) -> dict | None:
        """What the seeds showed. A damaged evidence file costs the verdicts, not the run."""
        try:
            return read_record(self.root / "data" / "evidence" / f"{self.paper}{ending}.json")
        except CourseError as error:
            show({"text/plain": str(error), "text/html": f"<p>{escape(str(error))}</p>"})
            return None

    def _cache_folder(self) -> Path:
        place = os.environ.get("WORKBENCH_CACHE", "")
        folder = Course(self.root).cache if place in ("", "off") else Path(place).expanduser()
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"WORKBENCH_CACHE must be a folder or 'off', got the file {folder.name}")
        if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
            raise ValueError(f"WORKBENCH_CACHE must be a folder that you may read, got {folder.name}")
        return folder

    def _header(self) -> dict[str, object]:
        where = f"CPU, {self.threads} thread{'s' * (self.threads != 1)}"
        if self.device.type == "cuda":
            where = torch.cuda.get_device_name(self.device)
        parts = [self.paper, f"scale {self.scale}", f"seed {self.seed}", where, f"torch {torch.__version__}"]
        html = " \u00b7 ".join([f"<b>{escape(parts[0])}</b>", *map(escape, parts[1:])])
        return {"text/plain": " | ".join(parts), "text/html": f"<p>{html}</p>"}


def _settle(device: torch.device) -> int:
    """Threads (fewer where OMP_NUM_THREADS says so) and determinism.

    On a CPU deterministic forms are free; on CUDA some are missing or slow: not there.
    """
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.use_deterministic_algorithms(device.type == "cpu", warn_only=True)
    if device.type == "cpu":
        torch.set_num_threads(usable_threads())
    else:
        torch.backends.cudnn.benchmark = False
    return torch.get_num_threads()


def _house_style() -> None:
    from lib.workbench.plots import house_style

    house_style()


def _checked_paper(paper: object) -> str:
    if not isinstance(paper, str) or not re.fullmatch(r"\d\d-[a-z0-9]+(-[a-z0-9]+)*", paper):
        raise ValueError(f"paper must be the notebook's number and name such as '01-jamba', got {paper!r}")
    return paper
