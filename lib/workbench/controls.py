"""The forms of a control: what it allows, what it is called, and its ipywidget once somebody can move it.

`slider(0, 3, 0.1, label="step of the first token", unit="s")`, `choice`, `switch`, `text` and `grid` name their label
and unit; a bare `(0, 3, 0.1)`, list, dict, bool, str or boolean matrix is called like the function's argument.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

TRACK, READOUT = 320, 100
"""Pixels: a slider's track, and the number beside it."""


@dataclass(frozen=True)
class Control:
    """A control without its widget (a widget opens its channel when it is made); `name` is the function's argument."""

    initial: object
    low: float | None = None
    high: float | None = None
    step: float | None = None
    options: tuple[tuple[str, object], ...] | None = None
    size: tuple[int, int] | None = None
    label: str | None = None
    unit: str | None = None
    name: str = ""

    @property
    def words(self) -> str:
        """What the reader calls it."""
        return self.label or self.name.replace("_", " ")

    @property
    def description(self) -> str:
        return f"{self.words} ({self.unit})" if self.unit else self.words

    def check(self, value: object) -> None:
        """Raise ValueError unless the control can take the value."""
        name = self.name
        if self.options is not None and not any(value == option for _, option in self.options):
            raise ValueError(f"{name} must be one of {', '.join(label for label, _ in self.options)}, got {value!r}")
        if self.low is not None and (isinstance(value, bool | str) or not self.low <= value <= self.high):
            raise ValueError(f"{name} must be between {self.low} and {self.high}, got {value!r}")
        if self.size is not None:
            if np.shape(value) != self.size:
                raise ValueError(f"{name} must have the shape {self.size}, got {np.shape(value)}")
            return
        if self.low is None and self.options is None and type(value) is not type(self.initial):
            raise ValueError(f"{name} must be a {type(self.initial).__name__}, got {value!r}")

    def says(self, value: object) -> str:
        """The value in the reader's words: "step of the first token = 0.5 s"."""
        return f"{self.words} = {self._shown(value)}{f' {self.unit}' if self.unit else ''}"

    def _shown(self, value: object) -> str:
        for label, option in self.options or ():
            if option == value:
                return label
        if self.size is not None:
            return f"{int(np.sum(value))} of {np.size(value)} painted"
        return f"{value:g}" if isinstance(value, float) else str(value)

    def widget(self, value: object, quick: bool, column: int) -> object:
        """The ipywidget; `column` is the width of all descriptions, `quick` that it follows while it is moved."""
        import ipywidgets

        width = f"{column + TRACK + READOUT}px"
        look = {
            "description": self.description,
            "style": {"description_width": f"{column}px"},
            "layout": {"width": width, "max_width": "100%"},
            "value": value,
        }
        if self.options is not None:
            if self._is_scale:
                return ipywidgets.SelectionSlider(options=self.options, continuous_update=quick, **look)
            return ipywidgets.Dropdown(options=self.options, **look)
        if self.low is not None:
            whole = all(isinstance(number, int) for number in (self.low, self.high, self.step, value))
            limits = {"min": self.low, "max": self.high, "step": self.step, "continuous_update": quick}
            if whole:
                return ipywidgets.IntSlider(**limits, **look)
            return ipywidgets.FloatSlider(readout_format=f".{_decimals(self.step)}f", **limits, **look)
        if self.size is not None:
            from lib.workbench.painting import painting

            return painting(self.description, value)
        if isinstance(self.initial, bool):
            return ipywidgets.Checkbox(indent=True, **look)
        return ipywidgets.Text(continuous_update=False, **look)

    @property
    def _is_scale(self) -> bool:
        """Three numbers or more: a slider shows that they are in order."""
        values = [option for _, option in self.options]
        return len(values) > 2 and all(type(value) in (int, float) for value in values)


def slider(
    low: float, high: float, step: float | None = None, *, label: str | None = None, unit: str | None = None
) -> Control:
    """A slider from `low` to `high`; whole numbers go by 1, others by a twentieth unless `step` says otherwise."""
    numbers = (low, high) if step is None else (low, high, step)
    if not all(type(number) in (int, float) for number in numbers):
        raise TypeError(f"low, high and step must be numbers, got {numbers!r}")
    whole = all(isinstance(number, int) for number in numbers)
    step = step if step is not None else (1 if whole else (high - low) / 20)
    if not (low < high and step > 0):
        raise ValueError(f"a slider must have low < high and step > 0, got {numbers!r}")
    middle = low + step * int((high - low) / 2 / step)
    return Control(middle, low, high, step, label=label, unit=unit)


def choice(
    options: Sequence[object] | Mapping[str, object], *, label: str | None = None, unit: str | None = None
) -> Control:
    """One of some values, or of `{label: value}`."""
    named = options.items() if isinstance(options, Mapping) else ((Control(None)._shown(o), o) for o in options)
    pairs = tuple((str(name), option) for name, option in named)
    if not pairs:
        raise ValueError(f"a choice must have at least one option, got {options!r}")
    return Control(pairs[0][1], options=pairs, label=label, unit=unit)


def switch(initial: bool = False, *, label: str | None = None) -> Control:
    """A checkbox."""
    return Control(bool(initial), label=label)


def text(initial: str = "", *, label: str | None = None) -> Control:
    """A line of text; the function says in a ValueError what it cannot take."""
    return Control(str(initial), label=label)


def grid(initial: np.ndarray, *, label: str | None = None) -> Control:
    """A grid to paint on, from a boolean matrix; the function gets its rows as tuples of bools."""
    matrix = np.asarray(initial)
    if matrix.ndim != 2 or matrix.dtype != bool or not matrix.size:
        raise TypeError(f"initial must be a boolean matrix, got shape {matrix.shape} of {matrix.dtype}")
    return Control(rows_of(matrix), size=matrix.shape, label=label)


def control_of(name: str, form: object, default: object = inspect.Parameter.empty) -> Control:
    """The control for the argument `name`, starting at the argument's default where it has one."""
    made = replace(_of_form(name, form), name=name)
    if default is not inspect.Parameter.empty and not (isinstance(form, bool | str)):
        made = replace(made, initial=rows_of(default) if made.size is not None else default)
    made.check(made.initial)
    return made


def rows_of(matrix) -> tuple[tuple[bool, ...], ...]:
    """A matrix as rows of bools, which a widget can hold and compare."""
    return tuple(tuple(bool(cell) for cell in row) for row in matrix)


def _of_form(name: str, form: object) -> Control:
    try:
        if isinstance(form, Control):
            return form
        if isinstance(form, Mapping | list):
            return choice(form)
        if isinstance(form, bool):
            return switch(form)
        if isinstance(form, str):
            return text(form)
        if isinstance(form, np.ndarray):
            return grid(form)
        if isinstance(form, tuple) and len(form) in (2, 3):
            return slider(*form)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None
    forms = "(low, high[, step]), a list, a dict, a bool, a str, a boolean matrix and what lib.workbench.controls makes"
    raise TypeError(f"{name} must be one of {forms}, got {form!r}")


def _decimals(step: float) -> int:
    """Digits after the point that tell two neighbouring values apart."""
    return next((digits for digits in range(6) if abs(round(step, digits) - step) < 1e-9), 6)
