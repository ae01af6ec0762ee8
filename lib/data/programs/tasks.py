"""Task-level pseudocode for the algorithmic families, and random register programs whose pseudocode always varies.

The five programs were written by a person, one for each family; `lib.data.programs.interpreter.run` executes them on
`Question.arguments` and gives the trace that a Reasoner is to simulate and the answer.
"""

from __future__ import annotations

import zlib
from functools import cache

import numpy as np

from lib.data.checks import check_whole
from lib.data.programs.interpreter import run
from lib.data.programs.reader import parse
from lib.data.programs.tree import (
    Assign,
    Comment,
    Constant,
    For,
    If,
    Name,
    Operation,
    Print,
    Program,
    Return,
)
from lib.data.programs.writing import render
from lib.data.questions.base import Question
from lib.data.randomness import bounded, check_split, generator, split_of_hash

PSEUDOCODE = {
    "web_of_lies": """
def web_of_lies(claims, asked):
    # keep for each person whether what they say is true
    honest = {}
    for person, about, praise in claims:
        if person == about:
            honest[person] = praise
        else:
            # a claim about an honest person is honest when it praises
            honest[person] = praise == honest[about]
        print(person, honest[person])
    if honest[asked]:
        return "Yes"
    return "No"
""",
    "navigate": """
def navigate(moves):
    # x to the right, y ahead; the heading is (dx, dy)
    x = 0
    y = 0
    dx = 0
    dy = 1
    for kind, value in moves:
        if kind == "turn":
            old = dx
            if value == "right":
                dx = dy
                dy = 0 - old
            elif value == "left":
                dx = 0 - dy
                dy = old
            else:
                dx = 0 - dx
                dy = 0 - dy
        elif kind == "backward":
            x = x - value * dx
            y = y - value * dy
        elif kind == "right":
            x = x + value * dy
            y = y - value * dx
        elif kind == "left":
            x = x - value * dy
            y = y + value * dx
        else:
            x = x + value * dx
            y = y + value * dy
        print(kind, value, x, y)
    if x == 0 and y == 0:
        return "Yes"
    return "No"
""",
    "dyck": """
def dyck(brackets):
    # a stack of the closing brackets that are still to come
    partner = {}
    partner["("] = ")"
    partner["["] = "]"
    partner["{"] = "}"
    partner["<"] = ">"
    stack = []
    for bracket in brackets:
        if bracket == "(" or bracket == "[" or bracket == "{" or bracket == "<":
            push partner[bracket] on stack
        else:
            pop stack into closed
        print(bracket, stack)
    missing = []
    for bracket in brackets:
        if not stack == []:
            pop stack into closed
            push closed on missing
    return missing
""",
    "temporal": """
def temporal(wake, sightings, close):
    # the first hour that nobody accounts for
    free = wake
    end = close
    found = False
    for start, until in sightings:
        if not found:
            if start > free:
                end = start
                found = True
            else:
                free = until
        print(start, until, free)
    return [free, end]
""",
    "shuffled_objects": """
def shuffled_objects(start, swaps, asked):
    # who holds what
    holds = {}
    for person, thing in start:
        holds[person] = thing
    for one, other in swaps:
        swap holds[one] and holds[other]
        print(one, holds[one], other, holds[other])
    return holds[asked]
""",
}
"""By family; coloured objects and shapes have none."""


@cache
def program_of(family: str) -> Program:
    """The family's program. Raises ValueError for a family without one."""
    if family not in PSEUDOCODE:
        raise ValueError(f"family must be one of {', '.join(PSEUDOCODE)}, got {family!r}")
    return parse(PSEUDOCODE[family])


def executed(question: Question) -> tuple[list[list[str]], str]:
    """(trace, answer in the question's own words) of the family's program on a question."""
    done = run(program_of(question.family), question.arguments)
    result = done.result
    if question.family == "dyck":
        return done.trace, " ".join(result)
    if question.family == "temporal":
        return done.trace, " to ".join(f"{(hour - 1) % 12 + 1}{'am' if hour < 12 else 'pm'}" for hour in result)
    return done.trace, str(result)


# -- register programs: one loop, one branch, two registers, everything about them random

_TESTS = ("<", ">", "==")


