"""Values taken apart into simpler ones, by content: containers, arrays, tensors, random generators, any other object.

Each function gives a list that two values share only when code cannot tell them apart.
"""

from __future__ import annotations

import copyreg
import functools
import itertools
import random
import types
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lib.training.source.origins import origin

PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)})
"""Types whose `repr` says everything."""


class Undigestible(TypeError):
    """Something that code reaches has a state that cannot be read; the sentence names it."""


class Named(NamedTuple):
    """A value under the name that errors call it."""

    name: str
    value: object


def sequence_parts(values: list | tuple) -> list:
    if type(values) not in (list, tuple):
        return object_parts(values)
    if all(type(value) in PLAIN for value in values):
        return [type(values).__name__, repr(values)]  # a table of a million numbers, at once
    return [type(values).__name__, *values]


def mapping_parts(values: dict) -> list:
    """In the order in which it is iterated over."""
    if type(values) is not dict:
        return object_parts(values)
    return ["dict", *_flat(values)]


def _flat(values: dict) -> Iterable:
    return itertools.chain.from_iterable(values.items())


def array_parts(array: np.ndarray | np.generic) -> list:
    """Of a scalar too. Other kinds of arrays, such as one with a mask, say themselves what they hold."""
    if type(array) not in (np.ndarray, np.memmap) and not isinstance(array, np.generic):
        return object_parts(array)
    kind = repr(array.dtype.descr) if array.dtype.names else array.dtype.str
    values = array.tolist() if array.dtype.hasobject else array.tobytes()
    return ["array", isinstance(array, np.generic), kind, repr(array.shape), values]


def tensor_parts(tensor: Tensor) -> list:
    """Its attributes too: a parameter says there what the optimizer is to do with it."""
    head = [str(part) for part in (tensor.dtype, tuple(tensor.shape), tensor.device.type, tensor.layout)]
    parts: list = ["tensor", *head, tensor.requires_grad, type(tensor), vars(tensor)]
    if tensor.is_meta:
        return parts
    if tensor.layout is torch.sparse_coo:
        whole = tensor.detach().coalesce()
        return [*parts, whole.indices(), whole.values()]
    if tensor.layout is not torch.strided or tensor.is_quantized:
        raise _incomparable(tensor)
    values = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    return [*parts, values.reshape(-1).view(torch.uint8).numpy().tobytes()]


def generator_parts(generator: torch.Generator | np.random.Generator | np.random.BitGenerator) -> list:
    """Where a generator of random numbers stands."""
    if isinstance(generator, torch.Generator):
        return ["random numbers", generator.device.type, generator.get_state()]
    bits = getattr(generator, "bit_generator", generator)
    children = getattr(getattr(bits, "seed_seq", None), "state", None)  # of which `spawn` makes others
    return ["random numbers", type(generator).__name__, bits.state, children]


def object_parts(value: object) -> list:
    """What the object itself says is needed to make another like it (`__reduce_ex__`, as for a copy).

    Python's and numpy's global generators count by name: whoever trains looks at where they stand.
    Raises Undigestible for what cannot be copied either.
    """
    if value is random.random.__self__ or value is np.random.random.__self__:
        return ["the global generator", type(value).__name__]
    try:
        reduce = copyreg.dispatch_table.get(type(value))
        reduced = reduce(value) if reduce else value.__reduce_ex__(4)
    except Exception as error:
        raise _incomparable(value) from error
    if isinstance(reduced, str):
        module = getattr(value, "__module__", None)
        return ["global", module, reduced, origin(module)]
    make, arguments, state, items, pairs, *rest = (*reduced, None, None, None)[:6]
    state = _lasting_state(value, state)
    stored = ["attributes", *_flat(state)] if type(state) is dict else [state]
    return ["object", make, len(arguments), *arguments, *stored, _listed(items), _listed(pairs), *rest]


def _incomparable(value: object) -> Undigestible:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    return Undigestible(f"an object of type {kind}, whose state cannot be compared")


def _listed(items: Iterable | None) -> list | None:
    return None if items is None else list(items)


def module_parts(module: nn.Module) -> list:
    """A layer by its class and all that it holds; its hooks by what they do, without the numbers that name them."""
    held = {name: part for name, part in vars(module).items() if name not in _cached_properties(type(module))}
    hooks = {name: list(part.values()) for name, part in held.items() if "_hooks" in name and isinstance(part, dict)}
    return ["layer", type(module), *_flat(held | hooks)]


def _lasting_state(value: object, state: object) -> object:
    """Without what a cached property will compute again."""
    if type(state) is dict and (cached := _cached_properties(type(value))):
        return {name: part for name, part in state.items() if name not in cached}
    return state


@functools.cache
def _cached_properties(kind: type) -> frozenset[str]:
    members = [item for parent in kind.__mro__ for item in vars(parent).items()]
    return frozenset(name for name, member in members if isinstance(member, functools.cached_property))


def reference_parts(reference: object) -> list:
    """Of a weak reference: what it refers to."""
    return ["weak reference", reference()]


def view_parts(mapping: types.MappingProxyType) -> list:
    """Of a read-only view of a dict."""
    return ["view", dict(mapping)]
