"""Each rule of the notebooks sees what it is for, and nothing else."""

from __future__ import annotations

import pytest

from lib.course.hygiene import RULES, dead_links, new_words, solutions_apart


def code(text: str, *tags: str, **jupyter: bool) -> dict:
    metadata = {"tags": list(tags)} | ({"jupyter": jupyter} if jupyter else {})
    return {"cell_type": "code", "metadata": metadata, "source": [text], "outputs": []}


def prose(text: str) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": [text]}


def seen(*cells: dict) -> set[str]:
    return {rule.__name__ for rule in RULES if rule({"cells": list(cells)})}


@pytest.mark.parametrize(
    ("cell", "rules"),
    [
        (code("def x_solution(): ...", "solution"), {"folding"}),
        (code("def x_solution(): ...", "solution", source_hidden=True), {"folding"}),
        (code("def x_solution(): ...", "solution", source_hidden=True, outputs_hidden=True), set()),
        (code("import torch", "plumbing"), {"folding"}),
        (code("import torch", "plumbing", source_hidden=True), set()),
        (code("explore(f, x=(0, 1))"), {"tagging"}),
        (code("explore(f, x=(0, 1))", "play"), {"folding"}),
        (code("explore(f, x=(0, 1))", "play", source_hidden=True), set()),
        (code("import a\nimport b\nfrom c import d"), {"tagging"}),
        (code("import a\nimport b\nfrom c import d\nprint(a)"), set()),
        (code("size = run.preset({})"), {"tagging"}),
        (code("x = 1  # " + "-" * 102), {"width"}),
        (code("x = 1  # " + "-" * 101), set()),
        (code("axis(x='steps (1)')"), {"units"}),
        (code("tune = False", "parameters"), {"learners_parameters"}),
        (code("check(my_x)\nassert check.rejects(my_x)", "exercise"), {"exercise_cells"}),
        (code("assert check.rejects(my_x)", "solution", source_hidden=True, outputs_hidden=True), {"exercise_cells"}),
        (code("assert check.rejects(wrong)", "solution", source_hidden=True, outputs_hidden=True), set()),
    ],
)
def test_a_rule_sees_what_it_is_for(cell, rules):
    assert seen(cell) == rules


@pytest.mark.parametrize(
    ("later", "faults"),
    [
        ("print(half_solution(3))", ["cell 2 uses half_solution of a solution"]),
        ("print(half(3))", []),
        ("def check(half_solution):\n    return half_solution(3)", []),
        ("%time half_solution(3)\nx = 1", []),
    ],
)
def test_a_name_that_only_a_solution_defines_is_used_by_no_other_cell(later, faults):
    solution = code("def half_solution(x):\n    return x / 2", "solution")
    notebook = {"cells": [code("def half(x): ...", "exercise"), solution, code(later)]}
    assert solutions_apart(notebook) == faults


def test_links_that_lead_nowhere_are_named(tmp_path):
    (tmp_path / "there.ipynb").touch()
    text = "[a](there.ipynb) [b](there.ipynb#part) [c](gone.ipynb) [d](https://x.org/y) [e](#part)"
    assert dead_links({"cells": [prose(text)]}, tmp_path) == ["cell 0 links to gone.ipynb, which is not there"]


def test_the_new_words_of_a_title_are_read_without_their_links():
    title = "# T\n\n**New words:** router, [top-k](00_start_here.ipynb), KV cache.\n\nmore, text"
    assert new_words({"cells": [prose(title)]}) == ["router", "top-k", "KV cache"]
    assert new_words({"cells": [prose("# T")]}) == []
