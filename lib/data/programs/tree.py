"""The pseudocode language's tree: what a program is made of. See `interpreter` beside this file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Value = int | str | bool | list | dict
LEVELS = (("or",), ("and",), ("==", "!=", "<", ">", "<=", ">="), ("+", "-"), ("*", "div", "mod"))
"""Binary operators, those that bind least first."""


class PseudocodeError(ValueError):
    """The text is not a program, or the program does what is not allowed; says the line."""


@dataclass(frozen=True)
class Constant:
    value: int | str | bool


@dataclass(frozen=True)
class Name:
    id: str


@dataclass(frozen=True)
class Item:
    """holder[key]: of a list from 0, or of a map."""

    holder: Expression
    key: Expression


@dataclass(frozen=True)
class Operation:
    """One of + - * div mod, == != < > <= >=, and or; or `not`, with the operand on the right."""

    operator: str
    left: Expression | None
    right: Expression


@dataclass(frozen=True)
class Display:
    """[a, b] or, with `is_map`, the empty map {}."""

    items: tuple[Expression, ...] = ()
    is_map: bool = False


Expression = Constant | Name | Item | Operation | Display


@dataclass(frozen=True)
class Assign:
    target: Name | Item
    value: Expression
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class If:
    test: Expression
    body: tuple[Statement, ...]
    orelse: tuple[Statement, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class For:
    targets: tuple[str, ...]
    iterable: Expression
    body: tuple[Statement, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Print:
    values: tuple[Expression, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Return:
    value: Expression
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Push:
    value: Expression
    holder: Expression
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Pop:
    holder: Expression
    target: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Swap:
    first: Item
    second: Item
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Comment:
    text: str
    line: int = field(default=0, compare=False)


Statement = Assign | If | For | Print | Return | Push | Pop | Swap | Comment


@dataclass(frozen=True)
class Program:
    name: str
    parameters: tuple[str, ...]
    body: tuple[Statement, ...]


def walk(body: Sequence[Statement]) -> Iterator[Statement]:
    """All statements, outer before inner, in the order of the text."""
    for statement in body:
        yield statement
        if isinstance(statement, If | For):
            yield from walk(statement.body)
        if isinstance(statement, If):
            yield from walk(statement.orelse)
