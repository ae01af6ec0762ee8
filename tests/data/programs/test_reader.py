"""Reading pseudocode: text and tree are the same, and what is no program is said with its line."""

from __future__ import annotations

import pytest

from lib.data.programs.interpreter import run
from lib.data.programs.reader import parse
from lib.data.programs.tree import PseudocodeError
from lib.data.programs.writing import render
from tests.data.programs.both_ways import by_cpython


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("7 - 2 - 1", 4), ("7 - (2 - 1)", 6), ("-7 mod 3", 2), ("-7 div 2", -4),
        ("2 * 3 mod 4", 2), ("1 < 2 and not 2 < 1", True), ("True or False and False", True),
        ("(True or False) and False", False), ("not 1 == 2", True), ("[1, [2]] == [1, [2]]", True),
        ('"a" != "b"', True),
    ],
)  # fmt: skip
def test_expressions_have_pythons_values_and_keep_their_brackets(text, value):
    program = parse(f"def f():\n    return {text}")
    assert run(program, []).result == value
    assert parse(render(program)) == program
    assert by_cpython(parse(f"def f():\n    print({text})\n    return 0"), [])[0] == str(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: a program begins"),
        ("x = 1", "line 1: 'def' should stand where 'x' does"),
        ("def f():\n  return 1", "line 2: indentation is four spaces"),
        ("def f():\n    x = 1 2", "line 2: '2' is too much"),
        ("def f():\n    x = ?", "line 2: '?' is not known here"),
        ("def f():\n    if x:\n    return 1", "line 2: the block behind this line is empty"),
        ("def f():\n    return 1 < 2 < 3", "line 2: comparisons cannot be chained"),
        ("def f():\n    1 = 2", "line 2: a name or a place"),
        ("def f():\n    swap a and b", "line 2: a name or a place"),
        ("def f():\n    return (1", "line 2: the line ends too early"),
        ("def for():\n    return 1", "line 1: 'for' cannot be a name"),
        ("def f():\n    return 1\ndef g():\n    return 2", "line 3: the program has ended"),
        ("def f():\n    x = 1\n        y = 2", "line 3: the line is indented too far"),
    ],
)
def test_what_is_no_program_is_said_with_its_line(text, message):
    with pytest.raises(PseudocodeError, match=message.replace("(", r"\(").replace("?", r"\?")):
        parse(text)
