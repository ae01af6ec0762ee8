"""What makes a pretrained model: data, network, objective, steps, and the gate that it must pass."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lib.training.checkpoint import digest
from lib.training.fit import Batches, Objective, fit
from lib.training.history import History


class Enough(Exception):
    """Ends a training whose first steps were all that was wanted."""


@dataclass(frozen=True)
class Recipe:
    """A base, described. `data` and `gate` do their work when they are called, so that importing a recipe is quick.

    Attributes:
        name: of its module, its files and `run.base(name)`.
        title: one line for a reader, such as "skills behind control tokens".
        model: () -> the network, made after `torch.manual_seed(seed)`.
        data: () -> step -> batch, as `fit` takes it.
        objective: (model, batch) -> the loss.
        gate: model in eval mode -> its figure, at least `least`; `measure` says of what, with the unit.
        steps, lr, options: of `fit`.
        series: step -> the name under which the loss of this step is drawn (batches of several kinds take turns).
    """

    name: str
    title: str
    model: Callable[[], nn.Module]
    data: Callable[[], Batches]
    objective: Objective
    gate: Callable[[nn.Module], float]
    measure: str
    least: float
    steps: int
    lr: float
    seed: int = 0
    options: Mapping[str, object] = field(default_factory=dict)
    series: Callable[[int], str] = lambda step: "loss"

    def untrained(self) -> nn.Module:
        """The network as training begins; the caller's random numbers stay as they are."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return self.model()

    def train(self, *, checkpoint: Path | None = None, progress: bool = True) -> tuple[nn.Module, History]:
        """The whole training, in single precision; with `checkpoint`, an interrupted one goes on from there."""
        model = self.untrained()
        history = self._fit(model, self.objective, checkpoint=checkpoint, progress=progress)
        return model, history

    def first_losses(self, count: int) -> list[float]:
        """The losses of the first `count` steps of a training that goes no further."""
        losses: list[float] = []

        def watched(model: nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
            loss = self.objective(model, batch)
            losses.append(loss.item())
            return loss

        def stop(done: int) -> None:
            if done == min(count, self.steps):
                raise Enough

        with contextlib.suppress(Enough):
            self._fit(self.untrained(), watched, progress=False, on_step=stop)
        return losses

    def data_digest(self, places: int = 8) -> str:
        """SHA-256 of the batches at `places` steps from the first to the last."""
        batches, steps = self.data(), np.linspace(0, self.steps - 1, places).round().astype(int).tolist()
        tensors = [{name: torch.as_tensor(part) for name, part in batches(step).items()} for step in steps]
        return hashlib.sha256("".join(map(digest, tensors)).encode()).hexdigest()

    def measured(self, model: nn.Module) -> float:
        """What the gate says of `model`; the caller's random numbers and the model's mode stay as they are."""
        was_training = model.training
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(self.seed)
            reached = float(self.gate(model.eval()))
        model.train(was_training)
        return reached

    def _fit(self, model: nn.Module, objective: Objective, **arguments: object) -> History:
        options = {"precision": "fp32", **self.options, **arguments}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return fit(model, self.data(), objective, steps=self.steps, lr=self.lr, label=self.name, **options)
