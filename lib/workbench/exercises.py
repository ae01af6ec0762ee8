"""Exercises that check themselves: a stub, a checker that explains, a solution that runs through the same checker.

@exercise("one decode step")
def check(step):
    assert step(x).shape == x.shape, "the output must have the input's shape"

check(my_step)                    # the reader's cell: "correct" or "not yet: ...", never a traceback
check(my_step, required=True)     # the solution's cell: AssertionError when wrong, so that a test run notices
assert check.rejects(wrong_step)  # the checker is worth something
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from html import escape

import numpy as np

from lib.workbench.display import show
from lib.workbench.run import isolated_randomness

_LONGEST_REASON = 400


class Exercise:
    """A named task and its checker.

    `checker(answer)` returns None or True when the answer is right; it explains what is wrong by returning a sentence
    or by an `assert` with a message. It runs with random numbers from a fixed seed, and moves nobody else's.
    """

    def __init__(self, name: str, checker: Callable[[object], object]) -> None:
        if not callable(checker):
            raise TypeError(f"checker is a {type(checker).__name__}; allowed is a function of the answer")
        self.name, self.checker = name, checker

    def __repr__(self) -> str:
        return f"Exercise({self.name!r})"

    def __call__(self, answer: object, *, required: bool = False) -> None:
        """Show `correct` or `not yet` with the reason. With `required`, raise AssertionError when it is not correct."""
        reason = self.explain(answer)
        if reason is not None and required:
            raise AssertionError(f"{self.name}: {reason}")
        mark, colour, text = (
            ("\u2713", "#1b7f3b", "correct") if reason is None else ("\u2717", "#9a5b00", f"not yet: {reason}")
        )
        html = f'<p style="color:{colour}">{mark} <b>{escape(self.name)}</b>: {escape(text)}</p>'
        show({"text/plain": f"{self.name}: {text}", "text/html": html})

    def rejects(self, wrong_answer: object) -> bool:
        """True when the checker finds something wrong with the answer; shows nothing."""
        return self.explain(wrong_answer) is not None

    def explain(self, answer: object) -> str | None:
        """What is wrong with the answer, in a sentence, or None when it is correct."""
        try:
            with isolated_randomness():
                result = self.checker(answer)
        except NotImplementedError:
            return "still a stub"
        except AssertionError as error:
            return _one_line(str(error)) or f"this does not hold: {_failing_line(error)}"
        except Exception as error:  # the reader's code may raise anything
            return _one_line(f"the code raised {type(error).__name__} ({error}) at: {_failing_line(error)}")
        if result is None or (isinstance(result, bool | np.bool_) and result):
            return None
        if isinstance(result, str) and result.strip():
            return _one_line(result)
        if isinstance(result, bool | np.bool_ | str):
            return "the result is not right"
        raise TypeError(
            f"the checker of {self.name!r} returned a {type(result).__name__}; allowed are None, bool and str"
        )


def exercise(name_or_checker: str | Callable[[object], object]) -> Exercise | Callable[[Callable], Exercise]:
    """Make an exercise of a checker: `@exercise("its name")`, `@exercise`, or `exercise(checker)`."""
    if isinstance(name_or_checker, str):
        return lambda checker: Exercise(name_or_checker, checker)
    name = getattr(name_or_checker, "__name__", "exercise").removeprefix("check_").replace("_", " ")
    return Exercise(name, name_or_checker)


def _failing_line(error: BaseException) -> str:
    """The source line that raised, without its file: a path would be another on every machine."""
    frames = traceback.extract_tb(error.__traceback__)
    return (frames[-1].line or frames[-1].name) if frames else "unknown line"


def _one_line(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 3] + "..."
