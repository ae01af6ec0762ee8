"""Drawings of the notebooks: colours and models by name, no unit for pure numbers, bars from 0."""

from __future__ import annotations

import ast
import re
from itertools import combinations

import nbformat
import pytest

from lib.workbench.run import ROOT
from lib.workbench.styles import model_style, reserved_name

NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
NOT_MODELS = {
    *("FLOPs", "cache"),  # 02: what is counted
    *("'=' only", "p3+s2", "p4+s2", "all"),  # 06: where one edit is made
    *("alphabet rows", "task rows", "all eight rows", "two edits added"),  # 06: the parts of one edit
    *("exact, best heads first", "exact, worst heads first", "class, best heads first"),  # 01: one model, three scores
}
"""Names in drawings for what is no model, and so has no look of its own through the course."""
DRAWING = ("curves", "bars", "dots", "intervals")


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_takes_its_colours_by_name(notebook):
    found = [colour for source in cells(notebook) for colour in hex_colours(source)]
    assert found == [], "a hex colour in a cell; `colour`, `model_style`, `theme` name them"


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_every_model_that_a_notebook_draws_is_registered(notebook):
    names = {name for drawing in drawings(cells(notebook)) for name in drawing if len(drawing) > 1}
    strange = {name for name in names - NOT_MODELS if reserved_name(name) is None and not is_a_setting(name)}
    assert not strange, "add it to MODELS or ALIASES of lib/workbench/styles.py"


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_models_of_one_drawing_differ_in_colour_and_without_colour(notebook):
    for drawing in drawings(cells(notebook)):
        models = {reserved_name(name) for name in drawing} - {None}
        for one, other in combinations(map(model_style, sorted(models)), 2):
            assert one.color != other.color, drawing
            assert (one.linestyle, one.marker) != (other.linestyle, other.marker), drawing


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_pure_number_has_no_unit(notebook):
    assert not [label for source in cells(notebook) for label in re.findall(r'"[^"\n]* \(1\)"', source)]


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_bars_start_at_zero(notebook):
    assert sum(map(cuts_bars, cells(notebook))) == 0, "use `dots` on a cut axis"


def test_the_scan_sees_planted_faults():
    assert hex_colours('ax.plot(x, color="#0072B2"); cell = "<td style=\'color:#fff\'>"; y = 3  # not a colour') == [
        "#0072B2",
        "#fff",
    ]
    planted = ['ARMS = ("hybrid", "owl")', 'curves(ax, {arm: h[arm] for arm in ARMS}, title="")', "bars(ax, lies)"]
    assert drawings([*planted, 'lies = {"direct": 1} | {"chain": 2}']) == [("hybrid", "owl"), ("direct", "chain")]
    assert reserved_name("owl") is None and is_a_setting("Δ = 0.02") and is_a_setting("VAR d4")
    assert not is_a_setting("owl")
    assert cuts_bars("bars(ax, bits, y='')\nax.set_ylim(0.9 * low, None)") and not cuts_bars("bars(ax, b)")
    assert not cuts_bars("bars(ax, bits)\nax.set_ylim(0, 1.1)") and not cuts_bars("ax.plot(x)\nax.set_ylim(2, 3)")


def cells(notebook: str) -> list[str]:
    """The code cells' sources."""
    book = nbformat.read(NOTEBOOKS[notebook], 4)
    return [cell.source for cell in book.cells if cell.cell_type == "code"]


def hex_colours(source: str) -> list[str]:
    return re.findall(r"#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b", source)


def is_a_setting(name: str) -> bool:
    """A value of a parameter ("Δ = 0.02", "VAR d4", "layer 2"), which takes its look by its place."""
    return bool(re.search(r"= ?[\d.]+$|\bd?\d+$|^\d+ ", name))


def cuts_bars(source: str) -> bool:
    """Bars, and in the same cell an axis whose lower limit is not the literal 0."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    drawn = any(called(node) in ("bars", "bar") for node in calls)
    limits = (node.args[0] for node in calls if called(node) == "set_ylim" and node.args)
    return drawn and any(not (isinstance(limit, ast.Constant) and limit.value == 0) for limit in limits)


def drawings(sources: list[str]) -> list[tuple[str, ...]]:
    """The names in each call of a drawing function, as far as the notebook's own literals give them away."""
    trees = [ast.parse(source) for source in sources]
    known = {
        target.id: node.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Call) and called(node) in DRAWING and len(node.args) > 1:
            names = tuple(dict.fromkeys(names_in(node.args[1], known)))
            found += [names] if names else []
    return found


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def names_in(node: ast.AST, known: dict[str, ast.AST]) -> list[str]:
    """The strings that a literal, or what is made of named literals, iterates over."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.Name):
        others = {name: value for name, value in known.items() if name != node.id}
        return names_in(known[node.id], others) if node.id in known else []
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return [name for key, value in pairs for name in names_in(value if key is None else key, known)]
    if isinstance(node, ast.Tuple | ast.List):
        return [name for item in node.elts for name in names_in(item, known)]
    if isinstance(node, ast.BinOp):
        return names_in(node.left, known) + names_in(node.right, known)
    if isinstance(node, ast.DictComp):
        return names_bound(node, known) if isinstance(node.key, ast.Name) else []
    if isinstance(node, ast.Call) and called(node) in ("items", "keys"):
        return names_in(node.func.value, known)
    return []


def names_bound(node: ast.DictComp, known: dict[str, ast.AST]) -> list[str]:
    """What the key of a comprehension runs through."""
    for generator in node.generators:
        target = generator.target
        first = target.elts[0] if isinstance(target, ast.Tuple) else target
        if isinstance(first, ast.Name) and first.id == node.key.id:
            return names_in(generator.iter, known)
    return []
