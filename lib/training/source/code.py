"""Code taken apart: a function into its instructions and the values they name, a class into its members."""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.util
import inspect
import sys
import types
from collections import deque
from collections.abc import Callable, Mapping

from lib.training.source.origins import is_fingerprinted, origin
from lib.training.source.references import Path, listing, references
from lib.training.source.values import PLAIN, Named, Undigestible

SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_HIDES_NAMES = frozenset({"eval", "exec", "globals", "__import__"})
"""Builtins through which code reaches what its instructions do not name."""
_WRITES = {
    list: {"append", "extend", "insert", "clear"},
    set: {"add", "update", "clear"},
    dict: {"update", "clear"},
    deque: {"append", "appendleft", "extend", "extendleft", "clear"},
}
"""Methods that give back nothing: code that only calls these learns nothing from what the container holds."""
_CLASS_BOOKKEEPING = frozenset(
    "__module__ __qualname__ __doc__ __dict__ __weakref__ __annotations__ __annotate__ __annotate_func__ "
    "__annotations_cache__ __firstlineno__ __static_attributes__ __abstractmethods__ _abc_impl __dataclass_fields__ "
    "__dataclass_params__ __match_args__ __parameters__ __orig_bases__ __type_params__".split()
)
_MODULE_BOOKKEEPING = frozenset(vars(types.ModuleType("empty"))) | {"__file__", "__cached__", "__builtins__"}
_HEAP_TYPE = 1 << 9
"""The flag of classes made by a class statement: types written in C take no new attributes."""


