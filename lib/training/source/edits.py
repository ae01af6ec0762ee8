"""What was set in the library's modules after they were loaded, which their files do not show."""

from __future__ import annotations

import dis
import itertools
import sys
import types
from functools import cache

from lib.training.source.code import is_users_own
from lib.training.source.origins import is_fingerprinted
from lib.training.source.values import PLAIN


def library_edits() -> dict[str, object]:
    """ "module.name" -> the value now, of all modules of `lib` and `kernels` that are loaded; usually empty.

    Seen are functions and classes of the user's own in place of a module's or among a class's members, entries of the
    user's own in a module's dict, and constants that no longer have the value that the file gives them.
    """
    found: dict[str, object] = {}
    for name, module in sorted(sys.modules.items()):
        if is_fingerprinted(name) and isinstance(module, types.ModuleType):
            found |= {f"{name}.{part}": value for part, value in _edits(name, vars(module)).items()}
    return found


def _edits(module: str, names: dict[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in names.items():
        if is_users_own(value):
            found[name] = value
        elif isinstance(value, type) and value.__module__ == module:
            found |= {f"{name}.{part}": member for part, member in vars(value).items() if is_users_own(member)}
        elif type(value) is dict and not name.startswith("__"):
            found |= {f"{name}[{key!r}]": entry for key, entry in value.items() if is_users_own(entry)}
    for name, constant in _constants(module).items():
        if name in names and (type(names[name]), repr(names[name])) != (type(constant), repr(constant)):
            found[name] = names[name]
    return found


@cache
def _constants(module: str) -> dict[str, object]:
    """The plain values that a module's file gives to names, each once, at its top."""
    loader = getattr(sys.modules[module].__spec__, "loader", None)
    code = loader.get_code(module) if hasattr(loader, "get_code") else None
    found: dict[str, list] = {}
    steps = [] if code is None else dis.get_instructions(code)
    for before, step in itertools.pairwise(steps):
        if step.opname in ("STORE_NAME", "STORE_GLOBAL"):
            plain = before.opname.startswith("LOAD_") and "CONST" in before.opname and type(before.argval) in PLAIN
            found.setdefault(step.argval, []).append((before.argval,) if plain else ())
    return {
        name: values[0][0] for name, values in found.items() if len(values) == 1 and values[0] and name != "__doc__"
    }
