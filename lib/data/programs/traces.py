"""What a Reasoner is to write about a register program and its digits: the trace with each line worked out, and rivals.

| form | what is written |
|---|---|
| `direct` | the answer |
| `prints` | what the prints print: Think-and-Execute's format to the letter (arXiv 2404.02575) |
| `trace` | the same with each executed line copied, its values filled in and its outcome |
| `delta` | the worked lines, but only the register that changed is printed |
| `plan` | as `trace`, behind a plan in English in place of the program |
| `program` | a program for this question, behind the plan |
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

from lib.data.programs.shorthand import facts_of, plan_words, shorthand
from lib.data.programs.tree import Program

FORMS = ("trace", "prints", "delta", "direct", "plan", "program")
INDICES = 16
"""Digits have the index words i0 to i15."""
TRUE_OF = {"<": operator.lt, ">": operator.gt, "==": operator.eq}
VALUE_OF = {"+": operator.add, "-": operator.sub}


def execute(program: Program, xs: Sequence[int], first: int = 0) -> list[dict]:
    """The start, then one line for each digit: what is tested and changed, and the registers after it.

    `first` is the index word of the first digit. Values are whole numbers, lines of the program lists of words.
    """
    facts = facts_of(program)
    state, modulus = {"a": int(facts["a"]), "b": int(facts["b"])}, int(facts["modulus"])

    def value(word: str) -> int:
        return state[word] if word in state else int(word)

    lines = [dict(state)]
    for step, x in enumerate(xs):
        state["x"] = x
        left, sign, right = facts["test"]
        branch = "then" if TRUE_OF[sign](value(left), value(right)) else "else"
        target, _, one, way, other = facts[branch]
        line = {"at": f"i{first + step}", "x": x, "test": facts["test"], "tested": [value(left), sign, value(right)]}
        line |= {"branch": branch, "statement": facts[branch], "summed": [value(one), way, value(other)]}
        state[target] = VALUE_OF[way](value(one), value(other)) % modulus
        lines.append(line | {"sum": state[target], "changed": target, "a": state["a"], "b": state["b"]})
    return lines


def response(program: Program, xs: Sequence[int], first: int, form: str) -> list[str]:
    """The words to write in one of `FORMS`; every one ends in the answer, but `program`, which is to be run."""
    start, *lines = execute(program, xs, first)
    result = facts_of(program)["return"]
    words: list = []
    if form in ("trace", "plan", "delta"):
        words = ["a", start["a"], "b", start["b"], "nl"]
        for line in lines:
            shown = ["a", line["a"], "b", line["b"]] if form != "delta" else [line["changed"], line["sum"]]
            words += [line["at"], "x", line["x"], "if", *line["test"], ":", *line["tested"], line["branch"]]
            words += [*line["statement"], ":", *line["summed"], "=", line["sum"], *shown, "nl"]
    elif form == "prints":
        words = [word for line in lines for word in (line["at"], "a", line["a"], "b", line["b"], "nl")]
    elif form == "program":
        return ["xs", "=", *map(str, xs), "nl", *shorthand(program, comments=False), "eos"]
    elif form != "direct":
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    return [str(word) for word in [*words, "return", result, "answer", lines[-1][result], "eos"]]


def head_words(program: Program, form: str, *, comments: bool = True) -> list[str]:
    """What stands before the questions: the program, or its plan in English for the forms that read one."""
    return plan_words(program) if form in ("plan", "program") else shorthand(program, comments=comments)


def question_words(xs: Sequence[int], first: int, form: str) -> list[str]:
    """The digits with an index word each, so that lines can point at them, and the form asked for."""
    return ["xs", "=", *(word for k, x in enumerate(xs) for word in (f"i{first + k}", str(x))), form]
