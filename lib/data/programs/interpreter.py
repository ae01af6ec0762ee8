"""A small pseudocode language with a real interpreter: what Think-and-Execute's Instructor writes, its Reasoner reads.

    def count(xs, limit):
        # how many are large
        n = 0
        for x in xs:
            if x > limit:
                n = (n + 1) mod 10
            print(x, n)
        return n

Assignments, whole-number arithmetic (+ - * div mod), comparisons with and, or, not, if / elif / else, for over a list
(also `for a, b in pairs`), lists with `push v on xs` and `pop xs into v`, maps with `m[k] = v`, `swap m[a] and m[b]`,
print and return. One tree serves four readers: `run` (here: the trace and the result), and in
`lib.data.programs.writing` `render` (text, with names and comments or without), `plan` (English sentences) and
`to_python` (for cross-checking; div and mod are Python's // and %).

Think-and-Execute's pseudocode (arXiv 2404.02575, appendix B.2) is free in form; ours is not, so that it has a truth.

A program may be anybody's. Everything that it does costs work (an expression, a word printed, a pair of values
compared), so that time and memory are bounded however its values are built; a deadline of computing stands behind that.
"""

from __future__ import annotations

import reprlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib.data.programs.tree import (
    Assign,
    Comment,
    Constant,
    Display,
    Expression,
    For,
    If,
    Item,
    Name,
    Operation,
    Pop,
    Print,
    Program,
    PseudocodeError,
    Push,
    Return,
    Statement,
    Swap,
    Value,
)

WORK_PER_STEP, MAX_SECONDS = 200, 20.0
"""Units of work for each statement that may be run, all together; and seconds of computing, in this thread."""
LARGEST = 10**18
"""Numbers stay below it, in the text as in what is computed."""


@dataclass(frozen=True)
class Run:
    """`trace`: the printed lines, each a list of words; `result`: what was returned, or None."""

    trace: list[list[str]]
    result: Value | None
    steps: int


class _Returned(Exception):
    def __init__(self, value: Value):
        self.value = value


def run(program: Program, arguments: Sequence[Value], *, max_steps: int = 10_000) -> Run:
    """Interpret; arguments are not changed.

    Raises PseudocodeError, with the line, for what Python would not do either (an unknown name, a missing key, words
    added to numbers), when more than `max_steps` statements are run or 200 times that much work is done, when a number
    reaches 10^18, or when a value is too large to print (a thousand words, twenty levels) or to return (a hundred
    thousand words, a hundred levels).
    """
    if len(arguments) != len(program.parameters):
        count = len(program.parameters)
        raise PseudocodeError(f"line 1: {program.name} must be given {count} arguments, got {len(arguments)}")
    machine = _Interpreter(max_steps)
    result = None
    try:
        names = dict(zip(program.parameters, (copied(value) for value in arguments), strict=True))
        machine.block(program.body, names)
    except _Returned as returned:
        result = returned.value
    except RecursionError:
        raise machine.error("values or blocks are nested too deeply") from None
    return Run(machine.trace, result, machine.steps)


def copied(value: Value) -> Value:
    if isinstance(value, list | tuple):
        return [copied(part) for part in value]
    return {key: copied(part) for key, part in value.items()} if isinstance(value, Mapping) else value


