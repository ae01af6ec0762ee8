"""What happened at each step of a training run, read from the device rarely."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from accelerate import Accelerator
from torch import Tensor


@dataclass
class History:
    """`records["loss"][i]` is the loss of step i, likewise "lr", "grad_norm" and whatever else the objective gives."""

    records: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.records.get("loss", ()))

    def __repr__(self) -> str:
        """One line, for a cell that ends with a training."""
        losses = self.records.get("loss") or [math.nan]
        return f"History({len(self)} steps in {self.seconds:.0f} s, loss {losses[0]:.3f} -> {losses[-1]:.3f})"

    def to_dict(self) -> dict:
        return {"records": {name: list(values) for name, values in self.records.items()}, "seconds": self.seconds}

    @classmethod
    def from_dict(cls, state: Mapping) -> History:
        records = {name: [float(value) for value in values] for name, values in state["records"].items()}
        return cls(records, float(state["seconds"]))


class Recorder:
    """Keeps the scalars of each step as tensors; `flush` averages them over processes and appends them to `history`.

    Reading a number off a GPU waits for all work queued there, so that happens once in `every` steps; on a CPU,
    where it is free, at every step.
    """

    def __init__(self, history: History, accelerator: Accelerator, steps: int):
        self.history, self.accelerator, self.steps = history, accelerator, steps
        self.every = 1 if accelerator.device.type == "cpu" else 20
        self.any_process_stops = False
        self._pending: list[tuple[float, Tensor]] = []
        self._names: list[str] = [name for name in history.records if name != "lr"]

    @property
    def due(self) -> bool:
        return len(self._pending) >= self.every

    def add(self, lr: float, values: Mapping[str, Tensor]) -> None:
        """Keep one step's scalars. Raises ValueError when they are not the ones of the steps before."""
        if not self._names:
            self._names = list(values)
        if set(values) != set(self._names):
            raise ValueError(f"objective must return the same entries at every step, {self._names}, got {list(values)}")
        self._pending.append((lr, torch.stack([values[name].detach() for name in self._names])))

    def flush(self, stop: bool = False) -> None:
        """Read what is pending, and learn whether any process wants to stop.

        Raises FloatingPointError at the first loss or gradient norm that is not finite.
        """
        if not self._pending:
            return
        rates, vectors = zip(*self._pending, strict=True)
        self._pending = []
        values = torch.stack(vectors)
        if self.accelerator.num_processes > 1:
            flat = torch.cat((values.flatten(), values.new_tensor([float(stop)])))
            flat = self.accelerator.reduce(flat, reduction="mean")
            values, stop = flat[:-1].view_as(values), bool(flat[-1] > 0)
        self.any_process_stops = self.any_process_stops or stop
        for lr, row in zip(rates, values.tolist(), strict=True):
            self._append({**dict(zip(self._names, row, strict=True)), "lr": lr})

    def _append(self, row: dict[str, float]) -> None:
        for name in ("loss", "grad_norm"):
            if not math.isfinite(row.get(name, 0.0)):
                raise FloatingPointError(
                    f"{name} became {row[name]} at step {len(self.history) + 1} of {self.steps} "
                    f"(lr {row['lr']:.3g}): lower lr, clip harder or look at that step's batch"
                )
        for name, value in row.items():
            self.history.records.setdefault(name, []).append(value)
