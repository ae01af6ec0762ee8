"""What determines a notebook's outcome, each part with a digest: what is unchanged need not be run again.

    inputs = {cells, compared outputs, tuning, bases, every module that the imports reach, pinned versions, Python}

Left out are the modules that only present: they change no value, and `make test` runs every notebook with them.
A change that no input shows (another machine, a broken side effect) is found by the rotation of `make validate`.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import packages_distributions
from pathlib import Path

from lib.course import notebook_file
from lib.course.notebook_file import source, tags, without_magics
from lib.training.imports import PACKAGES, bare, closure, module_digest, parsed
from lib.workbench.course import Course, paper_id

PRESENTATION = (
    *("controls", "course", "course_graph", "display", "exercises", "figures", "glossary", "guide"),
    *("images", "labels", "ledger_view", "painting", "plots", "seed_dots", "styles", "summary", "widgets", "evidence"),
)
"""Modules of `lib/workbench` that show values and make none; so do all of `lib/workbench/checks`."""
ON_DEMAND = {"base": "shipped", "real": "real"}
"""Methods of `Run`, and the module of `lib/workbench` that each imports when it is called: counted where it is."""
ALWAYS_PINNED = ("torch", "triton", "numpy")
CHECKED = "nbval-check-output"
COMPARED = "compared outputs"
"""The one input that executing a notebook writes."""


def inputs(course: Course, notebook: Path) -> dict[str, str]:
    """The name and digest of everything that the outcome of `notebook` depends on, sorted by name."""
    cells = [cell for cell in notebook_file.read(notebook)["cells"] if cell["cell_type"] == "code"]
    trees = [tree for cell in cells if (tree := _tree(source(cell))) is not None]
    program = ast.Module([statement for tree in trees for statement in tree.body], [])
    modules = closure(course.root, program, [*presentation(course), *uncalled(course, program)])
    found = {"cells": cells_digest(cells), COMPARED: compared_digest(cells), "python": platform.python_version()}
    found |= {path.relative_to(course.root).as_posix(): module_digest(path) for path in modules}
    files = [course.root / "data" / "evidence" / f"{paper_id(notebook)}-tuning.json", *_bases(course, program)]
    found |= {file.relative_to(course.root).as_posix(): _file_digest(file) for file in files if file.is_file()}
    found |= _pins(course, [program, *map(parsed, modules)])
    return dict(sorted(found.items()))


def changed(before: Mapping[str, str], now: Mapping[str, str], *, written: bool = True) -> list[str]:
    """The names of the inputs that differ, that are new or gone; `written=False` leaves out what executing writes."""
    names = before.keys() | now.keys() if written else (before.keys() | now.keys()) - {COMPARED}
    return sorted(name for name in names if before.get(name) != now.get(name))


def presentation(course: Course) -> list[Path]:
    folder = course.root / "lib" / "workbench"
    return [*(folder / f"{name}.py" for name in PRESENTATION), *sorted((folder / "checks").glob("*.py"))]


def cells_digest(cells: list[dict]) -> str:
    """Of the code cells' code and tags; the sentences of `run.summary` are prose and do not count."""
    trees = [(cell, _tree(source(cell))) for cell in cells]
    texts = [ast.unparse(_Unworded().visit(tree)) if tree else source(cell) for cell, tree in trees]
    return _digest([[text, sorted(tags(cell))] for text, (cell, _) in zip(texts, trees, strict=True)])


class _Unworded(ast.NodeTransformer):
    """Takes the text out of `run.summary(text)`."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "summary":
            node.args = [argument for argument in node.args if not isinstance(argument, ast.Constant)]
        return node


def compared_digest(cells: list[dict]) -> str:
    """Of the stored text of the cells whose output nbval compares."""
    return _digest([[_text(output) for output in cell.get("outputs", [])] for cell in cells if CHECKED in tags(cell)])


def _digest(parts: list) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _tree(code: str) -> ast.Module | None:
    """A cell's syntax tree without its magic lines; None for one that is not Python (`%%html`)."""
    try:
        return bare(without_magics(code))
    except SyntaxError:
        return None


def _text(output: dict) -> str:
    """What nbval compares of an output: a stream's text, or the plain form of a value."""
    text = output.get("text", output.get("data", {}).get("text/plain", ""))
    return "".join(text)


def uncalled(course: Course, program: ast.AST) -> list[Path]:
    """The modules that `Run` imports on demand and that no cell demands."""
    called = {node.func.attr for node in _method_calls(program)}
    return [course.root / "lib" / "workbench" / f"{ON_DEMAND[name]}.py" for name in ON_DEMAND if name not in called]


def _method_calls(program: ast.AST) -> list[ast.Call]:
    calls = [node for node in ast.walk(program) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Attribute)]


def _bases(course: Course, program: ast.AST) -> list[Path]:
    """The card and the weights of each pretrained base that a call `run.base("name")` loads."""
    calls = [call for call in _method_calls(program) if call.func.attr == "base" and _is_name(call.args)]
    names = {str(call.args[0].value) for call in calls}
    folder = course.root / "data" / "bases"
    return [folder / f"{name}.{ending}" for name in sorted(names) for ending in ("json", "safetensors")]


def _is_name(arguments: list[ast.expr]) -> bool:
    return bool(arguments) and isinstance(arguments[0], ast.Constant) and isinstance(arguments[0].value, str)


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _pins(course: Course, trees: list[ast.AST]) -> dict[str, str]:
    """The pinned version of each distribution that is imported: {"torch": "2.13.0"}."""
    owners = _distributions()
    wanted = {_normal(name) for name in ALWAYS_PINNED}
    for tree in trees:
        for module in _foreign(tree):
            # a package that is not here counts by its own name: the digest must not say what else is installed
            wanted |= {_normal(name) for name in owners.get(module, (module,))}
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", _constraints(course), flags=re.MULTILINE))
    return {name: version for name, version in pins.items() if _normal(name) in wanted}


def _constraints(course: Course) -> str:
    file = course.root / "constraints.txt"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _foreign(tree: ast.AST) -> set[str]:
    """The top names of the imports in `tree` that are not ours."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found - set(PACKAGES)


@lru_cache(maxsize=1)
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