class _Interpreter:
    def __init__(self, max_steps: int):
        self.trace: list[list[str]] = []
        self.steps, self.max_steps, self.line = 0, max_steps, 1
        self.work, self.max_work = 0, WORK_PER_STEP * max(max_steps, 1000)
        self.deadline = time.thread_time() + MAX_SECONDS

    def spend(self, units: int) -> None:
        self.work += units
        if self.work > self.max_work:
            raise self.error(f"more than {self.max_work} units of work")

    def block(self, statements: Sequence[Statement], names: dict[str, Value]) -> None:
        for statement in statements:
            if isinstance(statement, Comment):
                continue
            self.steps, self.line = self.steps + 1, statement.line
            if self.steps > self.max_steps:
                raise self.error(f"more than {self.max_steps} steps")
            if self.steps % 64 == 0 and time.thread_time() > self.deadline:
                raise self.error(f"more than {MAX_SECONDS:g} seconds of computing")
            self.statement(statement, names)

    def statement(self, statement: Statement, names: dict[str, Value]) -> None:
        match statement:
            case Assign(target, value):
                self.put(target, self.value(value, names), names)
            case If(test, body, orelse):
                self.block(body if self.truth(self.value(test, names)) else orelse, names)
            case For(targets, iterable, body):
                self.loop(targets, self.listed(self.value(iterable, names)), body, names)
            case Print(values):
                self.trace.append([word for value in values for word in self.printed(self.value(value, names))])
            case Return(value):
                result = self.value(value, names)
                if words_of(result, most=100_000, levels=100) is None:
                    raise self.error("the result is too large")
                raise _Returned(result)
            case Push(value, holder):
                self.listed(self.value(holder, names)).append(self.value(value, names))
            case Pop(holder, target):
                items = self.listed(self.value(holder, names))
                if not items:
                    raise self.error("pop from an empty list")
                names[target] = items.pop()
            case Swap(first, second):
                one, two = self.value(first, names), self.value(second, names)
                self.put(first, two, names)
                self.put(second, one, names)

    def loop(self, targets: tuple[str, ...], items: list, body: Sequence[Statement], names: dict[str, Value]) -> None:
        for item in items:
            if len(targets) == 1:
                names[targets[0]] = item
            else:
                if not isinstance(item, list) or len(item) != len(targets):
                    raise self.error(f"an item has not {len(targets)} parts")
                names.update(zip(targets, item, strict=True))
            self.block(body, names)

    def put(self, target: Name | Item, value: Value, names: dict[str, Value]) -> None:
        if isinstance(target, Name):
            names[target.id] = value
            return
        holder, key = self.value(target.holder, names), self.value(target.key, names)
        if isinstance(holder, list):
            self.index(holder, key)
        elif not isinstance(holder, dict) or isinstance(key, list | dict):
            raise self.error("only a list or a map has places to assign to, by a number or a word")
        holder[key] = value

    def value(self, expression: Expression, names: dict[str, Value]) -> Value:
        self.spend(1)
        match expression:
            case Constant(value):
                return value
            case Name(id):
                if id not in names:
                    raise self.error(f"{id!r} has no value yet")
                return names[id]
            case Display(items, is_map):
                return {} if is_map else [self.value(item, names) for item in items]
            case Item(holder, key):
                return self.item(self.value(holder, names), self.value(key, names))
            case Operation(operator, left, right):
                return self.operation(operator, left, right, names)
        raise self.error(f"{expression!r} is no expression")

    def item(self, holder: Value, key: Value) -> Value:
        if isinstance(holder, list):
            return holder[self.index(holder, key)]
        if not isinstance(holder, dict) or isinstance(key, list | dict):
            raise self.error("only a list or a map has items, by a number or a word")
        if key not in holder:
            raise self.error(f"the map has no {_shown(key)}")
        return holder[key]

    def index(self, holder: list, key: Value) -> int:
        if type(key) is not int or not -len(holder) <= key < len(holder):
            raise self.error(f"a list of {len(holder)} has no item {_shown(key)}")
        return key

    def operation(self, operator: str, left: Expression | None, right: Expression, names: dict[str, Value]) -> Value:
        if operator == "not":
            return not self.truth(self.value(right, names))
        a = self.value(left, names)
        if operator in ("and", "or"):
            return a if self.truth(a) is (operator == "or") else self.truth(self.value(right, names))
        b = self.value(right, names)
        if operator in ("==", "!="):
            return self.equal(a, b) is (operator == "==")
        if type(a) is not int or type(b) is not int:
            raise self.error(f"{operator} takes two numbers, got {_shown(a)} and {_shown(b)}")
        if operator in ("div", "mod") and b == 0:
            raise self.error(f"{operator} by zero")
        result = _ARITHMETIC[operator](a, b)
        if abs(result) >= LARGEST:
            raise self.error("a number grows beyond 10^18")
        return result

    def equal(self, a: Value, b: Value) -> bool:
        """Python's ==, paid for pair by pair."""
        self.spend(1)
        if a is b:
            return True
        if isinstance(a, list) and isinstance(b, list):
            return len(a) == len(b) and all(self.equal(one, other) for one, other in zip(a, b, strict=True))
        if isinstance(a, dict) and isinstance(b, dict):
            return len(a) == len(b) and all(key in b and self.equal(part, b[key]) for key, part in a.items())
        return a == b

    def printed(self, value: Value) -> list[str]:
        words = words_of(value)
        if words is None:
            raise self.error("a value is too large to print")
        self.spend(sum(1 + len(word) // 8 for word in words))
        return words

    def truth(self, value: Value) -> bool:
        if type(value) is not bool:
            raise self.error(f"a test must be True or False, got {_shown(value)}")
        return value

    def listed(self, value: Value) -> list:
        if not isinstance(value, list):
            raise self.error(f"a list should stand here, got {_shown(value)}")
        return value

    def error(self, message: str) -> PseudocodeError:
        return PseudocodeError(f"line {self.line}: {message}")


_ARITHMETIC = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "div": lambda a, b: a // b,
    "mod": lambda a, b: a % b, "<": lambda a, b: a < b, ">": lambda a, b: a > b, "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}  # fmt: skip


_REPR = reprlib.Repr()
_REPR.maxlevel = 3


def _shown(value: Value) -> str:
    """A value in an error's text: as Python writes it, long ones shortened."""
    return _REPR.repr(value)


def words_of(value: Value, *, most: int = 1000, levels: int = 20) -> list[str] | None:
    """How a value is printed: its words; of a list all items between brackets, of a map `key value` pairs.

    None for a value of more than `most` words or `levels` levels, such as a list that holds itself.
    """
    words: list[str] = []

    def write(part: Value, depth: int) -> bool:
        if depth > levels or len(words) > most:
            return False
        if not isinstance(part, list | dict):
            words.append(str(part))
            return True
        opening, closing = ("[", "]") if isinstance(part, list) else ("{", "}")
        inner = part if isinstance(part, list) else [each for pair in part.items() for each in pair]
        words.append(opening)
        if not all(write(each, depth + 1) for each in inner):
            return False
        words.append(closing)
        return True

    return words if write(value, 0) else None