def register_program(
    rng: np.random.Generator, *, modulus: int = 6, tests: tuple[str, ...] = _TESTS, minus: bool = True
) -> Program:
    """Registers a and b, a loop over digits, a test, one update in each branch; more than 10^4 programs at modulo 6.

    Raises ValueError for a modulus below 1 and for tests that are none of <, > and ==.
    """
    check_whole(1, modulus=modulus)
    if not tests or not set(tests) <= set(_TESTS):
        raise ValueError(f"tests must be of {', '.join(_TESTS)}, got {tests}")

    def pick(options):
        return options[int(rng.integers(len(options)))]

    def number() -> Constant:
        return Constant(int(rng.integers(modulus)))

    def operand():
        return pick((Name("a"), Name("b"), Name("x"), number()))

    def update() -> Assign:
        sign = pick(("+", "-") if minus else ("+",))
        value = Operation("mod", Operation(sign, pick((Name("a"), Name("b"))), operand()), Constant(modulus))
        return Assign(Name(pick("ab")), value)

    tested = pick((Name("x"), Name("a"), Name("b")))
    against = pick((*tuple(name for name in (Name("a"), Name("b")) if name != tested), number(), number()))
    body = (
        If(Operation(pick(tests), tested, against), (update(),), (update(),)),
        Print((Constant("a"), Name("a"), Constant("b"), Name("b"))),
    )
    start = (Assign(Name("a"), number()), Assign(Name("b"), number()))
    remark = Comment("go through the digits")
    return Program("registers", ("xs",), (*start, remark, For(("x",), Name("xs"), body), Return(Name(pick("ab")))))


def register_programs(count: int, *, seed: int, split: str, varied: bool = False, **options: object) -> list[Program]:
    """`count` different programs of a split ("train" or "test"), by the checksum of their text.

    `varied` keeps to those whose result depends on the digits (`is_varied`), a quarter of all. `options` are
    those of `register_program`. Raises ValueError when there are too few programs of that kind.
    """
    check_split(split, ("train", "test"))
    rng = generator(seed, 14)

    def draw() -> tuple[int, Program] | None:
        for _ in range(10 if varied else 1):  # few are varied, and the search below gives up after so many draws
            program = register_program(rng, **options)
            key = zlib.crc32(render(program).encode())
            if split_of_hash(key, validation=False) == split and (not varied or is_varied(program)):
                return key, program
        return None

    return bounded(count, draw, f"register_programs has too few different programs with {options} in {split}")


def is_varied(program: Program, *, digits: int = 4, lists: int = 64) -> bool:
    """Does a register program's result depend on its digits?

    Over random lists of digits both branches must be taken, and the result must have at least three values and differ
    from the returned register's start value in more than half of the lists.
    """
    first, second, _, loop, last = program.body
    test, _ = loop.body
    modulus = test.body[0].value.right.value
    registers = {start.target.id: np.full(lists, start.value.value) for start in (first, second)}
    start, taken = registers[last.value.id], []
    for x in generator(0, 15).integers(0, modulus, (digits, lists)):
        state = registers | {"x": x}
        taken.append(_values(test.test, state))
        changed = [{branch.target.id: _values(branch.value, state)} for branch in (*test.body, *test.orelse)]
        then, otherwise = (registers | change for change in changed)
        registers = {name: np.where(taken[-1], then[name], otherwise[name]) for name in registers}
    result = registers[last.value.id]
    both = np.any(taken) and not np.all(taken)
    return bool(both and len(np.unique(result)) >= 3 and np.mean(result != start) > 0.5)


_ON_ARRAYS = {"+": np.add, "-": np.subtract, "mod": np.mod, "<": np.less, ">": np.greater, "==": np.equal}


def _values(expression, state: dict[str, np.ndarray]) -> np.ndarray:
    """A register program's expression on arrays of states."""
    if isinstance(expression, Constant):
        return np.asarray(expression.value)
    if isinstance(expression, Name):
        return state[expression.id]
    left, right = _values(expression.left, state), _values(expression.right, state)
    return _ON_ARRAYS[expression.operator](left, right)


def counterfactual(
    program: Program, rng: np.random.Generator, *, modulus: int = 6, tests: tuple[str, ...] = _TESTS
) -> Program:
    """The same register program with one line changed: a start value, the test, or the two branches exchanged."""
    first, second, remark, loop, last = program.body
    test, show = loop.body
    kind = int(rng.integers(3)) if test.body != test.orelse else int(rng.integers(2))
    if kind == 0:
        value = Constant((first.value.value + 1 + int(rng.integers(modulus - 1))) % modulus)
        return Program(program.name, program.parameters, (Assign(first.target, value), second, remark, loop, last))
    if kind == 1:
        others = [operator for operator in tests if operator != test.test.operator]
        changed = If(
            Operation(others[int(rng.integers(len(others)))], test.test.left, test.test.right), test.body, test.orelse
        )
    else:
        changed = If(test.test, test.orelse, test.body)
    return Program(
        program.name,
        program.parameters,
        (first, second, remark, For(loop.targets, loop.iterable, (changed, show)), last),
    )
