"""Tensors and a description in one safetensors file that is written whole or not at all; a training run's state in it.

No pickle: a file holds numbers and JSON, so that reading one cannot run code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from lib.nn.weights import write_weights
from lib.training.history import History
from lib.training.identity import CODE
from lib.training.model_state import difference, model_state, restore_model
from lib.training.packing import pack, unpack
from lib.training.random_states import random_states, restore_random_states

_DAMAGE = (SafetensorError, KeyError, ValueError, RecursionError)  # of a file, as far as libraries tell
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""AdamW's state for one parameter."""


class Stateful(Protocol):
    """What can tell and take back its state, as modules and PyTorch's stateful loaders do."""

    def state_dict(self) -> Mapping: ...

    def load_state_dict(self, state: Mapping, /) -> object: ...


def write_tensors(path: Path, tensors: Mapping[str, Tensor], info: dict) -> None:
    """Write beside `path`, flush to the disk, then rename: whoever reads sees the old file or the new one.

    Raises OSError, with the old file untouched and no remains, when the disk does not take it, ValueError for a tensor
    with the one name that a file keeps for itself.
    """
    path = Path(path)
    if "__metadata__" in tensors:
        raise ValueError("a tensor must have another name than __metadata__, which a file keeps for itself")
    description = json.dumps(info)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_weights(path, tensors, {"info": description, "sha256": digest(tensors, description)})
    except (OSError, SafetensorError) as error:
        raise OSError(f"{path} could not be written: {getattr(error, 'strerror', None) or error}") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors and description of a file from `write_tensors`.

    Raises ValueError when the file is damaged, OSError when it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Clones: the mapped file may be replaced or removed while the tensors live on.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        description = metadata["info"]
        intact, info = digest(tensors, description) == metadata["sha256"], json.loads(description)
    except OSError as error:
        raise OSError(f"{path} could not be read: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not intact:
        raise ValueError(f"{path} is damaged: its checksum does not match")
    return tensors, info


def read_description(path: Path) -> dict:
    """The description alone, without reading the tensors. Raises ValueError when the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {})["info"])
    except _DAMAGE as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def remove_leftovers(path: Path) -> None:
    """Remove what writers of `path` that were killed left behind. Only for who knows that nobody writes now.

    What another user's writer left, or what is no file, stays.
    """
    for leftover in path.parent.glob(f"{path.name}.*.tmp"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def digest(tensors: Mapping[str, Tensor], description: str = "") -> str:
    """SHA-256 over names, types, shapes and bytes of tensors, and a description."""
    sha = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        sha.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()


class Checkpoint:
    """The state of one training run: the model's, AdamW's moments, step, history and the global random numbers.

    `run` names what makes it this run and no other (steps, lr, ...); a file of another run is refused. `parts` are
    objects with `state_dict` and `load_state_dict` that go with it. `digests` tell what cannot be said in a word (see
    `lib.training.identity`). Raises ValueError for an option in `run` that a file cannot hold, and for a folder.
    """

    def __init__(
        self,
        path: Path,
        run: Mapping,
        parts: Mapping[str, Stateful] | None = None,
        digests: Mapping[str, str] | None = None,
    ):
        self.path, self.parts, self.digests = Path(path), dict(parts or {}), dict(digests or {})
        if self.path.is_dir():
            raise ValueError(f"checkpoint must be the path of a file, got the folder {str(path)!r}")
        for name, value in run.items():
            try:
                json.dumps(value)
            except TypeError:
                kind = type(value).__name__
                raise ValueError(
                    f"{name} must be a plain number or text to be kept in a checkpoint, got {kind}"
                ) from None
        self.run = json.loads(json.dumps(run))
        self._before: dict[str, Tensor] = {}

    def check(self, model: nn.Module) -> None:
        """Raises ValueError now, not when the first file is due, for a state that a file cannot hold."""
        self._state(model)

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        history: History,
        random: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
        before: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Store the state after `len(history)` steps.

        `batch` is the last one trained on, `random` where the random numbers stand, `before` where they stood when
        `batch` was drawn (both as `random_states` gives them).
        """
        tensors, info = self._state(model)
        for name, parameter in model.named_parameters():
            for key in MOMENTS if parameter in optimizer.state else ():
                tensors[f"optimizer.{key}.{name}"] = optimizer.state[parameter][key]
        for name, values in history.records.items():
            tensors[f"history.{name}"] = torch.tensor(values, dtype=torch.float64)
        tensors |= {f"random.{name}": states for name, states in random.items()}
        tensors |= {f"before.{name}": states for name, states in (before or {}).items()}
        info |= {
            "run": self.run,
            "digests": self.digests,
            "step": len(history),
            "seconds": history.seconds,
            "batch": digest(batch),
        }
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
        words = self._other_run(info) or difference(model, tensors) or self._other_digest(info)
        if words:
            raise ValueError(f"checkpoint {self.path} belongs to another run: {words}; {advice}")

        restore_model(model, tensors, info)
        for name, packed in info.get("parts", {}).items():
            if name in self.parts:
                self.parts[name].load_state_dict(unpack(packed, tensors))
        moments, records = _under(tensors, "optimizer."), _under(tensors, "history.")
        for name, parameter in model.named_parameters():
            if f"step.{name}" in moments:
                state = {key: moments[f"{key}.{name}"].to(parameter.device) for key in MOMENTS}
                optimizer.state[parameter] = state
        restore_random_states(_under(tensors, "random."), process)
        self._before = _under(tensors, "before.")
        history = History({name: values.tolist() for name, values in records.items()}, info["seconds"])
        return history, info["batch"]

    @contextlib.contextmanager
    def before_last_batch(self, process: int, device: torch.device) -> Iterator[None]:
        """Inside, the random numbers stand where they stood when the stored run drew its last batch."""
        now = random_states(device)
        restore_random_states(self._before, process)
        yield
        restore_random_states(now)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        remove_leftovers(self.path)

    def _state(self, model: nn.Module) -> tuple[dict[str, Tensor], dict]:
        tensors, info = model_state(model)
        info["parts"] = {}
        for name, part in self.parts.items():
            try:
                info["parts"][name] = pack(part.state_dict(), f"part.{name}", tensors)
            except TypeError as error:
                raise ValueError(f"the state_dict of {name} cannot be kept: {error}") from error
        return tensors, info

    def _other_run(self, info: Mapping) -> str:
        """In words, the first way in which a file is not this run's; empty when it is."""
        stored = info.get("run", {})
        for name in self.run:
            if stored.get(name) != self.run[name]:
                return f"its {name} is {stored.get(name)}, this run's is {self.run[name]}"
        return ""

    def _other_digest(self, info: Mapping) -> str:
        """The same for what digests stand for, as far as the file has them."""
        known = info.get("digests", {})
        others = [name for name in self.digests if known.get(name, self.digests[name]) != self.digests[name]]
        if others == [CODE]:
            sentence = f"checkpoint {self.path} was written by another version of the {CODE}; it is gone on from"
            warnings.warn(sentence, RuntimeWarning, stacklevel=4)
        elif others:
            return f"its {others[0]} is another than this run's"
        return ""


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
