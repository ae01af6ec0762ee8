"""What every notebook of the course keeps to, so that a reader meets the paper and not its plumbing.

Each rule takes a notebook (its JSON) and says what falls short, a sentence each.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from lib.course.links import linked, navigation
from lib.course.notebook_file import source, tags, without_magics
from lib.course.settings import parameters

LONGEST_LINE = 110
FOLDED = ("solution", "plumbing", "play", "checker")
"""Cells with one of these tags show their output and hide their code; a solution hides both."""


def cells_of(notebook: dict, kind: str = "code") -> Iterator[tuple[int, dict]]:
    return ((number, cell) for number, cell in enumerate(notebook["cells"]) if cell["cell_type"] == kind)


def folding(notebook: dict) -> list[str]:
    """Solutions, imports and presets, drawing code of play cells and checkers are folded."""
    found = []
    for number, cell in cells_of(notebook):
        folded = cell["metadata"].get("jupyter", {})
        if set(tags(cell)) & set(FOLDED) and not folded.get("source_hidden"):
            found.append(f"cell {number} ({', '.join(tags(cell))}) shows its code")
        if "solution" in tags(cell) and not folded.get("outputs_hidden"):
            found.append(f"cell {number} (solution) shows its output")
    return found


def tagging(notebook: dict) -> list[str]:
    """Imports and presets are tagged `plumbing`, cells that make a control `play`."""
    found = []
    for number, cell in cells_of(notebook):
        code = source(cell)
        if re.search(r"\bexplore\(", code) and "play" not in tags(cell):
            found.append(f"cell {number} makes a control and is not tagged play")
        if is_plumbing(code) and not {"plumbing", "play"} & set(tags(cell)):
            found.append(f"cell {number} holds imports or presets and is not tagged plumbing")
    return found


def is_plumbing(code: str) -> bool:
    """Whether a cell sets the presets, or holds three imports or more and nothing else."""
    statements = ast.parse(code).body
    only_imports = all(isinstance(each, ast.Import | ast.ImportFrom) for each in statements)
    return "run.preset(" in code or (only_imports and len(statements) >= 3)


def width(notebook: dict) -> list[str]:
    """No line of code is wider than a notebook shows."""
    lines = [(number, line) for number, cell in cells_of(notebook) for line in source(cell).splitlines()]
    return [f"cell {n} has a line of {len(line)} characters" for n, line in lines if len(line) > LONGEST_LINE]


def units(notebook: dict) -> list[str]:
    """A count has no unit: no axis is labelled "(1)"."""
    odd = [number for number, cell in cells_of(notebook) if re.search(r"\(1\)[\"']", source(cell))]
    return [f"cell {number} labels something with the unit (1)" for number in odd]


def learners_parameters(notebook: dict) -> list[str]:
    """The parameters cell holds no developer's switch."""
    return ["the parameters cell offers tune"] if "tune" in parameters(notebook) else []


def exercise_cells(notebook: dict) -> list[str]:
    """An exercise cell holds no assertion that the reader's own answer is wrong."""
    own = [n for n, cell in cells_of(notebook) if {"exercise", "solution"} & set(tags(cell)) and _rejects_own(cell)]
    return [
        f"cell {number} asserts that the reader's answer is rejected: a right one ends in an error" for number in own
    ]


def _rejects_own(cell: dict) -> bool:
    return bool(re.search(r"\brejects\(\s*my_", source(cell)))


def solutions_apart(notebook: dict) -> list[str]:
    """Without the solutions everything else still runs: no other cell uses a name that only a solution defines."""
    own, others, users = set(), set(dir(builtins)), []
    for number, cell in cells_of(notebook):
        defined, used = names_in(source(cell))
        if "solution" in tags(cell):
            own |= defined
        else:
            others |= defined
            users.append((number, used))
    only = own - others
    return [
        f"cell {number} uses {', '.join(sorted(only & used))} of a solution" for number, used in users if only & used
    ]


def names_in(code: str) -> tuple[set[str], set[str]]:
    """The names that code binds, at any depth, and those that it reads."""
    defined, used = set(), set()
    for node in ast.walk(ast.parse(without_magics(code))):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else defined).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            defined |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.arg):
            defined.add(node.arg)
    return defined, used


RULES: tuple[Callable[[dict], list[str]], ...] = (
    folding,
    tagging,
    width,
    units,
    learners_parameters,
    exercise_cells,
    solutions_apart,
)


def unlinked(notebook: dict, number: str, names: dict[str, str]) -> list[str]:
    """What `make links` would change: the bar of the title cell, the last cell, a mention of another notebook."""
    bar, last = navigation(number, names), notebook["cells"][-1]
    found = [] if source(notebook["cells"][0]).endswith(bar) else ["the title cell does not end in the bar of links"]
    if "navigation" not in tags(last) or source(last) != bar:
        found.append("the last cell is not the bar of links")
    for place, cell in cells_of(notebook, "markdown"):
        if linked(source(cell), names, number) != source(cell):
            found.append(f"cell {place} names a notebook without a link to it")
    return found


def dead_links(notebook: dict, folder: Path) -> list[str]:
    """Relative links in the prose that lead nowhere from `folder`."""
    found = []
    for number, cell in cells_of(notebook, "markdown"):
        for target in re.findall(r"\]\(([^)\s]+)\)", source(cell)):
            if not re.match(r"[a-z]+:|#", target) and not (folder / target.partition("#")[0]).exists():
                found.append(f"cell {number} links to {target}, which is not there")
    return found


def new_words(notebook: dict) -> list[str]:
    """The words that the title cell announces in its line "**New words:** ...", none where it has no such line."""
    line = re.search(r"^\*\*New words:\*\*(.*)$", source(notebook["cells"][0]), re.MULTILINE)
    if line is None:
        return []
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line[1])
    return [word.strip() for word in text.strip().rstrip(".").split(",") if word.strip()]
