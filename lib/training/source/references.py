"""What a function's compiled code says and which outside names it reads, whatever its line numbers and comments are."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType

Path = tuple[str, ...]

_LOADS_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_LOADS_CELL = ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")
_LOADS_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_SAYS_NOTHING = ("CACHE", "EXTENDED_ARG", "NOP", "RESUME")
_WHERE_A_CLASS_STANDS = ("__firstlineno__", "__static_attributes__")
"""What Python 3.13 and later store in a class body: its line, and names in no fixed order."""
_HAS_DOCSTRING = 0x4000000
"""A flag of code objects since Python 3.13."""


@dataclass
class References:
    """What code reads from outside: name -> the attribute paths taken from it.

    `sizes.batch` is the path ("batch",) of the name `sizes`; the path () says that the value itself is used.
    `imports` are (level, module, names) of import statements inside the function, without names for a whole module.
    """

    names: dict[str, set[Path]] = field(default_factory=dict)
    cells: dict[str, set[Path]] = field(default_factory=dict)
    imports: set[tuple[int, str, Path]] = field(default_factory=set)


def references(code: CodeType) -> References:
    """Of `code` and of all functions and classes that are defined inside it."""
    found = References()
    for part in _with_nested(code):
        steps = _instructions(part)
        for position, step in enumerate(steps):
            if step.opname in (*_LOADS_GLOBAL, *_LOADS_CELL):
                kind = found.names if step.opname in _LOADS_GLOBAL else found.cells
                kind.setdefault(step.argval, set()).add(_attributes(steps, position + 1))
            elif step.opname.endswith("_GLOBAL"):  # stored or deleted
                found.names.setdefault(step.argval, set()).add(())
            elif step.opname.endswith("_DEREF"):
                found.cells.setdefault(step.argval, set()).add(())
            elif step.opname == "IMPORT_NAME":
                level, names = (before.argval for before in steps[position - 2 : position])
                found.imports.add((level, step.argval, tuple(names or ())))
    return found


def listing(code: CodeType) -> str:
    """The instructions as text: equal for two codes that do the same in the same words.

    File, line numbers, comments and an unused docstring do not enter. Constants carry their type, so that 1 and 1.0
    and True differ.
    """
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    head = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~_HAS_DOCSTRING)
    lines = [f"{head} {code.co_varnames[:count]} {code.co_freevars} {code.co_exceptiontable.hex()}"]
    for step in _instructions(code):
        if isinstance(step.argval, CodeType):
            lines.append(f"{step.opname} (\n{listing(step.argval)}\n)")
        else:
            said = "" if "CONST" in step.opname else step.argrepr
            lines.append(f"{step.opname} {_typed(step.argval)} {said}")
    return "\n".join(lines)


def _typed(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_typed, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_typed, value)))}}}"
    if isinstance(value, slice):
        return f"slice{_typed((value.start, value.stop, value.step))}"
    return f"{type(value).__name__} {value!r}"


def _with_nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_nested(constant)


def _instructions(code: CodeType) -> list[dis.Instruction]:
    steps: list[dis.Instruction] = []
    for step in dis.get_instructions(code):
        if step.opname == "STORE_NAME" and step.argval in _WHERE_A_CLASS_STANDS:
            steps.pop()
        elif step.opname not in _SAYS_NOTHING:
            steps.append(step)
    return steps


def _attributes(steps: list[dis.Instruction], position: int) -> Path:
    """The attributes taken one after the other from what was just loaded."""
    path: list[str] = []
    while position < len(steps) and steps[position].opname in _LOADS_ATTRIBUTE:
        path.append(steps[position].argval)
        position += 1
    return tuple(path)
