"""One training loop for every notebook: the same call on two cores, one GPU, or many through `accelerate launch`.

Built on Hugging Face accelerate, which places the model, averages gradients over processes and casts to bfloat16.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from lib.training.history import History, Recorder
from lib.training.interrupt import DeferredInterrupt
from lib.training.optimizer import adamw
from lib.training.progress import progress as progress_line
from lib.training.resume import Keeper, farewell, tensors_of
from lib.training.schedules import SCHEDULES

Batch = Mapping[str, Tensor]
Batches = Callable[[int], Mapping[str, Tensor | np.ndarray]]
Objective = Callable[[nn.Module, Batch], Tensor | dict[str, Tensor]]


def fit(
    model: nn.Module,
    batches: Batches,
    objective: Objective,
    *,
    steps: int,
    lr: float,
    schedule: str = "cosine",
    warmup: float = 0.05,
    final_lr: float = 0.05,
    weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.98),
    clip: float | None = 1.0,
    precision: str = "auto",
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
    on_step: Callable[[int], None] | None = None,
    label: str = "",
    progress: bool = True,
) -> History:
    """Minimise `objective` with AdamW and return the history; `model` is trained in place.

    batches: step -> the global batch, tensors or numpy arrays with rows first; the objective gets tensors. A function
        of the step and of the global random numbers alone, so that a resumed run sees the data of an uninterrupted
        one. Of W processes, number r takes the rows r, r + W, r + 2W, ...
    objective: (model, batch) -> the loss, or a dict of scalars with the key "loss", all of which are recorded. It
        always gets the bare model, so that it may read attributes and call methods other than forward.
    steps, lr, schedule, warmup, final_lr: see `lib.training.schedules`; lr is the peak, final_lr a share of it.
    weight_decay, betas: see `lib.training.optimizer`. clip: largest gradient norm, or None.
    precision: "fp32", "bf16" (weights stay float32) or "auto": bf16 on a GPU that has it, else fp32.
    checkpoint: a file that keeps the run's state every `checkpoint_every` steps and when interrupted. The same call
        made again goes on from it, to the same weights bit for bit: the random numbers of torch, numpy and Python are
        kept, and of the model its parameters, buffers and `get_extra_state`. Where `objective` and `on_step` have
        `state_dict` and `load_state_dict`, they are kept too. A finished run removes the file.
    on_step: called after each step with the number of steps done, on every process.

    Raises ValueError for an argument that is not allowed, a checkpoint of another run, or, before the first step, a
    model that a checkpoint cannot hold; FloatingPointError when loss or gradient is not finite; KeyboardInterrupt at
    the end of a step after Ctrl-C.
    """
    _check_numbers(steps, lr, warmup, final_lr, weight_decay, betas, clip, checkpoint_every)
    factor = _choice("schedule", schedule, SCHEDULES)
    accelerator = _accelerator(_resolve_precision(precision))
    model.to(accelerator.device)
    # Objective and model as one module: processes synchronise around both, and the objective sees the bare model.
    training_step, prepared = accelerator.prepare(
        _TrainingStep(model, objective), adamw(model, lr=lr, betas=betas, weight_decay=weight_decay)
    )
    optimizer = prepared.optimizer  # what accelerate wraps around it serves float16 and TPUs, at 0.2 ms a step
    run = {
        "steps": steps, "lr": lr, "schedule": schedule, "warmup": warmup, "final_lr": final_lr, "clip": clip,
        "weight_decay": weight_decay, "betas": list(betas), "precision": accelerator.mixed_precision,
    }  # fmt: skip
    stateful = {"objective": objective, "on_step": on_step}
    kept = None if checkpoint is None else Keeper(checkpoint, run, stateful, model, optimizer, accelerator)
    history = History() if kept is None else kept.resume(batches)
    recorder = Recorder(history, accelerator, steps)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    previously_training, seconds_before, started = model.training, history.seconds, time.perf_counter()
    optimizer.zero_grad()

    meter = progress_line(steps, label, initial=len(history), show=progress and accelerator.is_main_process)
    try:
        with DeferredInterrupt() as interrupt, meter as line:
            for step in range(len(history), steps):
                if not model.training:
                    model.train()
                rate = lr * factor(step, steps=steps, warmup=warmup, final_lr=final_lr)
                for group in optimizer.param_groups:
                    group["lr"] = rate

                if kept is not None:
                    kept.note_random_states()
                batch = tensors_of(batches(step))
                values = training_step(_share(batch, step, accelerator))
                accelerator.backward(values["loss"])
                if clip is not None:
                    values["grad_norm"] = accelerator.clip_grad_norm_(trainable, clip)
                recorder.add(rate, values)
                if recorder.due or step + 1 == steps:  # on a CPU always: before a bad loss reaches the weights
                    recorder.flush(interrupt.requested)
                optimizer.step()
                optimizer.zero_grad()

                history.seconds = seconds_before + time.perf_counter() - started
                done = step + 1
                line.advance(**{name: values[-1] for name, values in history.records.items() if name == "loss"})
                if on_step is not None:
                    _call(on_step, done, interrupt)
                stopping = interrupt.requested if accelerator.num_processes == 1 else recorder.any_process_stops
                if kept is not None and (stopping or (done % checkpoint_every == 0 and done < steps)):
                    recorder.flush()
                    written = kept.save(history, batch)
                if stopping:
                    recorder.flush()
                    raise KeyboardInterrupt(farewell(done, steps, kept is not None and written, checkpoint))
    finally:
        optimizer.zero_grad()
        model.train(previously_training)
    if kept is not None:
        kept.remove()
    return history


class _TrainingStep(nn.Module):
    """forward(batch) = the objective's scalars; only the loss carries gradients."""

    def __init__(self, model: nn.Module, objective: Objective):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        values = self.objective(self.model, batch)
        values = dict(values) if isinstance(values, Mapping) else {"loss": values}
        loss = values.get("loss")
        if not isinstance(loss, Tensor) or loss.ndim or not loss.requires_grad:
            raise ValueError(
                "objective must return a scalar tensor that depends on the model, or a dict with one as 'loss', "
                f"got {_describe(loss, values)}"
            )
        for name, value in values.items():
            if name in ("lr", "grad_norm"):
                raise ValueError(f"objective must not return {name!r}, which fit records itself")
            if name != "loss":
                value = torch.as_tensor(value, dtype=torch.float32, device=loss.device).detach()
                if value.numel() != 1:
                    raise ValueError(f"objective must return scalars, {name!r} has the shape {tuple(value.shape)}")
                values[name] = value.reshape(())
        return values


