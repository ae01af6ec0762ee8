"""What is known of a pretrained model that ships: its recipe, how it learned, what its gate said, when and where."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

POINTS = 150
"""Of the loss curve, each the mean over a stretch of steps."""


@dataclass(frozen=True, repr=False)
class Card:
    """The card of one base, as it lies in `data/bases/NAME.json`.

    Attributes:
        name, title: the recipe's.
        recipe_digest: of the recipe and of the code it calls (`lib.bases.registry.recipe_digest`).
        weights_digest: SHA-256 of the stored tensors.
        parameters: how many numbers were trained.
        seed, steps, minutes: of the training.
        losses: {"steps": ..., series: ...}: where each point of the curve lies, and the mean loss there (nats).
        first_losses: of the first steps, number by number: a fresh training must begin with them.
        data_digest: of batches from the first step to the last (`Recipe.data_digest`).
        numbers_digest: of optimizer and schedule.
        gate: its figure, measured on the half-precision weights; `least` is what it needs, `measure` says of what.
        date, hardware, torch, python: when and on what. Digests of code compare within one minor version of Python.
    """

    name: str
    title: str
    recipe_digest: str
    weights_digest: str
    parameters: int
    seed: int
    steps: int
    minutes: float
    losses: dict[str, list[float]]
    first_losses: list[float]
    data_digest: str
    numbers_digest: str
    gate: float
    least: float
    measure: str
    date: str
    hardware: str
    torch: str
    python: str

    @property
    def line(self) -> str:
        """The card in one line for a reader."""
        return (
            f"base {self.name}: {self.title}; {self.parameters:,} weights, {self.steps:,} steps in "
            f"{self.minutes:.0f} minutes on {self.date}; gate: {self.measure} is {self.gate:.3f} (needs {self.least:g})"
        )

    def __repr__(self) -> str:
        return f"<{self.line}>"

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Card:
        """Raises FileNotFoundError without a file, ValueError for one that is no card."""
        if not path.is_file():
            raise FileNotFoundError(f"there is no card {path.name}")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path.name} is no card: {error}") from None
        wanted = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(values) != wanted:
            got = sorted(values) if isinstance(values, dict) else type(values).__name__
            raise ValueError(f"{path.name} is no card: it must hold {', '.join(sorted(wanted))}, got {got}")
        return cls(**values)


def curve_of(losses: Sequence[float], series: Callable[[int], str], points: int = POINTS) -> dict[str, list[float]]:
    """A loss curve of at most `points` places: the mean of each series over stretches of equal length.

    `series(step)` names the series of a step. A stretch in which a series has no step takes what
    the series had before.
    """
    bounds = np.linspace(0, len(losses), min(points, len(losses)) + 1).round().astype(int)
    by_name: dict[str, list[tuple[int, float]]] = {}
    for step, loss in enumerate(losses):
        by_name.setdefault(series(step), []).append((step, loss))
    curve: dict[str, list[float]] = {"steps": bounds[1:].tolist()}
    for name, points_of in by_name.items():
        means = [points_of[0][1]]
        for start, end in itertools.pairwise(bounds):
            there = [loss for step, loss in points_of if start <= step < end]
            means.append(round(float(np.mean(there)), 5) if there else means[-1])
        curve[name] = means[1:]
    return curve
