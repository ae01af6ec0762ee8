"""One number for what a function does: its code, and everything that the code can reach.

Two functions have the same digest when they run the same instructions on the same values: defaults, closures and
globals, functions and classes by their own code, arrays and tensors by content. Where a function stands, its comments
and who wrapped it to check its annotations do not enter. Code of an installed package counts by its version, code of
`lib` and `kernels` by name, because `lib.training.cache.code_fingerprint` knows the files; `lib.workbench` is read like
a notebook's own code.

What a function reads from files, the clock or the environment is not seen, nor are global random numbers.
"""

from __future__ import annotations

import functools
import hashlib
import types
import warnings
import weakref
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from lib.training.source import code, values
from lib.training.source.values import PLAIN, Named, Undigestible

_PARTS: tuple[tuple[tuple[type, ...], Callable[..., list]], ...] = (
    ((list, tuple), values.sequence_parts),
    ((dict,), values.mapping_parts),
    ((np.ndarray, np.generic), values.array_parts),
    ((Tensor,), values.tensor_parts),
    ((nn.Module,), values.module_parts),
    ((torch.Generator, np.random.Generator, np.random.BitGenerator), values.generator_parts),
    ((weakref.ref,), values.reference_parts),
    ((types.MappingProxyType,), values.view_parts),
    ((types.FunctionType,), code.function_parts),
    ((types.MethodType,), code.method_parts),
    ((types.BuiltinFunctionType, types.MethodWrapperType, *code.SLOTS), code.builtin_parts),
    ((types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType), code.builtin_parts),
    ((staticmethod, classmethod, property, functools.cached_property), code.descriptor_parts),
    ((type(functools.cache(len)),), code.memo_parts),
    ((types.CodeType,), code.code_parts),
    ((types.CellType,), code.cell_parts),
    ((type,), code.class_parts),
    ((types.ModuleType,), code.module_parts),
    ((object,), values.object_parts),
)
"""How a value is taken apart: by the first of these kinds that it is."""


@functools.cache
def _take_apart(kind: type) -> Callable[..., list]:
    return next(take_apart for kinds, take_apart in _PARTS if issubclass(kind, kinds))


def source_digest(value: object, name: str) -> str:
    """SHA-256 over `value` and all that it can reach. `name` is what errors call it.

    Raises Undigestible when part of it cannot be compared: a generator that has begun, a lock, an open file, code that
    calls eval or reads globals().
    """
    walk = _Walk(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # iterators of itertools warn that they will not be copied one day
            walk.add(value)
    except RecursionError:
        raise Undigestible(f"{name} uses values that are nested too deeply to be compared") from None
    return walk.sha.hexdigest()


class _Walk:
    """Takes values apart until only plain ones are left, each object once."""

    def __init__(self, name: str) -> None:
        self.sha = hashlib.sha256()
        self.seen: dict[int, tuple[int, object]] = {}  # the objects too: an id is free again when its object is gone
        self.place = [name]

    def add(self, value: object) -> None:
        if type(value) in PLAIN:
            self.sha.update(_said(value))
        elif type(value) is Named:
            self.place.append(value.name)
            self.sha.update(_said(value.name))
            self.add(value.value)
            self.place.pop()
        elif id(value) in self.seen:
            self.sha.update(b"seen %d;" % self.seen[id(value)][0])
        else:
            self.seen[id(value)] = (len(self.seen), value)
            parts = self._parts(value)
            self.sha.update(b"parts %d:" % len(parts))
            for part in parts:
                if type(part) in PLAIN:
                    self.sha.update(_said(part))
                else:
                    self.add(part)

    def _parts(self, value: object) -> list:
        if type(value) in (set, frozenset):  # in no order
            return [type(value).__name__, *sorted(source_digest(member, self.place[-1]) for member in value)]
        try:
            return _take_apart(type(value))(value)
        except Undigestible as error:
            user, used = self.place[0], self.place[-1]
            begins = f"{user} is" if len(self.place) == 1 else f"{user} uses {used!r},"
            raise Undigestible(f"{begins} {error}") from error


def _said(value: object) -> bytes:
    """A plain value with its type and length, so that two of them in a row can be told apart."""
    data = value if type(value) is bytes else repr(value).encode()
    return b"%s %d:%s" % (type(value).__name__.encode(), len(data), data)