def function_parts(function: types.FunctionType) -> list:
    """Instructions, defaults, attributes, closure; of the user's own functions also the globals that they name."""
    function = without_checker(function)
    where = origin(function.__globals__.get("__name__"))
    attributes = {name: value for name, value in vars(function).items() if not name.startswith("__")}
    parts: list = ["function", function.__name__, listing(function.__code__), where]
    parts += [function.__defaults__, function.__kwdefaults__, attributes]
    used = references(function.__code__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        parts += _cell(name, cell, used.cells.get(name, {()}))
    if where:
        return [*parts, function.__module__, function.__qualname__]
    return [*parts, *_globals(function, used.names), *_imports(function, used.imports)]


def _cell(name: str, cell: types.CellType, paths: set[Path]) -> list:
    try:
        value = cell.cell_contents
    except ValueError:
        return [name, "empty"]
    return _reached(name, value, paths)


def _globals(function: types.FunctionType, names: Mapping[str, set[Path]]) -> list:
    parts: list = []
    for name in sorted(names):
        if name in function.__globals__:
            parts += _reached(name, function.__globals__[name], names[name])
        elif name in _HIDES_NAMES:
            raise Undigestible(f"code that calls {name}, which reaches what only running it shows")
        else:
            parts += [name, "builtin" if hasattr(builtins, name) else "missing"]
    return parts


def _reached(name: str, value: object, paths: set[Path]) -> list:
    """What is at the ends of attribute paths, such as one number of a notebook's `sizes`."""
    parts: list = []
    for path in [()] if () in paths else sorted(paths):
        end, steps, only_written = _follow(value, path)
        parts.append(Named(".".join((name, *steps)), type(end) if only_written else end))
    return parts


def _follow(value: object, path: Path) -> tuple[object, list[str], bool]:
    """Along `path` as far as it only reads stored values: (the last one, the steps taken, whether it is only written).

    A property or a method may use all of its object: there the way ends, at the object.
    """
    steps: list[str] = []
    for position, name in enumerate(path):
        if name in _WRITES.get(type(value), ()) and position + 1 == len(path):
            return value, steps, True
        if isinstance(value, types.ModuleType) and hasattr(value, name):
            value = getattr(value, name)
        elif _stores(value, name):
            value = vars(value)[name]
        else:
            break
        steps.append(name)
    return value, steps, False


def _stores(value: object, name: str) -> bool:
    """Whether `value.name` is nothing but what stands under that name in the instance."""
    kind = type(value)
    looks_up_as_usual = kind is types.SimpleNamespace or kind.__getattribute__ is object.__getattribute__
    return looks_up_as_usual and name in getattr(value, "__dict__", ()) and not hasattr(kind, name)


def _imports(function: types.FunctionType, imports: set[tuple[int, str, Path]]) -> list:
    """What import statements inside the function take from the user's own modules."""
    parts: list = []
    for level, name, taken in sorted(imports):
        if level:
            name = importlib.util.resolve_name("." * level + name, function.__globals__.get("__package__"))
        parts += ["import", name, taken, origin(name)]
        if not origin(name):
            try:
                module = importlib.import_module(name)
            except ImportError:
                parts.append("missing")
            else:
                parts += [Named(part, getattr(module, part, None)) for part in taken] or [Named(name, module)]
    return parts


def class_parts(cls: type) -> list:
    """The user's own class by its bases and members, a library's by name, with what was put into it from outside.

    A class that a library made from the user's own, as PyTorch's parametrizations do, counts with that one.
    """
    where = origin(cls.__module__)
    if not where:
        members = sorted(vars(cls).items())
        kept = [(name, member) for name, member in members if name not in _CLASS_BOOKKEEPING]
        own = [Named(name, member) for name, member in kept if not isinstance(member, SLOTS)]
        return ["class", cls.__qualname__, cls.__bases__, type(cls), *own]
    parents = [parent for parent in cls.__mro__ if parent.__flags__ & _HEAP_TYPE]
    own = [parent for parent in parents if not origin(parent.__module__)]
    edits = [part for parent in parents if parent not in own for part in _edits(parent)]
    return ["class", cls.__module__, cls.__qualname__, where, *own, *edits]


def _edits(cls: type) -> list[Named]:
    """Members of a library's class that the user wrote, and the numbers of our own classes, which may be set."""
    ours = is_fingerprinted(cls.__module__)
    return [
        Named(name, member)
        for name, member in sorted(vars(cls).items())
        if is_users_own(member) or (ours and type(member) in PLAIN and not name.startswith("__"))
    ]


def is_users_own(member: object) -> bool:
    """Whether a function or a class was written in a module that is the user's."""
    member = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    if isinstance(member, types.FunctionType):
        module = without_checker(member).__globals__.get("__name__")
    elif isinstance(member, type):
        module = member.__module__
    else:
        return False
    return module in sys.modules and not origin(module)


def module_parts(module: types.ModuleType) -> list:
    where = origin(module.__name__)
    own = () if where else sorted(vars(module).items())
    return ["module", module.__name__, where, *(Named(*item) for item in own if item[0] not in _MODULE_BOOKKEEPING)]


def method_parts(method: types.MethodType) -> list:
    return ["method", method.__func__, method.__self__]


def builtin_parts(function: Callable) -> list:
    """A function in C, by name; bound to an object, with the object."""
    owner = getattr(function, "__self__", None)
    module = getattr(function, "__module__", None) or getattr(owner, "__module__", None)
    parts = ["builtin", module, getattr(function, "__qualname__", function.__name__), origin(module)]
    by_name = isinstance(owner, types.ModuleType) or type(owner).__name__ == "PyCapsule"
    return parts if by_name else [*parts, owner]


def descriptor_parts(member: staticmethod | classmethod | property | functools.cached_property) -> list:
    names = ("__func__", "fget", "fset", "fdel", "func")
    return [type(member).__name__, *(getattr(member, name, None) for name in names)]


def memo_parts(function: Callable) -> list:
    """What `functools.cache` remembers changes nothing in what it gives."""
    return ["memo", function.__wrapped__]


def code_parts(code: types.CodeType) -> list:
    return ["code", listing(code)]


def cell_parts(cell: types.CellType) -> list:
    return _cell("cell", cell, {()})


def without_checker(function: types.FunctionType) -> types.FunctionType:
    """The function inside the wrappers with which jaxtyping and beartype hold calls to their annotations."""

    def is_other(wrapper: Callable) -> bool:
        module = str(getattr(wrapper, "__globals__", {}).get("__name__"))
        file = getattr(getattr(wrapper, "__code__", None), "co_filename", "")
        return not (module.startswith(("jaxtyping", "beartype")) or file.startswith("<@beartype"))

    return inspect.unwrap(function, stop=is_other)
