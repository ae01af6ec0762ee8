"""A run that goes on where it was stopped: when its state is written, and what is looked at before it is taken back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator, DistributedType
from torch import Tensor, nn

from lib.training.checkpoint import Checkpoint, digest
from lib.training.history import History
from lib.training.identity import run_digests
from lib.training.random_states import random_states


class Keeper:
    """Keeps the state of one call of `fit` in the file `path`.

    `run` holds the options that make it this run. Those of `stateful` that have `state_dict` and `load_state_dict` are
    kept too. Raises ValueError at once for a model or an option that a file cannot hold, and where processes hold
    parts of the model.
    """

    def __init__(
        self,
        path: str | Path,
        run: Mapping,
        stateful: Mapping[str, object],
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        accelerator: Accelerator,
    ):
        whole = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
        if accelerator.distributed_type not in whole:
            kind = accelerator.distributed_type.value
            raise ValueError(
                f"checkpoint must be None unless every process holds the whole model, got one under {kind}"
            )
        self.model, self.optimizer, self.accelerator = model, optimizer, accelerator
        parts = {name: part for name, part in stateful.items() if _is_stateful(part)}
        self.file = Checkpoint(Path(path), run, parts, run_digests(model, stateful["objective"]))
        self.file.check(model)
        self._before: dict[str, Tensor] = {}

    def resume(self, batches: Callable[[int], Mapping[str, Tensor | np.ndarray]]) -> History:
        """The history so far with everything restored, or an empty one.

        Raises ValueError when the file is of another run: other options, another model, or other data.
        """
        process = self.accelerator.process_index
        state = self.file.load(self.model, self.optimizer, process)
        if state is None:
            return History()
        history, last_batch = state
        last = len(history) - 1
        with self.file.before_last_batch(process, self.accelerator.device):
            drawn_again = digest(tensors_of(batches(last)))
        if drawn_again != last_batch:
            raise ValueError(
                f"checkpoint {self.file.path} belongs to another run: batches({last}) gave other data then; "
                "remove the file to start over, or give another path"
            )
        return history

    def note_random_states(self) -> None:
        """Remember where the random numbers stand, just before a batch is drawn."""
        self._before = random_states(self.accelerator.device)

    def save(self, history: History, batch: Mapping[str, Tensor]) -> bool:
        """Whether the first process could write the state. A failed write costs a warning, not the training."""
        now, before = (
            self._of_all_processes(random_states(self.accelerator.device)),
            self._of_all_processes(self._before),
        )
        written = True
        if self.accelerator.is_main_process:
            try:
                self.file.save(self.model, self.optimizer, history, now, batch, before)
            except OSError as error:
                written = False
                kept = "the one before is kept" if self.file.path.exists() else "there is none before it"
                warnings.warn(f"checkpoint of step {len(history)}: {error}; {kept}", RuntimeWarning, stacklevel=3)
        self.accelerator.wait_for_everyone()
        return written

    def remove(self) -> None:
        if self.accelerator.is_main_process:
            self.file.remove()

    def _of_all_processes(self, states: dict[str, Tensor]) -> dict[str, Tensor]:
        """A row for each process."""
        if self.accelerator.num_processes == 1:
            return states
        return {name: self.accelerator.gather(state.to(self.accelerator.device)) for name, state in states.items()}


def tensors_of(batch: Mapping[str, Tensor | np.ndarray]) -> dict[str, Tensor]:
    """Arrays as tensors of the same bytes. Raises ValueError for a batch that is no mapping of them."""
    if not isinstance(batch, Mapping):
        raise ValueError(f"batches must give tensors or arrays by name, got {type(batch).__name__}")
    return {name: torch.as_tensor(values) for name, values in batch.items()}


def farewell(done: int, steps: int, written: bool, checkpoint: str | Path | None) -> str:
    """What an interrupted run ends with."""
    if written:
        return f"stopped after step {done} of {steps}: make the same call again to go on from {checkpoint}"
    if checkpoint is None:
        return f"stopped after step {done} of {steps}, not saved: give fit a checkpoint to be able to go on"
    return f"stopped after step {done} of {steps}, not saved: {checkpoint} could not be written"


def _is_stateful(part: object) -> bool:
    return hasattr(part, "state_dict") and hasattr(part, "load_state_dict")
