"""Writing a pseudocode program: as text, with other names, as a plan in English, as Python."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from lib.data.programs.interpreter import copied
from lib.data.programs.tree import (
    LEVELS,
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
    Push,
    Return,
    Statement,
    Swap,
    Value,
    walk,
)


def render(program: Program, *, names: Mapping[str, str] | None = None, comments: bool = True) -> str:
    """The program's text. `names` renames (see `nameless`); without `comments` they are left out."""
    if names is not None:
        program = _renamed(program, names)
    head = f"def {program.name}({', '.join(program.parameters)}):"
    return "\n".join([head, *_lines(program.body, 1, comments)])


def nameless(program: Program) -> dict[str, str]:
    """A renaming that takes all meaning out of names: the program is f, its names v1, v2, ... as they appear."""
    found: dict[str, None] = dict.fromkeys(program.parameters)
    for statement in walk(program.body):
        for name in _bound(statement):
            found.setdefault(name)
    return {program.name: "f", **{name: f"v{number}" for number, name in enumerate(found, start=1)}}


def _bound(statement: Statement) -> tuple[str, ...]:
    match statement:
        case Assign(Name(id), _):
            return (id,)
        case For(targets, _, _):
            return targets
        case Pop(_, target):
            return (target,)
    return ()


def _names(program: Program) -> set[str]:
    return {
        program.name,
        *program.parameters,
        *(name for statement in walk(program.body) for name in _bound(statement)),
    }


def _renamed(program: Program, names: Mapping[str, str]) -> Program:
    def new(name: str) -> str:
        return names.get(name, name)

    def expression(e: Expression) -> Expression:
        match e:
            case Name(id):
                return Name(new(id))
            case Item(holder, key):
                return Item(expression(holder), expression(key))
            case Operation(operator, left, right):
                return Operation(operator, None if left is None else expression(left), expression(right))
            case Display(items, is_map):
                return Display(tuple(expression(item) for item in items), is_map)
        return e

    def block(body: Sequence[Statement]) -> tuple[Statement, ...]:
        return tuple(statement(s) for s in body)

    def statement(s: Statement) -> Statement:
        match s:
            case Assign(target, value):
                return replace(s, target=expression(target), value=expression(value))
            case If(test, body, orelse):
                return replace(s, test=expression(test), body=block(body), orelse=block(orelse))
            case For(targets, iterable, body):
                return replace(
                    s, targets=tuple(new(t) for t in targets), iterable=expression(iterable), body=block(body)
                )
            case Print(values):
                return replace(s, values=tuple(expression(value) for value in values))
            case Return(value):
                return replace(s, value=expression(value))
            case Push(value, holder):
                return replace(s, value=expression(value), holder=expression(holder))
            case Pop(holder, target):
                return replace(s, holder=expression(holder), target=new(target))
            case Swap(first, second):
                return replace(s, first=expression(first), second=expression(second))
        return s

    return Program(new(program.name), tuple(new(p) for p in program.parameters), block(program.body))


_STRENGTH = {
    **{operator: level for level, operators in enumerate(LEVELS) for operator in operators},
    "not": 2,
}


def written(e: Expression, outer: int = 0, words: Mapping[str, str] | None = None) -> str:
    """An expression's text, in brackets where the place needs them; `words` replaces operators."""
    words = words or {}
    match e:
        case Constant(value):
            return f'"{value}"' if isinstance(value, str) else str(value)
        case Name(id):
            return id
        case Item(holder, key):
            return f"{written(holder, 9, words)}[{written(key, 0, words)}]"
        case Display(items, is_map):
            return "{}" if is_map else f"[{', '.join(written(item, 0, words) for item in items)}]"
        case Operation(operator, left, right):
            level, said = _STRENGTH[operator], words.get(operator, operator)
            if operator == "not":
                text = f"{said} {written(right, 2, words)}"
            else:  # comparisons do not chain, so both sides of one stand above it
                text = f"{written(left, level + (level == 2), words)} {said} {written(right, level + 1, words)}"
            return f"({text})" if level < outer else text
    raise TypeError(f"expression must be one of the pseudocode's, got {e!r}")


