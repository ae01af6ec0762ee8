"""The pseudocode language: one tree, four readers that agree, errors that say the line."""

# ruff: noqa: E501 (a program is one line, however long)
from __future__ import annotations

import random
import time

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
    with pytest.raises(PseudocodeError, match="must be given 1 arguments, got 0"):
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


def doubled(times: int = 40) -> str:
    """Two values that hold 2^times things, none of them in common."""
    return "\n    ".join(["x = [1]", "y = [1]", *["x = [x, x]", "y = [y, y]"] * times])


GREEDY = {
    "compared": (f"{doubled()}\n    return x == y", "units of work"),
    "compared in a map": (f'{doubled()}\n    m = {{}}\n    n = {{}}\n    m["a"] = x\n    n["a"] = y\n    return m != n', "units of work"),
    "a wrong operand": (f"{doubled()}\n    return x + 1", r"\+ takes two numbers, got \[\[\[\[\.\.\.\], "),
    "a wrong test": (f"{doubled()}\n    return not x", r"must be True or False, got \[\["),
    "a wrong index": (f"{doubled()}\n    return x[x]", r"a list of 2 has no item \[\["),
    "a wrong place": (f"{doubled()}\n    x[y] = 1\n    return 1", r"a list of 2 has no item \[\["),
    "a word to loop over": (f'x = "{"a" * 5000}"\n    for i in x:\n        x = 1\n    return 1', r"a list should stand here, got 'aaaaaaaaaaaa\.\.\.a+'$"),
    "returned": (f"{doubled()}\n    return x", "the result is too large"),
    "lists that hold themselves": ("x = []\n    y = []\n    push x on x\n    push y on y\n    return x == y", "nested too deeply|units of work"),
    "printed again and again": (f"x = []\n    for i in xs:\n        push i on x\n    for i in x:\n        push i on x\n        print({'xs, ' * 30}xs)\n    return 1", "units of work"),
    "long words": (f'w = "{"a" * 50_000}"\n    for i in xs:\n        push 1 on xs\n        print(w, w, w)\n    return 1', "units of work"),
    "nots": (f"return {'not ' * 5000}True", "line 2: the line has more than 200 operators"),
    "a long sum": (f"return {'1 + ' * 5000}1", "line 2: the line has more than 200 operators"),
    "subscripts": (f"return xs{'[0]' * 5000}", "line 2: the line has more than 200 operators"),
    "blocks": ("if True:\n" + "\n".join("    " * i + "if True:" for i in range(2, 150)) + "\n" + "    " * 150 + "x = 1", "nested in more than 90 others"),
    "branches": ("if True:\n        x = 1\n" + "    elif True:\n        x = 1\n" * 900 + "    return x", "nested in more than 90 others"),
    "a long number": (f"return {'9' * 5000}", r"line 2: a number must be below 10\^18"),
    "a large number": ("return 1000000000000000000", r"line 2: a number must be below 10\^18"),
    "a long text": ("x = 1\n    " * 10_000 + "return x", "at most 100000 characters, got 1000"),
    "a long line": (f"return [{'1, ' * 30_000}1]", None),
}  # fmt: skip


@pytest.mark.parametrize("name", GREEDY)
def test_work_is_bounded_however_values_and_programs_are_built(name):
    body, message = GREEDY[name]
    started = time.process_time()
    if message is None:
        assert len(run(parse(f"def f(xs):\n    {body}"), [[]]).result) == 30_001
    else:
        with pytest.raises(PseudocodeError, match=message) as error:
            run(parse(f"def f(xs):\n    {body}"), [list(range(20))])
        assert len(str(error.value)) < 300
    assert time.process_time() - started < 20


def test_a_deadline_of_computing_stands_behind_the_work(monkeypatch):
    monkeypatch.setattr("lib.data.programs.interpreter.MAX_SECONDS", 0.05)
    program = parse("def f(xs):\n    for x in xs:\n        push x on xs\n    return 1")
    with pytest.raises(PseudocodeError, match=r"line 3: more than 0\.05 seconds of computing"):
        run(program, [[1]], max_steps=10**9)


def test_large_values_that_are_compared_part_by_part_are_equal_as_in_python():
    program = parse("def f(x, y):\n    return x == y")
    deep = [[]]
    for _ in range(30):
        deep = [deep, {"a": 1, "b": [True]}]
    for x, y in ((deep, deep), ([1, [2]], [1, [3]]), ({"a": [1]}, {"a": [1]}), ({"a": 1}, {"b": 1}), ([1], {"a": 1}),
                 ([True], [1]), ([], []), ([[]], []), ("a", "a"), ({1: 2, "b": 3}, {"b": 3, True: 2})):  # fmt: skip
        assert run(program, [x, y]).result is (x == y)


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


