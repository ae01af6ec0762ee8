"""What code reads from outside, and what it says."""

from __future__ import annotations

import pytest

from lib.training.source.references import listing, references
from tests.training.source.cells import run_cell


def code_of(text: str, line: int = 1):
    return run_cell(text, line=line)["f"].__code__


def test_names_come_with_the_attributes_taken_from_them():
    found = references(code_of("def f(x):\n    return sizes.batch + np.random.default_rng(x).integers(len(table))"))
    assert found.names == {
        "sizes": {("batch",)}, "np": {("random", "default_rng")}, "len": {()}, "table": {()}
    }  # fmt: skip
    assert not found.cells and not found.imports


def test_inner_functions_classes_and_comprehensions_are_read_too():
    found = references(
        code_of("""
            def f(x):
                class Inner(Base):
                    size = width
                def g():
                    global counter
                    counter = [scale for _ in range(x)]
                return g, lambda: late.value
        """)
    )
    names = {"Base": {()}, "width": {()}, "scale": {()}, "counter": {()}, "late": {("value",)}, "range": {()}}
    assert {name: found.names[name] for name in names} == names
    assert set(found.names) - set(names) == {"__name__"}  # what every class body reads


def test_a_value_that_is_used_as_a_whole_somewhere_says_so():
    found = references(code_of("def f(x):\n    sizes.batch = x\n    return sizes.test, (x or sizes).seed"))
    assert found.names["sizes"] == {(), ("test",), ("seed",)}


def test_cells_and_imports():
    outer = run_cell("""
        def make(model, count):
            def f(x):
                nonlocal count
                import torch.nn.functional as F
                from helpers import one, two
                count += 1
                return model.config.size
            return f
        f = make(0, 0)
    """)
    found = references(outer["f"].__code__)
    assert found.cells == {"model": {("config", "size")}, "count": {()}}
    assert found.imports == {(0, "torch.nn.functional", ()), (0, "helpers", ("one", "two"))}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x): return x + 1", "def f(x): return x + 1.0"),
        ("def f(x): return x + 1", "def f(x): return x + True"),
        ("def f(x): return (1, 2)", "def f(x): return (1, 2.0)"),
        ("def f(x): return 0.0", "def f(x): return -0.0"),
        ("def f(x): return x.a", "def f(x): return x.b"),
        ("def f(x): return lambda: 1", "def f(x): return lambda: 2"),
        ("def f(x, y): return x - y", "def f(y, x): return x - y"),
        ("def f(x): return x in {1, 2}", "def f(x): return x in {1, 3}"),
        ("def f(*, x): return x", "def f(x): return x"),
        ("def f(x):\n    'abc'\n    return 'abc'", "def f(x):\n    'abd'\n    return 'abd'"),
        ("def f(x):\n    try: return 1\n    except KeyError: return 2", "def f(x):\n    return 1\n    return 2"),
    ],
)
def test_code_that_says_something_else_has_another_listing(one, other):
    assert listing(code_of(one)) != listing(code_of(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x):\n    'A sentence.'\n    return x", "def f(x):\n    'Another one.'\n    return x"),
        ("def f(x): return x in {'a', 'b', 'c'}", "def f(x): return x in {'c', 'a', 'b'}"),
        (
            "def f(x):\n    class A: pass\n    return A",
            "# above\n\ndef f(x):\n\n    class A: pass  # here\n    return A",
        ),
    ],
)
def test_code_that_says_the_same_has_the_same_listing_wherever_it_stands(one, other):
    assert listing(code_of(one)) == listing(code_of(other, line=300))
    assert "0x" not in listing(code_of(one))  # no address of an object in memory
