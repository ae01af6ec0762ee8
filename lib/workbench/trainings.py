"""What `Run.train` and `Run.forget` do: training through a cache that knows what was trained.

A training is found in the cache when all that determines its result is the same: the model it starts from, the
options, the code and values that objective, batches and check can reach, and, where it drew global random numbers,
where these stood. A training taken from the cache leaves the random numbers where it would have left them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lib.training import History
    from lib.workbench.run import Run

SILENT = ("progress", "checkpoint", "checkpoint_every")
"""Options of `fit` that change nothing in the result."""


@dataclass
class Training:
    """One call of `Run.train`."""

    run: Run
    name: str
    model: nn.Module
    batches: Callable
    objective: Callable
    key: Mapping[str, object]
    options: dict
    checks: Checks = field(default_factory=lambda: Checks())

    def result(self) -> tuple[History, list]:
        """Train, or take from the cache; the model ends in eval mode. Gives the history and what the checks saw."""
        from lib.training import Cache, History
        from lib.training.model_state import model_state, restore_model
        from lib.training.random_states import restore_random_states

        model_state(self.model)  # what a file cannot hold is found now
        kept = self.run.kept.setdefault(self.name, set())
        cache, whole, label = self.run.cache, self._identity(), f"{self.run.paper}-{file_label(self.name)}"
        code = self._code() if cache.enabled else None
        if code is None:
            cache = Cache(cache.folder, enabled=False)
        else:
            self._name_checkpoint({**whole, "code": {part: code[part] for part in code if part != "model"}})
            whole["code"] = code
            kept.add(cache.path(label, whole))
        tensors, info = cache.get(label, whole, self._build, accepts=self._drew_the_same, announce=self._announce)
        self.model.to(self.run.device)
        restore_model(self.model.eval(), tensors, info["state"])
        restore_random_states({kind: tensors[f"random.{kind}"] for kind in info["drawn"]})
        return History.from_dict(info["history"]), info["seen"]

    def _identity(self) -> dict:
        """What determines the result, besides code."""
        options = {option: value for option, value in self.options.items() if option not in SILENT}
        head = {"name": self.name, "key": dict(self.key), "check_every": self.checks.every}
        return {**head, "options": options, "device": self.run.device.type}

    def _code(self) -> dict[str, str] | None:
        """The digest of each part, or None where one cannot be compared: then the training is not kept, and says so."""
        from lib.training.source import Undigestible, library_edits, source_digest

        parts = {"objective": self.objective, "batches": self.batches, "check": self.checks.check, "model": self.model}
        parts["library"] = library_edits()
        try:
            return {part: source_digest(value, part) for part, value in parts.items()}
        except Undigestible as error:
            print(f"{self.name}: not kept in the cache, because {error}", flush=True)
            return None

    def _build(self) -> tuple[dict[str, Tensor], dict]:
        from lib.training import fit
        from lib.training.checkpoint import digest
        from lib.training.model_state import model_state
        from lib.training.random_states import random_states

        before = random_states(self.run.device)
        self.checks.model = self.model
        history = fit(self.model, self.batches, self.objective, label=self.name, on_step=self.checks, **self.options)
        after = random_states(self.run.device)
        drawn = {kind: digest({kind: before[kind]}) for kind in after if not torch.equal(before[kind], after[kind])}
        tensors, state = model_state(self.model)
        info = {"name": self.name, "history": history.to_dict(), "seen": self.checks.seen, "state": state}
        return {**tensors, **{f"random.{kind}": after[kind] for kind in drawn}}, {**info, "drawn": drawn}

    def _drew_the_same(self, info: Mapping) -> bool:
        """Whether the random numbers that a kept training drew stand where they stood when it began."""
        from lib.training.checkpoint import digest
        from lib.training.random_states import random_states

        now = random_states(self.run.device)
        return all(kind in now and digest({kind: now[kind]}) == began for kind, began in info["drawn"].items())

    def _announce(self, age: str) -> None:
        again = f"run.forget({json.dumps(self.name)}) trains it again"
        print(f"{self.name}: from the cache, {age}; {again}", flush=True)

    def _name_checkpoint(self, whole: Mapping) -> None:
        """Keep an interrupted training in a file of its own for each edit, so that no other goes on from it."""
        if self.options.get("checkpoint") is not None:
            path = Path(self.options["checkpoint"])
            edit = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:8]
            self.options["checkpoint"] = path.with_name(f"{path.stem}-{edit}{path.suffix}")
            self.run.kept[self.name].add(self.options["checkpoint"])


@dataclass
class Checks:
    """Calls `check(model)` every `every` steps in eval mode and keeps what it gives, over an interruption too."""

    check: Callable[[nn.Module], object] | None = None
    every: int = 0
    model: nn.Module | None = None
    seen: list = field(default_factory=list)

    def __call__(self, done: int) -> None:
        if self.check is not None and done % self.every == 0:
            self.seen.append(self.check(self.model.eval()))
            self.model.train()

    def state_dict(self) -> dict:
        return {"seen": self.seen}

    def load_state_dict(self, state: Mapping) -> None:
        self.seen[:] = state["seen"]


def train(
    run: Run,
    name: str,
    model: nn.Module,
    batches: Callable,
    objective: Callable,
    key: Mapping[str, object],
    check: Callable[[nn.Module], object] | None,
    check_every: int,
    options: dict,
) -> tuple[History, list]:
    """See `Run.train`. Raises TypeError for a model, a function or a key that is none."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    for part, function in {"batches": batches, "objective": objective, "check": check}.items():
        if not callable(function) and (part != "check" or function is not None):
            raise TypeError(f"{part} must be a function, got {type(function).__name__}")
    if not isinstance(key, Mapping):
        raise TypeError(f"key must be a dictionary, got {type(key).__name__}")
    checks = Checks(check if check_every else None, check_every)
    return Training(run, name, model, batches, objective, key, options, checks).result()


def forget(run: Run, name: str) -> None:
    """See `Run.forget`. Of a training that this run has asked for, what it asked for; else all of that name."""
    from lib.training.cache import age

    if not run.cache.enabled:
        print(f"{name}: the cache is off, so that nothing is kept", flush=True)
        return
    kept = {path: entry for path, entry in _entries(run).items() if entry["info"]["name"] == name}
    if name in run.kept:
        kept = {path: entry for path, entry in kept.items() if path in run.kept[name]}
    elif not kept:
        known = sorted({entry["info"]["name"] for entry in _entries(run).values()} | set(run.kept))
        listed = ", ".join(map(repr, known)) or "none so far"
        raise ValueError(f"name must be one of this notebook's trainings in the cache ({listed}), got {name!r}")
    for path in {*kept, *run.kept.get(name, ())}:
        path.unlink(missing_ok=True)  # an interrupted training's checkpoint too
    removed = "; ".join(age(entry) for entry in kept.values())
    print(f"{name}: removed from the cache, {removed}" if removed else f"{name}: not in the cache", flush=True)


def file_label(name: str) -> str:
    """A training's name as part of a file's."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _entries(run: Run) -> dict[Path, dict]:
    """What the cache holds of this paper's trainings."""
    found = run.cache.entries(f"{run.paper}-")
    return {path: entry for path, entry in found.items() if "name" in entry.get("info", ())}
