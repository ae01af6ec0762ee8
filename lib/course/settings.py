"""A notebook's parameters and the values that a command line gives them, each of the kind of its default."""

from __future__ import annotations

import ast
import math

from lib.course.notebook_file import source, tags, without_magics
from lib.workbench.course import CourseError

TRUE, FALSE, NONE = ("true", "yes", "on", "1"), ("false", "no", "off", "0"), ("none", "null")
"""Words of a command line, in any case."""


def parameters(notebook: dict) -> dict[str, object]:
    """What the cell tagged `parameters` assigns, with or without a type beside it: a literal's value, else None.

    Raises SyntaxError when that cell is no Python.
    """
    sources = [source(cell) for cell in notebook["cells"] if "parameters" in tags(cell)]
    found = {}
    for node in (node for text in sources for node in ast.parse(without_magics(text)).body):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: _literal(node.value) for target in targets if isinstance(target, ast.Name)}
    return found


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None


def typed(name: str, text: str, default: object) -> object:
    """The value that `text` gives to a parameter: of its default's kind; of any kind where the default is None.

    Raises CourseError for a text that cannot be one.
    """
    word = text.strip().lower()
    if isinstance(default, bool):
        if word not in (*TRUE, *FALSE):
            raise CourseError(f"{name} must be true or false, got {text!r}")
        return word in TRUE
    if isinstance(default, str):
        return text
    if isinstance(default, int | float):
        return _number(name, text, type(default))
    if default is None:
        return _any(text, word)
    value = _any(text, word)
    if type(value) is not type(default):
        raise CourseError(f"{name} must be a {type(default).__name__} such as {default!r}, got {text!r}")
    return value


def _number(name: str, text: str, kind: type) -> int | float:
    wanted = "a whole number" if kind is int else "a finite number"
    try:
        value = kind(text)
    except ValueError:
        raise CourseError(f"{name} must be {wanted}, got {text!r}") from None
    if not math.isfinite(value):
        raise CourseError(f"{name} must be {wanted}, got {text!r}")
    return value


def _any(text: str, word: str) -> object:
    """A Python literal where the text reads as one, None and truth in any spelling of words, else the text itself."""
    if word in NONE:
        return None
    if word in ("true", "false"):
        return word == "true"
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return text
