"""Functions as a notebook defines them: from the text of a cell, in the notebook's own names."""

from __future__ import annotations

from textwrap import dedent


def run_cell(text: str, names: dict | None = None, line: int = 1) -> dict:
    """Execute a cell that begins at `line` of its file, in `names` where they are given; returns all names."""
    names = {} if names is None else names
    names.setdefault("__name__", "__main__")
    exec(compile("\n" * (line - 1) + dedent(text), f"<cell at line {line}>", "exec"), names)
    return names
