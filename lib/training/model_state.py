"""All of a model that training can change, as tensors and a description in JSON.

Parameters and buffers each once, where layers share them too, and what modules keep besides (`get_extra_state`).
Whatever else a module remembers in plain attributes is not state: it must be a buffer or extra state to survive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from safetensors.torch import save
from torch import Tensor, nn

from lib.training.packing import pack, unpack


def model_state(model: nn.Module) -> tuple[dict[str, Tensor], dict]:
    """The model's own tensors as "model.<name>" and those of extra states as "extra.<number>", and a description.

    Raises ValueError, naming the tensor or the module, when a file cannot hold part of it.
    """
    tensors: dict[str, Tensor] = {}
    extra = {}
    for name, module in _with_extra_state(model):
        try:
            extra[name] = pack(module.get_extra_state(), "extra", tensors)
        except TypeError as error:
            kind = f"{name or 'the model'} ({type(module).__name__})"
            raise ValueError(f"the extra state of {kind} cannot be kept: {error}") from error
    tensors |= {f"model.{name}": tensor for name, tensor in _own_tensors(model).items()}
    for name, tensor in tensors.items():
        _check_storable(name.removeprefix("model."), tensor)
    return tensors, {"extra": extra}


def restore_model(model: nn.Module, tensors: Mapping[str, Tensor], description: Mapping) -> None:
    """Put a state back, in place.

    Raises ValueError when parameters or persistent buffers have other names or shapes. A buffer that is not persistent
    takes the stored shape, and stays as it is where none is stored.
    """
    if words := difference(model, tensors):
        raise ValueError(f"the state belongs to another model: {words}")
    ours = _own_tensors(model)
    with torch.no_grad():
        for name, stored in tensors.items():
            kind, _, name = name.partition(".")
            if kind == "model" and name in ours and ours[name].shape == stored.shape:
                _once(ours[name]).copy_(_once(stored, like=ours[name]))
            elif kind == "model":
                owner, _, last = name.rpartition(".")
                module = model.get_submodule(owner)
                module._buffers[last] = stored.clone().to(next(iter(ours.values()), stored).device)
    extra = description.get("extra", {})
    for name, module in _with_extra_state(model):
        if name in extra:
            module.set_extra_state(unpack(extra[name], tensors))


def difference(model: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """In words, the first way in which a state is not one of this model; empty when it is."""
    theirs = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    ours = _own_tensors(model)
    for name in {**theirs, **ours}:
        shapes = [tuple(side[name].shape) if name in side else "none" for side in (theirs, ours)]
        if shapes[0] != shapes[1] and not _is_passing(model, name):
            return f"its {name} has shape {shapes[0]}, this model's has {shapes[1]}"
    return ""


def _own_tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _with_extra_state(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in model.named_modules():
        if type(module).get_extra_state is not nn.Module.get_extra_state:
            yield name, module


def _is_passing(model: nn.Module, name: str) -> bool:
    """Whether `name` is a buffer that is not persistent: in a new model it may not be there yet."""
    owner, _, last = name.rpartition(".")
    try:
        return last in model.get_submodule(owner)._non_persistent_buffers_set
    except AttributeError:
        return False


def _check_storable(name: str, tensor: Tensor) -> None:
    """Raises ValueError for a tensor of a kind that a safetensors file cannot hold."""
    kind = "on the meta device" if tensor.is_meta else str(tensor.layout).removeprefix("torch.")
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
        kind = "not initialised"
    elif kind == "strided":
        try:
            save({"nothing": torch.empty(0, dtype=tensor.dtype)})
            return
        except (KeyError, ValueError, RuntimeError):
            kind = f"of type {tensor.dtype}"
    raise ValueError(f"the tensor {name} of the model cannot be kept in a file: it is {kind}")


def _once(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """`tensor` without the repetitions that `expand` made: places that share memory cannot be written to."""
    for axis, stride in enumerate((tensor if like is None else like).stride()):
        if stride == 0 and tensor.shape[axis] > 1:
            tensor = tensor.narrow(axis, 0, 1)
    return tensor
