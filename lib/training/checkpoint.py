"""Tensors and a description in one safetensors file that is written whole or not at all; a training run's state in it.

No pickle: a file holds numbers and JSON, so that reading one cannot run code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lib.training.history import History

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""AdamW's state for one parameter."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], info: dict) -> None:
    """Write beside `path`, flush to the disk, then rename: whoever reads sees the old file or the new one.

    Raises OSError, with the old file untouched and no remains, when the disk does not take it.
    """
    path = Path(path)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    description = json.dumps(info)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, metadata={"info": description, "sha256": digest(tensors, description)})
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise OSError(f"{path} could not be written: {getattr(error, 'strerror', None) or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors and description of a file from `write_tensors`. Raises ValueError when the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Clones: the mapped file may be replaced or removed while the tensors live on.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        description = metadata["info"]
        intact = digest(tensors, description) == metadata["sha256"]
    except (SafetensorError, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not intact:
        raise ValueError(f"{path} is damaged: its checksum does not match")
    return tensors, json.loads(description)


def remove_leftovers(path: Path) -> None:
    """Remove what writers of `path` that were killed left behind. Only for who knows that nobody writes now."""
    for leftover in path.parent.glob(f"{path.name}.*.tmp"):
        leftover.unlink(missing_ok=True)


def digest(tensors: Mapping[str, Tensor], description: str = "") -> str:
    """SHA-256 over names, types, shapes and bytes of tensors, and a description."""
    sha = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        sha.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()


class Checkpoint:
    """The state of one training run: weights, buffers, moments, step, history and torch's random state.

    `run` names what makes it this run and no other (steps, lr, ...); a file of another run is refused.
    """

    def __init__(self, path: Path, run: Mapping):
        self.path, self.run = Path(path), json.loads(json.dumps(run))

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        history: History,
        random_states: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
    ) -> None:
        """Store the state after `len(history)` steps; `batch` is the last one trained on."""
        tensors = {f"model.{name}": tensor for name, tensor in _model_tensors(model).items()}
        for name, parameter in model.named_parameters():
            for key in MOMENTS if parameter in optimizer.state else ():
                tensors[f"optimizer.{key}.{name}"] = optimizer.state[parameter][key]
        for name, values in history.records.items():
            tensors[f"history.{name}"] = torch.tensor(values, dtype=torch.float64)
        tensors |= {f"random.{name}": states for name, states in random_states.items()}
        info = {"run": self.run, "step": len(history), "seconds": history.seconds, "batch": digest(batch)}
        write_tensors(self.path, tensors, info)

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer, process: int) -> tuple[History, str] | None:
        """Restore everything in place and return the history and the last batch's digest; None without a file.

        Raises ValueError when the file is damaged or belongs to another run.
        """
        if not self.path.exists():
            return None
        advice = "remove the file to start over, or give another path"
        try:
            tensors, info = read_tensors(self.path)
        except ValueError as error:
            raise ValueError(f"checkpoint {error}; {advice}") from error
        difference = self._difference(model, tensors, info)
        if difference:
            raise ValueError(f"checkpoint {self.path} belongs to another run: {difference}; {advice}")

        with torch.no_grad():
            for name, tensor in _model_tensors(model).items():
                tensor.copy_(tensors[f"model.{name}"])
        moments, records = _under(tensors, "optimizer."), _under(tensors, "history.")
        for name, parameter in model.named_parameters():
            if f"step.{name}" in moments:
                state = {key: moments[f"{key}.{name}"].to(parameter.device) for key in MOMENTS}
                optimizer.state[parameter] = state
        _restore_random_states(_under(tensors, "random."), process)
        history = History({name: values.tolist() for name, values in records.items()}, info["seconds"])
        return history, info["batch"]

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        remove_leftovers(self.path)

    def _difference(self, model: nn.Module, tensors: Mapping[str, Tensor], info: dict) -> str:
        """In words, the first way in which a file is not this run's; empty when it is."""
        stored = info.get("run", {})
        for name in self.run:
            if stored.get(name) != self.run[name]:
                return f"its {name} is {stored.get(name)}, this run's is {self.run[name]}"
        theirs = {name: tuple(tensor.shape) for name, tensor in _under(tensors, "model.").items()}
        ours = {name: tuple(tensor.shape) for name, tensor in _model_tensors(model).items()}
        for name in {**theirs, **ours}:
            if theirs.get(name) != ours.get(name):
                return f"its {name} has shape {theirs.get(name, 'none')}, this model's has {ours.get(name, 'none')}"
        return ""


def random_states(device: torch.device) -> dict[str, Tensor]:
    """This process's torch random state, one row for the CPU's generator and one for the GPU's where there is one."""
    states = {"cpu": torch.get_rng_state()[None]}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)[None]
    return states


def _restore_random_states(states: Mapping[str, Tensor], process: int) -> None:
    """Row `process` of each; a process that the stored run did not have keeps its own.

    Rows are cloned: torch 2.13 crashes on a state that does not start at the beginning of its storage.
    """
    if "cpu" in states and process < len(states["cpu"]):
        torch.set_rng_state(states["cpu"][process].clone())
    if "cuda" in states and process < len(states["cuda"]) and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"][process].clone())


def _model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers, each once where layers share them."""
    stored = model.state_dict(keep_vars=True)
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor for name, tensor in tensors.items() if name in stored}


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