def _describe(loss, values: Mapping) -> str:
    if loss is None and list(values) == ["loss"]:
        return "None"
    if loss is None:
        return f"the keys {list(values)}"
    return f"{type(loss).__name__} of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__


def start_processes() -> PartialState:
    """Join the processes that `accelerate launch` or torchrun started; alone, nothing happens."""
    return PartialState(cpu=not torch.cuda.is_available())


def _accelerator(mixed_precision: str) -> Accelerator:
    AcceleratorState._reset_state()  # one program trains models in different precisions; processes stay connected
    unused_allowed = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(
        cpu=not torch.cuda.is_available(), mixed_precision=mixed_precision, kwargs_handlers=[unused_allowed]
    )


def _resolve_precision(precision: str) -> str:
    has_bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return _choice("precision", precision, {"auto": "bf16" if has_bf16 else "no", "fp32": "no", "bf16": "bf16"})


def _share(batch: Batch, step: int, accelerator: Accelerator) -> dict[str, Tensor]:
    """This process's rows, on its device."""
    rows = {name: len(tensor) if tensor.ndim else 0 for name, tensor in batch.items()}
    if len(set(rows.values())) != 1:
        raise ValueError(f"batches({step}) must give tensors with the same number of rows, got {rows}")
    processes, count = accelerator.num_processes, next(iter(rows.values()))
    if count == 0 or count % processes:
        raise ValueError(
            f"batches({step}) must give a number of rows that {processes} processes can share equally, got {count}"
        )
    mine = slice(accelerator.process_index, None, processes)
    return {name: tensor[mine].to(accelerator.device, non_blocking=True) for name, tensor in batch.items()}


def _call(on_step: Callable[[int], None], done: int, interrupt: DeferredInterrupt) -> None:
    """A KeyboardInterrupt raised in `on_step` counts as Ctrl-C: the step is whole, so that it can be kept."""
    try:
        on_step(done)
    except KeyboardInterrupt:
        interrupt.requested = True


def _check_numbers(steps, lr, warmup, final_lr, weight_decay, betas, clip, checkpoint_every) -> None:
    checks = (
        ("steps", steps, lambda: isinstance(steps, int) and steps >= 1, "a whole number of at least 1"),
        ("lr", lr, lambda: lr > 0 and math.isfinite(lr), "above 0"),
        ("warmup", warmup, lambda: 0 <= warmup < 1, "in [0, 1), a share of the steps"),
        ("final_lr", final_lr, lambda: 0 <= final_lr <= 1, "in [0, 1], a share of lr"),
        ("weight_decay", weight_decay, lambda: weight_decay >= 0, "at least 0"),
        ("betas", betas, lambda: len(betas) == 2 and all(0 <= beta < 1 for beta in betas), "two numbers in [0, 1)"),
        ("clip", clip, lambda: clip is None or clip > 0, "above 0, or None"),
        ("checkpoint_every", checkpoint_every, lambda: checkpoint_every >= 1, "at least 1"),
    )
    for name, value, is_allowed, words in checks:
        try:
            allowed = is_allowed()
        except TypeError:  # no number at all
            allowed = False
        if not allowed:
            raise ValueError(f"{name} must be {words}, got {value!r}")


def _choice(name: str, value: str, allowed: Mapping):
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(sorted(allowed))}, got {value!r}")
    return allowed[value]
