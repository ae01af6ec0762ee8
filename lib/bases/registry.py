"""Which bases have a recipe, and the digest that ties a recipe and the code it calls to what was trained with it."""

from __future__ import annotations

import ast
import hashlib
import sys
from importlib import import_module
from pathlib import Path

from lib.bases.recipe import Recipe
from lib.training.imports import closure, module_digest

ROOT = Path(__file__).resolve().parents[2]
MACHINERY = ("__init__", "card", "files", "recipe", "registry")
"""Modules of this room that are no recipe."""
SETTLED_BY = ("lib/training/optimizer.py", "lib/training/schedules.py")
"""What the training loop takes its numbers from; of the loop itself, the first losses tell."""


def base_names() -> list[str]:
    """The bases that have a recipe."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in MACHINERY)


def recipe_of(name: str) -> Recipe:
    """Raises ValueError for a base that has no recipe."""
    if name not in base_names():
        raise ValueError(f"name must be one of the bases {', '.join(base_names())}, got {name!r}")
    return import_module(f"lib.bases.{name}").RECIPE


def recipe_file(name: str) -> Path:
    """The module that describes a base."""
    return Path(__file__).with_name(f"{name}.py")


def recipe_digest(name: str) -> str:
    """SHA-256 of the recipe and of the code it calls: data, network, objective, gate, optimizer and schedule.

    The training loop is not in it: an edit of its progress bar changes no weight. What the loop does is compared by
    the card's first losses.
    """
    recipe = recipe_file(name)
    machinery = [recipe.with_name(f"{module}.py") for module in MACHINERY]
    reached = closure(ROOT, ast.parse(recipe.read_text(encoding="utf-8")), machinery)
    lines = sorted(
        f"{path.relative_to(ROOT).as_posix()} {module_digest(path)}"
        for path in {recipe, *reached, *(ROOT / file for file in SETTLED_BY)}
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def numbers_digest() -> str:
    """SHA-256 of optimizer and schedule, whose later steps the first losses do not show."""
    return hashlib.sha256(" ".join(module_digest(ROOT / file) for file in SETTLED_BY).encode()).hexdigest()


def python_version() -> str:
    """The running Python's, without the patch level."""
    return "{}.{}".format(*sys.version_info)