def random_text(rng: random.Random) -> str:
    """A program of the whole language over three numbers, two lists, a map of numbers and a list of pairs."""

    def number(depth: int = 0) -> str:
        options = [str(rng.randrange(10)), rng.choice("abc")]
        if depth < 3:
            n, m = number(depth + 1), number(depth + 1)
            options += [f"({n} {rng.choice(['+', '-', '*', 'mod', 'div'])} {m})", f"xs[{rng.randrange(-2, 3)}]"]
            options += [f'm["{rng.choice("pqr")}"]', f"ps[{rng.randrange(2)}][{rng.randrange(2)}]"]
        return rng.choice(options)

    def test(depth: int = 0) -> str:
        kind = rng.randrange(5 if depth < 2 else 2)
        if kind == 0:
            return f"{number(1)} {rng.choice(['<', '<=', '>', '>=', '==', '!='])} {number(1)}"
        if kind == 1:
            return f"{rng.choice(['xs', 'ys', '[]', '[1, a]', 'm'])} {rng.choice(['==', '!='])} {rng.choice(['xs', 'ys', '[]', 'm'])}"
        if kind == 2:
            return f"not ({test(depth + 1)})"
        return f"({test(depth + 1)}) {rng.choice(['and', 'or'])} ({test(depth + 1)})"

    def block(pad: str, depth: int) -> list[str]:
        lines = []
        for _ in range(rng.randrange(1, 5)):
            kind = rng.randrange(11 if depth < 3 else 8)
            if kind == 0:
                lines.append(f"{pad}{rng.choice('abc')} = {number()}")
            elif kind == 1:
                lines.append(
                    f"{pad}{rng.choice(['xs', 'ys'])} = {rng.choice(['ys', '[' + number() + ', ' + number() + ']'])}"
                )
            elif kind == 2:
                lines.append(f"{pad}push {number()} on {rng.choice(['xs', 'ys'])}")
            elif kind == 3:
                lines.append(f"{pad}pop {rng.choice(['xs', 'ys'])} into {rng.choice('abc')}")
            elif kind == 4:
                place = rng.choice(["xs[0]", "ys[-1]", 'm["p"]', 'm["s"]', "ps[0][1]", "m[a]"])
                lines.append(f"{pad}{place} = {number()}")
            elif kind == 5:
                lines.append(
                    f"{pad}swap {rng.choice(['xs[0]', 'xs[a]'])} and {rng.choice(['xs[1]', 'm[' + chr(34) + 'q' + chr(34) + ']'])}"
                )
            elif kind in (6, 7):
                shown = rng.choice([number(), "xs", "m", "ps", f"[{number()}, ys]", '"w"'])
                lines.append(f"{pad}print({number()}, {shown})")
            elif kind == 8:
                lines += [f"{pad}if {test()}:", *block(pad + "    ", depth + 1)]
                if rng.random() < 0.4:
                    lines += [f"{pad}elif {test()}:", *block(pad + "    ", depth + 1)]
                if rng.random() < 0.5:
                    lines += [f"{pad}else:", *block(pad + "    ", depth + 1)]
            else:
                head = rng.choice(["for a in xs", "for b in [1, 2]", "for a, b in ps", "for c in ys"])
                lines += [f"{pad}{head}:", *block(pad + "    ", depth + 1)]
        return lines

    return "\n".join(["def f(xs, ys, m, ps):", "    a = 1", "    b = 2", "    c = 3", *block("    ", 1), *block("    ", 1),
                      f"    return {rng.choice(['a', 'xs', 'm', 'ps'])}"])  # fmt: skip


def test_thousands_of_programs_of_the_whole_language_do_what_python_does():
    """What is printed and returned; an error here is an error there."""
    rng, ended = random.Random(2), {"right": 0, "wrong": 0, "refused": 0}
    for _ in range(2000):
        program, given = parse(random_text(rng)), [[3, 1, 4], [1, 5], {"p": 2, "q": 7}, [[1, 2], [3, 4]]]
        try:
            done = run(program, given, max_steps=300)
        except PseudocodeError as error:
            refused = any(
                part in str(error) for part in ("more than", "grows beyond", "too large", "nested too deeply")
            )
            ended["refused" if refused else "wrong"] += 1
            if not refused:
                with pytest.raises((TypeError, KeyError, IndexError, ZeroDivisionError, ValueError)):
                    by_cpython(program, given)
            continue
        wanted = [*(" ".join(line) for line in done.trace), f"result {done.result}"]
        assert by_cpython(program, given) == wanted, program
        ended["right"] += 1
    assert ended["right"] > 700 and ended["wrong"] > 300 and ended["refused"] < 200, ended


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
