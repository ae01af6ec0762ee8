"""Traces say what the interpreter says, and every form ends in the interpreter's answer."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.programs.interpreter import run
from lib.data.programs.registers import KIND
from lib.data.programs.shorthand import expand, facts_of
from lib.data.programs.tasks import register_programs
from lib.data.programs.traces import FORMS, execute, head_words, question_words, response
from lib.data.programs.writing import render

PROGRAMS = register_programs(50, seed=3, split="test", **KIND)


def test_a_trace_is_what_the_interpreter_prints():
    draw = np.random.default_rng(0)
    for program in PROGRAMS:
        xs = draw.integers(0, 5, 4).tolist()
        done, lines = run(program, [xs]), execute(program, xs, 2)
        assert [["a", str(line["a"]), "b", str(line["b"])] for line in lines[1:]] == done.trace
        assert lines[-1][facts_of(program)["return"]] == done.result
        assert [line["at"] for line in lines[1:]] == ["i2", "i3", "i4", "i5"]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_ends_in_the_answer_and_has_one_length(form):
    lengths = set()
    for program in PROGRAMS:
        words = response(program, [3, 1, 4], 7, form)
        lengths.add(len(words))
        if form == "program":
            assert words[:5] == ["xs", "=", "3", "1", "4"] and words[-1] == "eos"
            assert render(expand(words[6:-1], modulus=5)) == render(program)
        else:
            assert words[-3:] == ["answer", str(run(program, [[3, 1, 4]]).result), "eos"]
    assert len(lengths) == 1


def test_one_worked_line_in_full():
    words = "a = 1 b = 4 for x in xs if x < 2 then a = a + x else b = b + a print a b return b".split()
    program = expand(words, modulus=5)
    worked = "a 1 b 4 nl i7 x 3 if x < 2 : 3 < 2 else b = b + a : 4 + 1 = 0 a 1 b 0 nl return b answer 0 eos"
    assert " ".join(response(program, [3], 7, "trace")) == " ".join(response(program, [3], 7, "plan")) == worked
    assert " ".join(response(program, [3], 7, "delta")) == worked.replace("= 0 a 1 b 0", "= 0 b 0")
    assert " ".join(response(program, [3], 7, "prints")) == "i7 a 1 b 0 nl return b answer 0 eos"
    assert " ".join(response(program, [3], 7, "direct")) == "return b answer 0 eos"
    assert " ".join(question_words([3, 0], 7, "trace")) == "xs = i7 3 i8 0 trace"


def test_a_plan_stands_in_for_the_program():
    program = PROGRAMS[0]
    assert head_words(program, "plan") == head_words(program, "program") != head_words(program, "trace")
    assert "#" in head_words(program, "trace") and "#" not in head_words(program, "trace", comments=False)


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match=r"^form must be one of trace, prints, .*, got 'verse'$"):
        response(PROGRAMS[0], [1], 0, "verse")
