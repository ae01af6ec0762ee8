"""The pseudocode language: one tree, four readers that agree, errors that say the line."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.programs.interpreter import run
from lib.data.programs.reader import parse
from lib.data.programs.tasks import (
    register_program,
)
from lib.data.programs.tree import PseudocodeError
from lib.data.programs.writing import to_python
from lib.evaluation.sandbox.subset import evaluate_subset
from tests.data.programs.both_ways import COUNT, by_cpython, by_us


def test_a_program_runs():
    done = run(parse(COUNT), [[3, 9, 5], 4])
    assert done.trace == [["3", "0"], ["9", "1"], ["5", "2"]] and done.result == 2 and done.steps == 11


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return y", "line 2: 'y' has no value yet"),
        ("return 1 mod 0", "line 2: mod by zero"),
        ('return 1 + "a"', "line 2: \\+ takes two numbers"),
        ("x = [1]\n    return x[1]", "line 3: a list of 1 has no item 1"),
        ('m = {}\n    return m["a"]', "line 3: the map has no 'a'"),
        ("x = []\n    pop x into y", "line 3: pop from an empty list"),
        ("if 1:\n        return 1", "line 2: a test must be True or False, got 1"),
        ("for a, b in [[1]]:\n        print(a)", "line 2: an item has not 2 parts"),
        ("for a in 3:\n        print(a)", "line 2: a list should stand here, got 3"),
        ("x = 1\n    x[0] = 2", "line 3: only a list or a map"),
    ],
)
def test_what_goes_wrong_is_said_with_its_line(body, message):
    with pytest.raises(PseudocodeError, match=message):
        run(parse(f"def f():\n    {body}"), [])


def test_steps_are_limited():
    program = parse("def f(xs):\n    for a in xs:\n        for b in xs:\n            c = 1\n    return c")
    with pytest.raises(PseudocodeError, match="more than 1000 steps"):
        run(program, [list(range(100))], max_steps=1000)
    with pytest.raises(PseudocodeError, match="takes 1 arguments, got 0"):
        run(program, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 3\n    for i in xs:\n        x = x * x", "grows beyond"),
        ("push xs on xs\n    print(xs)", "too large to print"),
        ("y = [xs, xs, xs]\n    y = [y, y, y, y]\n    y = [y, y, y, y, y]\n    print(y)", "too large to print"),
        ("x = " + "(" * 60 + "1" + ")" * 60, "brackets are nested too deeply"),
    ],
)
def test_what_grows_is_stopped(text, message):
    with pytest.raises(PseudocodeError, match=message):
        run(parse(f"def f(xs):\n    {text}"), [list(range(60))])


def test_a_list_may_change_while_it_is_looped_over():
    program = parse("def f(xs):\n    for x in xs:\n        print(x)\n        pop xs into y\n    return xs")
    assert by_us(program, [[1, 2, 3, 4]])[0] == ["1", "2"] == by_cpython(program, [[1, 2, 3, 4]])[:-1]


def test_arguments_stay_as_they_were():
    inner = {"a": []}
    run(parse('def f(m):\n    push 1 on m["a"]\n    return 0'), [inner])
    assert inner == {"a": []}
    given = [[1], [2]]
    run(parse("def f(xs):\n    push 3 on xs[0]\n    return xs"), [given])
    assert given == [[1], [2]]


def test_swaps_are_simultaneous():
    program = parse('def f(m):\n    swap m["a"] and m["b"]\n    print(m["a"], m["b"])\n    return m["a"]')
    assert run(program, [{"a": 1, "b": 2}]).trace == [["2", "1"]]


def test_a_thousand_random_programs_do_what_python_does():
    """Our interpreter, CPython on the transpiled text, and the subset's evaluator."""
    rng = np.random.default_rng(0)
    for number in range(1000):
        program = register_program(rng)
        xs = rng.integers(0, 6, rng.integers(0, 6)).tolist()
        trace, result = by_us(program, [xs])
        wanted = [*trace, f"result {result}"]
        assert by_cpython(program, [xs]) == wanted
        if number % 20 == 0:
            assert evaluate_subset(to_python(program, [xs]))[:2] == ("ok", "".join(line + "\n" for line in wanted))
