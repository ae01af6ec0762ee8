"""Register programs as words: what a small model reads of a program or of its English plan, and the way back.

    a = 1 b = 4 # go through the digits for x in xs if x < 2 then a = a + x else b = b + a print a b return b

The shorthand leaves out what never varies (brackets, the modulus, quotes, the first line) and puts a test and its
branch on one line. `expand` goes back to the program.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from lib.data.programs.reader import parse
from lib.data.programs.tree import Program, PseudocodeError
from lib.data.programs.writing import plan, render


def shorthand(program: Program, *, comments: bool = True) -> list[str]:
    """The words of a register program."""
    text = render(program, comments=comments).partition("\n")[2]
    text = re.sub(r"mod \d+|[(),\"]", " ", text)
    text = re.sub(r"if (.*):\n", r"if \1 then ", text).replace("else:\n", "else ")
    text = text.replace("return", "return ")
    text = re.sub(r"print .*", "print a b", text.replace("print", "print "))
    return text.replace("xs:", "xs").split()


def plan_words(program: Program) -> list[str]:
    """The words of a register program's plan in English, without what never varies."""
    return re.sub(r"modulo \d+|[().,\"]", " ", plan(program).partition(": ")[2]).split()


def expand(words: Sequence[str], *, modulus: int) -> Program:
    """The register program of its words. Raises PseudocodeError where the words are none."""
    text = re.sub(r"# [a-z ]*? (?=for )", "", " ".join(words))
    name, number = "[abx]", rf"[0-{modulus - 1}]"
    value = f"(?:{name}|{number})"
    test, update = f"({value} (?:<|>|==) {value})", f"([ab]) = ({value} [+-] {value})"
    form = f"a = ({number}) b = ({number}) for x in xs if {test} then {update} else {update} "
    if (found := re.fullmatch(form + "print a b return ([ab])", text)) is None:
        raise PseudocodeError("these words are no register program")
    a, b, test, one, sum_one, other, sum_other, result = found.groups()
    return parse(
        f"def registers(xs):\n    a = {a}\n    b = {b}\n    # go through the digits\n    for x in xs:\n"
        f"        if {test}:\n            {one} = ({sum_one}) mod {modulus}\n"
        f"        else:\n            {other} = ({sum_other}) mod {modulus}\n"
        f'        print("a", a, "b", b)\n    return {result}\n'
    )


@lru_cache(maxsize=50_000)
def facts_of(program: Program) -> dict[str, list[str] | str]:
    """What a register program's words say, by name.

    `test`, `then` and `else` are lists of words; `return` is the result's register; `a` and `b` are the start values;
    `modulus` is the number that sums are taken by. All are words.
    """
    words = shorthand(program, comments=False)
    at = {word: words.index(word) for word in ("if", "then", "else", "print", "return")}
    parts = {"test": words[at["if"] + 1 : at["then"]], "then": words[at["then"] + 1 : at["else"]]}
    parts |= {"else": words[at["else"] + 1 : at["print"]], "return": words[at["return"] + 1]}
    parts |= {register: words[words.index(register) + 2] for register in "ab"}
    return parts | {"modulus": re.search(r"mod (\d+)", render(program))[1]}