def _lines(body: Sequence[Statement], level: int, comments: bool, python: bool = False) -> Iterator[str]:
    pad, words = "    " * level, {"mod": "%", "div": "//"} if python else {}

    def text(e: Expression) -> str:
        return written(e, 0, words)

    for s in body:
        match s:
            case Comment(remark):
                if comments:
                    yield f"{pad}# {remark}"
            case Assign(target, value):
                yield f"{pad}{text(target)} = {text(value)}"
            case If(test, inner, orelse):
                yield f"{pad}if {text(test)}:"
                yield from _lines(inner, level + 1, comments, python)
                if orelse:
                    yield f"{pad}else:"
                    yield from _lines(orelse, level + 1, comments, python)
            case For(targets, iterable, inner):
                yield f"{pad}for {', '.join(targets)} in {text(iterable)}:"
                yield from _lines(inner, level + 1, comments, python)
            case Print(values):
                shown = [f"_words({text(value)})" if python else text(value) for value in values]
                yield f"{pad}print({', '.join(shown)})"
            case Return(value):
                yield f"{pad}return {text(value)}"
            case Push(value, holder):
                yield (
                    f"{pad}{text(holder)}.append({text(value)})"
                    if python
                    else f"{pad}push {text(value)} on {text(holder)}"
                )
            case Pop(holder, target):
                yield f"{pad}{target} = {text(holder)}.pop()" if python else f"{pad}pop {text(holder)} into {target}"
            case Swap(one, two):
                a, b = text(one), text(two)
                yield f"{pad}{a}, {b} = {b}, {a}" if python else f"{pad}swap {a} and {b}"


def to_python(program: Program, arguments: Sequence[Value] | None = None) -> str:
    """A Python program that prints the same lines and, with `arguments`, last of all the result behind `result`.

    It lies in the sandbox's subset (`lib.evaluation.sandbox.subset`) when it prints no maps. A name that means
    something in Python gets an underscore behind it.
    """
    program = _renamed(
        program, {name: f"{name}_" for name in _names(program) if keyword.iskeyword(name) or hasattr(builtins, name)}
    )
    head = f"def {program.name}({', '.join(program.parameters)}):"
    text = "\n".join([_WORDS.strip(), head, *_lines(program.body, 1, False, python=True)])
    if arguments is None:
        return text + "\n"
    return f"{text}\nprint('result', {program.name}({', '.join(repr(copied(value)) for value in arguments)}))\n"


_WORDS = """
def _words(value):
    if isinstance(value, list):
        return '[ ' + ' '.join([_words(part) for part in value]) + (' ]' if len(value) > 0 else ']')
    if isinstance(value, dict):
        pairs = [_words(k) + ' ' + _words(v) for k, v in value.items()]
        return '{ ' + ' '.join(pairs) + (' }' if len(value) > 0 else '}')
    return str(value)
"""


_SAID = {
    "+": "plus", "-": "minus", "*": "times", "div": "divided by", "mod": "modulo", "==": "is", "!=": "is not",
    "<": "is less than", ">": "is more than", "<=": "is at most", ">=": "is at least",
}  # fmt: skip


def plan(program: Program) -> str:
    """The same steps as English sentences: a natural-language plan. Comments are left out."""
    start = f"Given {_and(program.parameters)}: " if program.parameters else ""
    return start + " ".join(_sentences(program.body))


def _and(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]


def _sentences(body: Sequence[Statement]) -> Iterator[str]:
    def text(e: Expression) -> str:
        return written(e, 0, _SAID)

    for s in body:
        match s:
            case Assign(target, value):
                yield f"Let {text(target)} be {text(value)}."
            case If(test, inner, orelse):
                yield f"If {text(test)}, do this: {' '.join(_sentences(inner))}"
                if orelse:
                    yield f"Otherwise: {' '.join(_sentences(orelse))}"
                yield "That is all for this case."
            case For(targets, iterable, inner):
                yield f"For each {_and(targets)} in {text(iterable)}, do this:"
                yield from _sentences(inner)
                yield "Go on with the next."
            case Print(values):
                yield f"Say {_and([text(value) for value in values])}."
            case Return(value):
                yield f"The answer is {text(value)}."
            case Push(value, holder):
                yield f"Put {text(value)} on top of {text(holder)}."
            case Pop(holder, target):
                yield f"Take the top of {text(holder)} as {target}."
            case Swap(one, two):
                yield f"Exchange {text(one)} and {text(two)}."
