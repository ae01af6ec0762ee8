"""The pseudocode's tree: every statement is found, and its line plays no part in what it is."""

from __future__ import annotations

from lib.data.programs.reader import parse
from lib.data.programs.tree import walk
from tests.data.programs.both_ways import COUNT


def test_every_statement_is_walked():
    assert len(list(walk(parse(COUNT).body))) == 7


def test_statements_are_walked_outer_before_inner_in_the_order_of_the_text():
    lines = [statement.line for statement in walk(parse(COUNT).body)]
    assert lines == sorted(lines) and len(set(lines)) == len(lines)
    program = parse("def f(x):\n    if x:\n        return 1\n    else:\n        return 2")
    assert [type(statement).__name__ for statement in walk(program.body)] == ["If", "Return", "Return"]


def test_where_a_statement_stands_plays_no_part_in_what_it_is():
    plain = parse("def f():\n    x = 1\n    return x")
    later = parse("def f():\n\n\n    x = 1\n    return x")
    assert plain == later and plain.body[0].line != later.body[0].line
    assert plain != parse("def f():\n    x = 2\n    return x")
