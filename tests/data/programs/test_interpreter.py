"""The pseudocode language: one tree, four readers that agree, errors that say the line."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

from lib.data.programs.interpreter import run
from lib.data.programs.reader import parse
from lib.data.programs.tasks import (
    PSEUDOCODE,
    counterfactual,
    executed,
    program_of,
    register_program,
    register_programs,
)
from lib.data.programs.tree import PseudocodeError, walk
from lib.data.programs.writing import nameless, plan, render, to_python
from lib.data.questions import FAMILIES, questions
from lib.evaluation.sandbox.subset import evaluate_subset

COUNT = """
def count(xs, limit):
    # how many are large
    n = 0
    for x in xs:
        if x > limit:
            n = (n + 1) mod 10
        print(x, n)
    return n
"""


def by_cpython(program, arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(to_python(program, arguments), {})
    return out.getvalue().splitlines()


def by_us(program, arguments):
    done = run(program, arguments)
    said = [" ".join(line) for line in done.trace]
    return said, done.result


def test_a_program_runs():
    done = run(parse(COUNT), [[3, 9, 5], 4])
    assert done.trace == [["3", "0"], ["9", "1"], ["5", "2"]] and done.result == 2 and done.steps == 11


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


def test_names_that_mean_something_in_python_are_no_trouble():
    program = parse(
        "def list(class, str):\n    len = class + str\n    for is in [1, 2]:\n        print(is, len)\n    return len"
    )
    assert by_cpython(program, [1, 2]) == ["1 3", "2 3", "result 3"]


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


@pytest.mark.parametrize("family", PSEUDOCODE)
def test_the_families_programs_answer_their_questions(family):
    for longer in (False, True):
        for question in questions(family, 60, seed=3, split="train", longer=longer):
            trace, answer = executed(question)
            assert answer == question.answer
            said = by_cpython(program_of(family), question.arguments)
            assert said[:-1] == [" ".join(line).replace("[ ", "[ ") for line in trace]


def test_register_programs_are_many_and_split():
    train = {render(p) for p in register_programs(2000, seed=0, split="train")}
    held = {render(p) for p in register_programs(200, seed=0, split="test")}
    other = {render(p) for p in register_programs(200, seed=1, split="train")}
    assert len(train) == 2000 and len(held) == 200 and not held & train and not held & other


def test_a_counterfactual_changes_one_thing_that_can_matter():
    rng, moved = np.random.default_rng(1), 0
    for program in register_programs(100, seed=0, split="test"):
        changed = counterfactual(program, rng)
        before, after = render(program).split("\n"), render(changed).split("\n")
        assert sum(a != b for a, b in zip(before, after, strict=True)) in (1, 2)
        xs = rng.integers(0, 6, 5).tolist()
        moved += by_us(program, [xs]) != by_us(changed, [xs])
    assert moved > 60


def test_a_counterfactual_keeps_to_the_tests_it_is_given():
    rng = np.random.default_rng(2)
    for program in register_programs(200, seed=0, split="train", tests=("<", ">"), modulus=5, minus=False):
        text = render(counterfactual(program, rng, modulus=5, tests=("<", ">")))
        assert "==" not in text and text != render(program)


def test_every_statement_is_walked():
    assert len(list(walk(parse(COUNT).body))) == 7


def test_families_without_a_program_say_so():
    assert set(PSEUDOCODE) < set(FAMILIES)
    with pytest.raises(ValueError, match="family must be one of web_of_lies"):
        program_of("shapes")


def test_more_programs_than_there_are_end_in_a_sentence():
    with pytest.raises(ValueError, match=r"^register_programs has too few different programs with \{.*\} in test"):
        register_programs(1000, seed=0, split="test", modulus=1, tests=("<",), minus=False)
    with pytest.raises(ValueError, match=r"^split must be one of train, test, got 'validation'$"):
        register_programs(2, seed=0, split="validation")
