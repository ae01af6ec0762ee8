"""Exercises that check themselves: a stub, a checker that explains, a solution that runs through the same checker.

@exercise("one decoding step", returns=(Tensor, Tensor))
def step(answer):
    assert answer(x)[0].shape == x.shape, "the state must keep its shape"

check.step(my_step)                           # the reader's cell: "correct" or "not yet: ...", never a traceback
check.step(step_solution, required=True)      # the solution's cell: AssertionError when wrong, so that a test notices
"""

from __future__ import annotations

import functools
import inspect
import linecache
import re
import traceback
from collections.abc import Callable, Sequence
from html import escape
from numbers import Integral, Real
from types import CodeType

import numpy as np

from lib.workbench.display import show, theme
from lib.workbench.randomness import isolated_randomness

_LONGEST_REASON = 400
Kind = type | tuple
"""What an answer returns: a type, or a tuple of types for so many values."""


class Exercise:
    """A named task and its checker.

    `checker(answer)` returns None or True when the answer is right. It explains what is wrong by returning a sentence
    or by an `assert` with a message. `returns` is what the answer's function must return: `Tensor`, `float`, `list`, or
    a tuple of such types for several values (`float` takes every real number, `int` every whole one, of numpy and torch
    as well; `Sequence` takes lists, tuples, arrays and tensors). It runs with random numbers from a fixed seed, and
    moves nobody else's.
    """

    def __init__(self, name: str, checker: Callable[[object], object], *, returns: Kind | None = None) -> None:
        if not callable(checker):
            raise TypeError(f"checker must be a function of the answer, got a {type(checker).__name__}")
        self.name, self.checker, self.returns = name, checker, returns

    def __repr__(self) -> str:
        return f"Exercise({self.name!r})"

    def __call__(self, answer: object, *, required: bool = False) -> None:
        """Show `correct` or `not yet` with the reason. With `required`, for a solution, raise AssertionError instead.

        Raises AssertionError, in one sentence, when a required answer is not correct.
        """
        reason = self.explain(answer)
        name = f"{self.name} (solution)" if required else self.name
        if reason is not None and required:
            raise AssertionError(f"{name}: {reason}")
        mark, colour, text = (
            ("\u2713", "success", "correct") if reason is None else ("\u2717", "warning", f"not yet: {reason}")
        )
        html = f'<p style="color:{theme(colour)}">{mark} <b>{escape(name)}</b>: {escape(text)}</p>'
        show({"text/plain": f"{name}: {text}", "text/html": html})

    def rejects(self, wrong_answer: object) -> bool:
        """True when the checker finds something wrong with the answer; shows nothing."""
        return self.explain(wrong_answer) is not None

    def explain(self, answer: object) -> str | None:
        """What is wrong with the answer, in a sentence, or None when it is correct."""
        watched = _Watched(answer, self.returns) if inspect.isfunction(answer) else answer
        try:
            with isolated_randomness():
                result = self.checker(watched)
        except NotImplementedError:
            return "still a stub"
        except _AnswerRaised as error:
            return _one_line(str(error))
        except AssertionError as error:
            return _one_line(str(error)) or f"this does not hold: {_failing_line(error)}"
        except Exception as error:  # what the answer returned was of a form that the checker cannot work with
            return _one_line(_of_the_checker(watched, error))
        if result is None or (isinstance(result, bool | np.bool_) and result):
            return None
        if isinstance(result, str) and result.strip():
            return _one_line(result)
        if isinstance(result, bool | np.bool_ | str):
            return "the result is not right"
        raise TypeError(f"the checker of {self.name!r} must return None, bool or str, got a {type(result).__name__}")


def exercise(name: str, *, returns: Kind | None = None) -> Callable[[Callable], Exercise]:
    """Make an exercise of the checker below it: `@exercise("its name", returns=Tensor)`."""
    if not isinstance(name, str):
        raise TypeError(f"name must be the exercise's name, as in @exercise('the mask'), got a {type(name).__name__}")
    return lambda checker: Exercise(name, checker, returns=returns)


class _AnswerRaised(Exception):
    """The reader's function could not be called, raised, or returned something of another form than asked for."""


class _Watched:
    """The reader's function, with the beginner's slips told apart: arguments, an error inside it, a missing return."""

    def __init__(self, function: Callable, returns: Kind | None) -> None:
        functools.update_wrapper(self, function)
        self.function, self.returns, self.last = function, returns, None

    def __call__(self, *arguments: object, **named: object) -> object:
        self._check_arguments(arguments, named)
        try:
            self.last = self.function(*arguments, **named)
        except (NotImplementedError, AssertionError):
            raise
        except Exception as error:
            line = _failing_line(error, of=self.function.__code__)
            raise _AnswerRaised(f"your function raised {type(error).__name__} ({error}) at: {line}") from error
        if self.last is None and self.returns is not None:
            raise _AnswerRaised("your function returns nothing: is a `return` missing?")
        if self.returns is not None and not _is_a(self.last, self.returns):
            raise _AnswerRaised(f"your function must return {_wanted(self.returns)}, got {_described(self.last)}")
        return self.last

    def _check_arguments(self, arguments: tuple, named: dict) -> None:
        try:
            inspect.signature(self.function).bind(*arguments, **named)
        except TypeError:
            given = len(arguments) + len(named)
            names = ", ".join(inspect.signature(self.function).parameters) or "no arguments"
            raise _AnswerRaised(f"your function is called with {given} arguments and takes {names}") from None


def _of_the_checker(watched: object, error: Exception) -> str:
    returned = f"your function returned {_described(watched.last)}" if isinstance(watched, _Watched) else "your answer"
    return f"{returned}, which cannot be checked: {type(error).__name__} ({error})"


def _is_a(value: object, kind: Kind) -> bool:
    if isinstance(kind, tuple):
        return isinstance(value, tuple | list) and len(value) == len(kind) and all(map(_is_a, value, kind))
    if kind in (int, float):
        if hasattr(value, "item") and getattr(value, "shape", None) == ():
            value = value.item()
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    if kind is Sequence:
        return isinstance(value, list | tuple | range) or getattr(value, "ndim", 0) > 0
    return isinstance(value, kind)


def _wanted(kind: Kind) -> str:
    if isinstance(kind, tuple):
        return f"{len(kind)} values ({', '.join(_wanted(part) for part in kind)})"
    words = {int: "a whole number", float: "a number", Sequence: "a list", bool: "True or False", str: "a text"}
    return words.get(kind) or f"a {kind.__name__}"


def _described(value: object) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if hasattr(value, "shape"):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__} ({_shortened(repr(value), 60)})"


def _failing_line(error: BaseException, of: CodeType | None = None) -> str:
    """The source line that raised, the last one inside the function `of` where there is one; never a file's name."""
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [(frame, number) for frame, number in frames if of is not None and frame.f_code.co_filename == of.co_filename]
    frame, number = (own or frames)[-1]
    return linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip() or frame.f_code.co_name


def _one_line(text: str) -> str:
    return _shortened(re.sub(r"\s+", " ", text).strip(), _LONGEST_REASON)


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 3] + "..."
