"""Reading the pseudocode language: text -> `Program`, or an error that says the line."""

from __future__ import annotations

import re
from collections import deque

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
    PseudocodeError,
    Push,
    Return,
    Statement,
    Swap,
)

KEYWORDS = frozenset(
    "def for in if elif else print return push on pop into swap and or not mod div True False pass".split()
)

MAX_TEXT, MAX_BRACKETS, MAX_OPERATORS, MAX_LEVELS = 100_000, 50, 200, 90
"""Characters of a program; brackets in brackets, operators and subscripts of a line, blocks and branches in others."""

_TOKEN = re.compile(r"\s*(?:(\d+)|([A-Za-z_]\w*)|(\"[^\"\\\n]*\")|(==|!=|<=|>=|[-+*<>=()\[\]{},:]))")


def parse(text: str) -> Program:
    """The program of a text. Raises PseudocodeError, with the line, for what is none or is larger than is taken."""
    if len(text) > MAX_TEXT:
        raise PseudocodeError(f"line 1: a program has at most {MAX_TEXT} characters, got {len(text)}")
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            indent = len(line) - len(line.lstrip(" "))
            if indent % 4 or line.lstrip(" ").startswith("\t"):
                raise PseudocodeError(f"line {number}: indentation is four spaces a level, got {indent}")
            lines.append((number, indent // 4, line.strip()))
    if not lines or lines[0][1]:
        raise PseudocodeError("line 1: a program begins with 'def name(parameters):'")
    reader = _Reader(lines)
    try:
        return reader.program()
    except RecursionError:
        raise reader.error("the program is nested too deeply") from None


class _Reader:
    """Recursive descent over (number, level, text) lines."""

    def __init__(self, lines: list[tuple[int, int, str]]):
        self.lines, self.at, self.depth, self.operators, self.branches = lines, 0, 0, 0, 0
        self.tokens: deque[str] = deque()

    def program(self) -> Program:
        self.open_line()
        self.expect("def")
        name = self.name()
        self.expect("(")
        parameters = self.names_until(")")
        self.expect(":")
        self.end()
        body = self.block(1)
        if self.at < len(self.lines):
            raise self.error("the program has ended; only one def is allowed", self.at)
        return Program(name, parameters, body)

    def block(self, level: int) -> tuple[Statement, ...]:
        if level + self.branches > MAX_LEVELS:
            raise self.error(f"blocks and branches are nested in more than {MAX_LEVELS} others")
        found: list[Statement] = []
        while self.at < len(self.lines) and self.lines[self.at][1] >= level:
            if self.lines[self.at][1] > level:
                raise self.error("the line is indented too far", self.at)
            found.append(self.statement(level))
        if all(isinstance(statement, Comment) for statement in found):
            raise PseudocodeError(f"line {self.lines[self.at - 1][0]}: the block behind this line is empty")
        return tuple(found)

    def statement(self, level: int) -> Statement:
        number, _, text = self.lines[self.at]
        if text.startswith("#"):
            self.at += 1
            return Comment(text[1:].strip(), number)
        self.open_line()
        word = self.tokens[0] if self.tokens else ""
        if word in ("if", "for"):
            return self.compound(word, level, number)
        if word == "print":
            self.take()
            self.expect("(")
            made: Statement = Print(self.expressions_until(")"), number)
        elif word == "return":
            self.take()
            made = Return(self.expression(), number)
        elif word == "push":
            self.take()
            value = self.expression()
            self.expect("on")
            made = Push(value, self.expression(), number)
        elif word == "pop":
            self.take()
            holder = self.expression()
            self.expect("into")
            made = Pop(holder, self.name(), number)
        elif word == "swap":
            self.take()
            first = self.place(Item)
            self.expect("and")
            made = Swap(first, self.place(Item), number)
        else:
            target = self.place((Name, Item))
            self.expect("=")
            made = Assign(target, self.expression(), number)
        self.end()
        return made

    def compound(self, word: str, level: int, number: int) -> Statement:
        self.take()
        if word == "for":
            targets = [self.name()]
            while self.next_is(","):
                self.take()
                targets.append(self.name())
            self.expect("in")
            iterable = self.expression()
            self.expect(":")
            self.end()
            return For(tuple(targets), iterable, self.block(level + 1), number)
        test = self.expression()
        self.expect(":")
        self.end()
        body, orelse = self.block(level + 1), ()
        if self.at < len(self.lines) and self.lines[self.at][1] == level:
            number_of_else, _, text = self.lines[self.at]
            if re.match(r"elif\b", text):
                self.open_line()
                self.branches += 1
                orelse = (self.compound("elif", level, number_of_else),)
                self.branches -= 1
            elif re.match(r"else\b", text):
                self.open_line()
                self.take()
                self.expect(":")
                self.end()
                orelse = self.block(level + 1)
        return If(test, body, orelse, number)

    # expressions

    def expression(self, level: int = 0) -> Expression:
        self.depth += level == 0
        if self.depth > MAX_BRACKETS:
            raise self.error("brackets are nested too deeply")
        made = self.operation(level)
        self.depth -= level == 0
        return made

    def operation(self, level: int) -> Expression:
        if level == 2 and self.next_is("not"):
            self.operator()
            return Operation("not", None, self.expression(2))
        if level == len(LEVELS):
            return self.atom()
        left = self.expression(level + 1)
        while self.tokens and self.tokens[0] in LEVELS[level]:
            operator = self.operator()
            left = Operation(operator, left, self.expression(level + 1))
            if level == 2 and self.tokens and self.tokens[0] in LEVELS[2]:
                raise self.error("comparisons cannot be chained; join two by 'and'")
        return left

    def operator(self) -> str:
        """The next token, counted: each makes the expression one level deeper."""
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            raise self.error(f"the line has more than {MAX_OPERATORS} operators")
        return self.take()

    def atom(self) -> Expression:
        token = self.take()
        if token.isdigit():
            digits = token.lstrip("0") or "0"
            if len(digits) > 18:
                raise self.error("a number must be below 10^18")
            made: Expression = Constant(int(digits))
        elif token.startswith('"'):
            made = Constant(token[1:-1])
        elif token in ("True", "False"):
            made = Constant(token == "True")
        elif token == "-":
            inner = self.expression(len(LEVELS))
            if not (isinstance(inner, Constant) and type(inner.value) is int):
                raise self.error("'-' stands before a number only")
            made = Constant(-inner.value)
        elif token == "(":
            made = self.expression()
            self.expect(")")
        elif token == "[":
            made = Display(self.expressions_until("]"))
        elif token == "{":
            self.expect("}")
            made = Display(is_map=True)
        elif re.fullmatch(r"[A-Za-z_]\w*", token) and token not in KEYWORDS:
            made = Name(token)
        else:
            raise self.error(f"{token!r} stands where a value should")
        while self.next_is("["):
            self.operator()
            key = self.expression()
            self.expect("]")
            made = Item(made, key)
        return made

    def place(self, kinds: type | tuple[type, ...]) -> Name | Item:
        made = self.atom()
        if not isinstance(made, kinds):
            raise self.error("a name or a place in a list or map should stand here")
        return made

    def expressions_until(self, closing: str) -> tuple[Expression, ...]:
        found: list[Expression] = []
        while not self.next_is(closing):
            if found:
                self.expect(",")
            found.append(self.expression())
        self.take()
        return tuple(found)

    def names_until(self, closing: str) -> tuple[str, ...]:
        found: list[str] = []
        while not self.next_is(closing):
            if found:
                self.expect(",")
            found.append(self.name())
        self.take()
        return tuple(found)

    # tokens of the current line

    def open_line(self) -> None:
        number, _, text = self.lines[self.at]
        self.tokens, self.operators, place = deque(), 0, 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise PseudocodeError(f"line {number}: {text[place:].split()[0]!r} is not known here")
            self.tokens.append(next(part for part in match.groups() if part is not None))
            place = match.end()
        self.at += 1

    def next_is(self, token: str) -> bool:
        return bool(self.tokens) and self.tokens[0] == token

    def take(self) -> str:
        if not self.tokens:
            raise self.error("the line ends too early")
        return self.tokens.popleft()

    def expect(self, token: str) -> None:
        got = self.take()
        if got != token:
            raise self.error(f"{token!r} should stand where {got!r} does")

    def name(self) -> str:
        got = self.take()
        if not re.fullmatch(r"[A-Za-z_]\w*", got) or got in KEYWORDS:
            raise self.error(f"{got!r} cannot be a name")
        return got

    def end(self) -> None:
        if self.tokens:
            raise self.error(f"{self.tokens[0]!r} is too much")

    def error(self, message: str, at: int | None = None) -> PseudocodeError:
        return PseudocodeError(f"line {self.lines[max(0, self.at - 1) if at is None else at][0]}: {message}")
