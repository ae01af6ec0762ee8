"""How many bytes a computation moves, counted operation by operation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

WRITES_ONLY = {"copy_", "fill_", "zero_"}
FREE = {"_unsafe_view", "empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"}


@dataclass
class Traffic:
    """Bytes read and written so far."""

    read: int = 0
    written: int = 0

    @property
    def total(self) -> int:
        return self.read + self.written


@contextmanager
def tensor_traffic() -> Iterator[Traffic]:
    """Count what every PyTorch operation in the block reads and writes, those of a backward pass included.

    Each operation counts its tensor arguments once and its results once, as if nothing stayed in a cache between
    two operations; views and allocations are free, a broadcast axis counts once.
    """
    traffic = Traffic()
    with _Counter(traffic):
        yield traffic


@contextmanager
def interpreter_traffic() -> Iterator[Traffic]:
    """Count what the loads and stores of Triton kernels move in the block, run by Triton's interpreter.

    Each instruction of each program counts its distinct addresses under the mask.
    Raises RuntimeError where kernels do not run in the interpreter.
    """
    from kernels import dispatch

    if not dispatch.interpreted():
        raise RuntimeError("loads and stores can be counted in Triton's interpreter only (TRITON_INTERPRET=1)")
    from triton.runtime.interpreter import InterpreterBuilder

    traffic = Traffic()
    load, store = InterpreterBuilder.create_masked_load, InterpreterBuilder.create_masked_store

    def counted_load(self, pointers, mask, *rest):
        result = load(self, pointers, mask, *rest)
        traffic.read += _distinct(pointers, mask) * result.data.itemsize
        return result

    def counted_store(self, pointers, value, mask, *rest):
        traffic.written += _distinct(pointers, mask) * value.data.itemsize
        return store(self, pointers, value, mask, *rest)

    InterpreterBuilder.create_masked_load, InterpreterBuilder.create_masked_store = counted_load, counted_store
    try:
        yield traffic
    finally:
        InterpreterBuilder.create_masked_load, InterpreterBuilder.create_masked_store = load, store


def _distinct(pointers, mask) -> int:
    return len(np.unique(pointers.data[mask.data]))


class _Counter(TorchDispatchMode):
    def __init__(self, traffic: Traffic):
        super().__init__()
        self.traffic = traffic

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        schema, name = func._schema, func._schema.name.split("::")[1]
        returned = [each.alias_info for each in schema.returns]
        if name in FREE or any(alias is not None and not alias.is_write for alias in returned):
            return result
        given = dict(zip((argument.name for argument in schema.arguments), args, strict=False)) | kwargs
        for argument in schema.arguments:
            size = _bytes(given.get(argument.name))
            written = argument.alias_info is not None and argument.alias_info.is_write
            self.traffic.written += size * written
            self.traffic.read += size * (not written or (not argument.kwarg_only and name not in WRITES_ONLY))
        results = result if isinstance(result, tuple | list) else (result,)
        for alias, value in zip(returned, results, strict=False):
            self.traffic.written += _bytes(value) * (alias is None)
        return result


def _bytes(value: object) -> int:
    if isinstance(value, tuple | list):
        return sum(_bytes(each) for each in value)
    if not isinstance(value, Tensor):
        return 0
    count = 1
    for size, stride in zip(value.shape, value.stride(), strict=True):
        count *= size if stride else min(size, 1)
    return count * value.element_size()
