"""Which of the course's own modules a piece of code reaches by its imports, and a digest of each.

A name imported from a package is followed through the package's `__init__` to the module that defines it, so that code
which takes one layer from `lib.nn` does not depend on all layers. Imports inside functions count. A module's digest is
of its syntax tree without docstrings: a comment, a line break or a reworded docstring changes nothing.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

PACKAGES = ("lib", "kernels")
"""The folders below the root that are ours."""


def closure(root: Path, tree: ast.AST, without: Iterable[Path] = ()) -> set[Path]:
    """The files below `root` that the imports of `tree` reach; those in `without` are neither listed nor followed."""
    left_out, reached = set(without), set()
    waiting, asked = list(_imported(tree)), set()
    while waiting:
        module, name = waiting.pop()
        if (module, name) in asked:
            continue
        asked.add((module, name))
        file, following = _resolve(root, module, name)
        waiting += following
        for found in (file, *_named_beside(file)) if file else ():
            if found not in reached | left_out:
                reached.add(found)
                waiting += _imported(parsed(found))
    return reached


def module_digest(path: Path) -> str:
    """SHA-256 of a module's code without docstrings."""
    return tree_digest(parsed(path))


def tree_digest(tree: ast.AST) -> str:
    """SHA-256 of the code that a syntax tree stands for."""
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file without docstrings, read again only when the file changed."""
    status = path.stat()
    return _parsed(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=512)
def _parsed(path: Path, modified: int, size: int) -> ast.Module:
    return bare(path.read_text(encoding="utf-8"))


def bare(code: str) -> ast.Module:
    """The syntax tree of `code` without docstrings."""
    return _Bare().visit(ast.parse(code))


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of each first-party import in `tree`; the name is empty where a whole module is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _is_ours(node.module):
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if _is_ours(alias.name))


def _is_ours(module: str | None) -> bool:
    return module is not None and module.split(".")[0] in PACKAGES


def _resolve(root: Path, module: str, name: str) -> tuple[Path | None, list[tuple[str, str]]]:
    """The file that (module, name) leads to, if it is known by now, and the imports to follow from here."""
    place = root.joinpath(*module.split("."))
    if (file := place.with_suffix(".py")).is_file():
        return file, []
    package = place / "__init__.py"
    if not package.is_file():
        return None, []
    if name and ((place / name).is_dir() or (place / f"{name}.py").is_file()):
        return None, [(f"{module}.{name}", "")]
    if name and (home := _re_exports(package).get(name)):
        return None, [home]
    return package, []


def _re_exports(package: Path) -> dict[str, tuple[str, str]]:
    """What a package's `__init__` imports from elsewhere: {name: (module, name there)}."""
    nodes = [node for node in ast.walk(parsed(package)) if isinstance(node, ast.ImportFrom) and _is_ours(node.module)]
    return {alias.asname or alias.name: (node.module, alias.name) for node in nodes for alias in node.names}


def _named_beside(file: Path) -> list[Path]:
    """Scripts beside `file` that it names in a string such as "child.py" (a program it starts, not a module)."""
    strings = {node.value for node in ast.walk(parsed(file)) if isinstance(node, ast.Constant)}
    names = {text for text in strings if isinstance(text, str) and text.endswith(".py") and text.count(".") == 1}
    return [beside for name in sorted(names) if "/" not in name and (beside := file.with_name(name)).is_file()]


class _Bare(ast.NodeTransformer):
    """Removes strings that stand alone: docstrings, and what documents the constant above. An empty body is `pass`."""

    def visit_Expr(self, node):
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node

    def _filled(self, node):
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    visit_Module = visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _filled
