"""Training texts of register programs: forms in turn, no answer that the program gives away, loss where it belongs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lib.data.programs.interpreter import run
from lib.data.programs.registers import KIND, VOCABULARY, RegisterTask, drill, encoded, marked, question
from lib.data.programs.shorthand import expand, facts_of
from lib.data.programs.tasks import is_varied, register_programs
from lib.data.programs.traces import FORMS

PROGRAMS = register_programs(80, seed=0, split="train", **KIND)


def rows_of(batch):
    return [(VOCABULARY.decode(t).split(), w) for t, w in zip(batch["tokens"], batch["weights"], strict=True)]


def test_forms_take_turns_and_a_batch_is_a_function_of_its_step():
    task, again = (RegisterTask(PROGRAMS, 5, size=4, most=4) for _ in range(2))
    again(3)
    for step in range(2 * len(FORMS)):
        batch = task(step)
        assert task.form(step) == FORMS[step % len(FORMS)]
        assert all(FORMS[step % len(FORMS)] in words for words, _ in rows_of(batch))
        assert all(np.array_equal(part, again(step)[name]) for name, part in batch.items())
        assert batch["tokens"].shape == batch["weights"].shape and len(batch["tokens"]) == 4


def test_answers_are_right_and_never_the_start_value():
    task = RegisterTask(PROGRAMS, 1, ("direct",), size=16, most=4)
    for step in range(20):
        for words, _ in rows_of(task(step)):
            end = words.index("xs", words.index("return"))
            program = expand(words[:end], modulus=5)
            for text in " ".join(words[end:]).split("eos")[:-1]:
                asked, answer = text.split()[:-1], text.split()[-1]
                digits = [int(w) for before, w in itertools.pairwise(asked) if before[0] == "i"]
                assert str(run(program, [digits]).result) == answer != facts_of(program)[facts_of(program)["return"]]


def test_only_what_is_to_be_written_carries_loss():
    for words, weights in rows_of(RegisterTask(PROGRAMS, 2, ("direct",), size=8, most=2)(0)):
        written = [word for word, weight in zip(words, weights, strict=True) if weight]
        assert written[0] == written[5] == "return" and written[4] == written[9] == "eos" and len(written) == 10


def test_drills_run_along_at_first():
    task = RegisterTask(PROGRAMS, 2, size=3, most=2, drills=2)
    assert set(task(1)) == {"tokens", "weights", "drill tokens", "drill weights"} and set(task(2)) == {
        "tokens",
        "weights",
    }
    for row in (drill(np.random.default_rng(seed)) for seed in range(20)):
        words = [word for word, _ in row]
        sums = [k for k, word in enumerate(words) if word == "="]
        assert len(sums) == 6 and all((int(words[k - 3]) + int(words[k - 1])) % 5 == int(words[k + 1]) for k in sums)
        for k, word in enumerate(words):
            if word in "<>":
                true = int(words[k - 1]) < int(words[k + 1]) if word == "<" else int(words[k - 1]) > int(words[k + 1])
                assert words[k + 2] == ("then" if true else "else")
        assert sum(weight for _, weight in row) == 12


def test_a_question_has_the_digits_asked_for():
    draw = np.random.default_rng(0)
    found = [question(draw, program, count) for program in PROGRAMS for count in (1, 4)]
    assert all(q is None or (len(q[0]) in (1, 4) and 0 <= q[1] <= 16 - len(q[0])) for q in found)
    assert np.mean([q is None for q in found]) < 0.2
    never = "a = 1 b = 4 for x in xs if x < 2 then a = a + x else a = a + a print a b return b".split()
    assert question(draw, expand(never, modulus=5), 3) is None


@pytest.mark.parametrize(
    ("text", "varied"),
    [
        ("if x < 2 then b = b + x else b = b + a", True),
        ("if x < 2 then a = a + x else a = a + a", False),  # b is never written
        ("if x < 0 then b = b + x else b = b + a", False),  # one branch is never taken
        ("if x < 2 then b = b + 1 else b = b + 1", False),  # the digits change nothing
    ],
)
def test_varied_programs_depend_on_their_digits(text, varied):
    assert is_varied(expand(f"a = 1 b = 4 for x in xs {text} print a b return b".split(), modulus=5)) is varied


def test_varied_programs_are_of_their_split():
    held = register_programs(80, seed=0, split="test", **KIND)
    assert all(map(is_varied, PROGRAMS + held)) and not set(PROGRAMS) & set(held)
    assert not all(map(is_varied, register_programs(80, seed=0, split="train", modulus=5)))


def test_wrong_sizes_and_forms_are_refused():
    with pytest.raises(ValueError, match="size must be"):
        RegisterTask(PROGRAMS, 0, size=0, most=4)
    with pytest.raises(ValueError, match=r"^forms must be of trace, .*, got verse$"):
        RegisterTask(PROGRAMS, 0, ("verse",), size=1, most=4)
    with pytest.raises(ValueError, match="programs must be"):
        RegisterTask([], 0, size=1, most=4)
    with pytest.raises(ValueError, match=r"^most must be an integer in 1\.\.16, got 17$"):
        RegisterTask(PROGRAMS, 0, size=1, most=17)
    with pytest.raises(ValueError, match=r"^drills must be an integer of at least 0, got -1$"):
        RegisterTask(PROGRAMS, 0, size=1, most=4, drills=-1)
    with pytest.raises(ValueError, match=r"^count must be an integer in 1\.\.16, got 0$"):
        question(np.random.default_rng(0), PROGRAMS[0], 0)


def test_rows_of_one_length_become_arrays():
    batch = encoded([marked(["1", "<"], ["2"]), marked(["3"], [">", "4"])])
    assert batch["weights"].tolist() == [[0, 0, 1], [0, 1, 1]] and batch["tokens"].shape == (2, 3)
