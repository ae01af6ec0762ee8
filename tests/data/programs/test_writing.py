"""Writing pseudocode: as text that reads back, without names, as a plan, as Python that does the same."""

from __future__ import annotations

from lib.data.programs.reader import parse
from lib.data.programs.tasks import (
    PSEUDOCODE,
)
from lib.data.programs.writing import nameless, plan, render
from tests.data.programs.both_ways import COUNT, by_cpython, by_us


def test_text_and_tree_are_the_same():
    for text in (COUNT, *PSEUDOCODE.values()):
        program = parse(text)
        assert parse(render(program)) == program
        bare = parse(render(program, comments=False))
        assert "#" not in render(bare) and render(bare) == render(program, comments=False)


def test_names_can_be_taken_away_without_changing_the_program():
    program = parse(COUNT)
    renamed = render(program, names=nameless(program))
    assert "count" not in renamed.replace("how many", "") and "limit" not in renamed
    assert by_us(parse(renamed), [[3, 9], 4]) == by_us(program, [[3, 9], 4])


def test_a_plan_has_no_code():
    said = plan(parse(COUNT))
    assert said.startswith(
        "Given xs and limit: Let n be 0. For each x in xs, do this: If x is more than limit, do this: "
    )
    assert "Let n be (n plus 1) modulo 10." in said and said.endswith("The answer is n.") and "=" not in said


def test_names_that_mean_something_in_python_are_no_trouble():
    program = parse(
        "def list(class, str):\n    len = class + str\n    for is in [1, 2]:\n        print(is, len)\n    return len"
    )
    assert by_cpython(program, [1, 2]) == ["1 3", "2 3", "result 3"]
