"""Whose code a module is: an installed package's, this project's library's, or the user's own."""

from __future__ import annotations

import site
import sys
import sysconfig
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_ROOMS = sorted(room.name for room in (ROOT / "lib").iterdir() if (room / "__init__.py").exists())
FINGERPRINTED = ("kernels", *(f"lib.{room}" for room in _ROOMS if room not in ("workbench", "course")))
"""The packages whose files `lib.training.cache.code_fingerprint` digests: all of `lib` that can shape a training."""


def is_fingerprinted(module: object) -> bool:
    """Whether a module's file is part of the code fingerprint."""
    return isinstance(module, str) and any(module == room or module.startswith(f"{room}.") for room in FINGERPRINTED)


@cache
def origin(module: object) -> str | None:
    """What stands for a module's code: "lib", or "numpy 2.3.1"; None for the user's own, which must be read.

    A module that cannot be found is the user's own.
    """
    if not isinstance(module, str) or module == "__main__":
        return None
    if is_fingerprinted(module):
        return "lib"
    top = module.partition(".")[0]
    if top in ("lib", "kernels"):
        return None
    if top == "builtins" or top in sys.stdlib_module_names:
        return f"python {sys.version.split()[0]}"
    file = _file(top)
    if file is None or not any(file.is_relative_to(folder) for folder in _installed_folders()):
        return None
    return f"{top} {_version(top)}"


def _version(top: str) -> str:
    """Of the installed package, whether it is loaded or not."""
    try:
        return version(top)
    except PackageNotFoundError:  # its distribution has another name, or none
        return " ".join(f"{name} {version(name)}" for name in sorted(set(packages_distributions().get(top, ()))))


def _file(top: str) -> Path | None:
    """Of a top-level module: from the loaded one, or where it would be loaded from."""
    if top in sys.modules:
        spec: ModuleSpec | None = getattr(sys.modules[top], "__spec__", None)
    else:
        try:
            spec = find_spec(top)
        except (ImportError, ValueError):
            return None
    place = None if spec is None else spec.origin or next(iter(spec.submodule_search_locations or ()), None)
    return Path(place).resolve() if place else None


@cache
def _installed_folders() -> tuple[Path, ...]:
    folders = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(dict.fromkeys(Path(folder).resolve() for folder in folders))
