"""Controls that teach: sliders in a live front end, a labelled still of their initial values everywhere else.

A live cell holds one output with two alternatives, the widget's view and the still. JupyterLab shows the first;
GitHub, nbconvert and a saved notebook without widget state show the second; none shows both. A notebook executed by a
program (papermill, nbval, nbconvert --execute) holds the still alone: no widget is made, so no widget state is stored.
"""

from __future__ import annotations

import base64
import inspect
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from lib.workbench.display import show, somebody_watches
from lib.workbench.run import isolated_randomness

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FAST = 0.2
"""Seconds: a faster function follows the slider while it moves, a slower one waits for its release."""


def explore(function: Callable[..., object], /, **controls: object) -> Exploration:
    """Show `function(**values)` with one control for each of its arguments.

    A control is `(low, high)` or `(low, high, step)` for a slider, a list or a `{label: value}` dict for a choice, a
    bool for a checkbox, a str for a line of text, a boolean numpy matrix for a grid to paint on (the function gets
    its rows as tuples of bools). It starts at the default of the function's argument, else at the
    middle of the slider or the first choice. The function returns a matplotlib figure, HTML, or an object with
    `_repr_html_`; it sees random numbers from a fixed seed. `WORKBENCH_WIDGETS=live|still` overrides the detection.

    Shows the exploration once, and returns it: `view.set(layers=3)` moves a control and returns the new result.
    Raises ValueError or TypeError, in one sentence that names the control, when one is of another form.
    """
    defaults = {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
    made = {name: _control(name, form, defaults.get(name, inspect.Parameter.empty)) for name, form in controls.items()}
    if not made:
        raise ValueError("controls are empty; explore needs at least one, such as layers=(1, 32)")
    view = Exploration(function, made)
    view.show()
    return view


class Exploration:
    """The controls' `values`, the function's last `result`, and `widgets` by name while live (else empty)."""

    def __init__(self, function: Callable[..., object], controls: Mapping[str, _Control]) -> None:
        self._function, self._controls = function, dict(controls)
        self._values = {name: control.initial for name, control in self._controls.items()}
        self._box, self._moving = None, False
        self.widgets: dict[str, object] = {}
        started = time.perf_counter()
        self._call()
        self._quick = time.perf_counter() - started < _FAST
        self._still = self._draw_still()

    def __repr__(self) -> str:
        return f"Exploration({self._where()})"

    def _ipython_display_(self) -> None:
        """Nothing: `explore` has shown it, and as a cell's last expression it must not appear again."""

    @property
    def values(self) -> Mapping[str, object]:
        return MappingProxyType(self._values)

    @property
    def bundle(self) -> dict[str, object]:
        """The output of the cell: the still, and the widget's view beside it once there is one."""
        return {**self._still, **({} if self._box is None else _view_of(self._box))}

    def set(self, **values: object) -> object:
        """Move controls and return the function's new result. Raises ValueError for a value a control cannot take."""
        for name, value in values.items():
            if name not in self._controls:
                raise ValueError(f"{name!r} is not a control; the controls are {', '.join(self._controls)}")
            self._controls[name].check(name, value)
            if self._controls[name].grid is not None:
                values[name] = _rows_of(value)
        self._moving = True
        try:
            for name, value in values.items():
                if name in self.widgets:
                    self.widgets[name].value = value
        finally:
            self._moving = False
        self._values.update(values)
        self._recompute()
        return self.result

    def show(self) -> None:
        """Display it (again)."""
        if self._box is None and _live():
            self._build()
        show(self.bundle, self._still["text/plain"])

    def _call(self) -> None:
        """Compute the result; a figure is closed, lest the notebook show it a second time."""
        with isolated_randomness():
            self.result = self._function(**self._values)
        if (figure := _figure_of(self.result)) is not None:
            import matplotlib.pyplot as plt

            plt.close(figure)

    def _recompute(self) -> None:
        self._call()
        if self._box is not None:
            self._refresh()

    def _build(self) -> None:
        import ipywidgets

        for name, control in self._controls.items():
            widget = control.widget(name, self._values[name], self._quick)
            widget.observe(lambda change, name=name: self._moved(name, change["new"]), names="value")
            self.widgets[name] = widget
        self._box = ipywidgets.VBox([ipywidgets.VBox(list(self.widgets.values())), ipywidgets.HTML()])
        self._refresh()

    def _moved(self, name: str, value: object) -> None:
        """A front end moved a control: an error must be seen below it, not in a log."""
        if self._moving:
            return
        self._values[name] = value
        try:
            self._recompute()
        except Exception as error:
            import ipywidgets

            self.result = None
            message = escape(f"{self._where()}: {type(error).__name__}: {error}")
            self._box.children = (self._box.children[0], ipywidgets.HTML(f"<p>{message}</p>"))

    def _refresh(self) -> None:
        import ipywidgets

        kind, content = _rendered(self.result)
        shown = self._box.children[1]
        wanted = ipywidgets.Image if kind == "image/png" else ipywidgets.HTML
        if type(shown) is wanted:
            shown.value = content
        else:
            extra = {"format": "png", "layout": {"width": "max-content"}} if wanted is ipywidgets.Image else {}
            self._box.children = (self._box.children[0], wanted(value=content, **extra))

    def _draw_still(self) -> dict[str, object]:
        caption = f"Still at {self._where()}. In JupyterLab, run this cell to move the controls."
        kind, content = _rendered(self.result, caption)
        if kind == "image/png":
            return {"image/png": base64.b64encode(content).decode("ascii"), "text/plain": caption}
        return {"text/html": f"{content}<p><em>{escape(caption)}</em></p>", "text/plain": caption}

    def _where(self) -> str:
        return ", ".join(
            f"{_words(name)} = {self._controls[name].label(value)}" for name, value in self._values.items()
        )


@dataclass(frozen=True)
class _Control:
    """What ipywidgets needs to know, without making a widget yet (a widget opens its channel when it is made)."""

    initial: object
    low: float | None = None
    high: float | None = None
    step: float | None = None
    options: tuple[tuple[str, object], ...] | None = None
    grid: tuple[int, int] | None = None

    def check(self, name: str, value: object) -> None:
        if self.options is not None and not any(value == option for _, option in self.options):
            raise ValueError(f"{name} is {value!r}; allowed are {', '.join(label for label, _ in self.options)}")
        if self.low is not None and (isinstance(value, bool | str) or not self.low <= value <= self.high):
            raise ValueError(f"{name} is {value!r}; allowed is {self.low} to {self.high}")
        if self.grid is not None:
            if np.shape(value) != self.grid:
                raise ValueError(f"{name} has the shape {np.shape(value)}; allowed is {self.grid}")
            return
        if self.low is None and self.options is None and type(value) is not type(self.initial):
            raise ValueError(f"{name} is {value!r}; allowed is a {type(self.initial).__name__}")

    def label(self, value: object) -> str:
        for label, option in self.options or ():
            if option == value:
                return label
        if self.grid is not None:
            return f"{int(np.sum(value))} of {np.size(value)} painted"
        return f"{value:g}" if isinstance(value, float) else str(value)

    def widget(self, name: str, value: object, quick: bool) -> object:
        import ipywidgets

        look = {"description": _words(name), "style": {"description_width": "initial"}, "value": value}
        if self.options is not None:
            numbers = all(
                isinstance(option, int | float) and not isinstance(option, bool) for _, option in self.options
            )
            if numbers and len(self.options) > 2:
                return ipywidgets.SelectionSlider(options=self.options, continuous_update=quick, **look)
            return ipywidgets.Dropdown(options=self.options, **look)
        if self.low is not None:
            whole = all(isinstance(number, int) for number in (self.low, self.high, self.step, value))
            slider = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
            return slider(min=self.low, max=self.high, step=self.step, continuous_update=quick, **look)
        if self.grid is not None:
            return _painting(_words(name), value)
        if isinstance(self.initial, bool):
            return ipywidgets.Checkbox(**look)
        return ipywidgets.Text(continuous_update=False, **look)


def _control(name: str, form: object, default: object) -> _Control:
    given = default is not inspect.Parameter.empty
    if isinstance(form, Mapping | list):
        pairs = (
            form.items() if isinstance(form, Mapping) else ((_Control(None).label(option), option) for option in form)
        )
        options = tuple((str(label), option) for label, option in pairs)
        if not options:
            raise ValueError(f"{name} is {form!r}; a choice needs at least one option")
        control = _Control(default if given else options[0][1], options=options)
    elif isinstance(form, bool | str):
        return _Control(form)
    elif isinstance(form, np.ndarray) and form.ndim == 2 and form.dtype == bool and form.size:
        control = _Control(_rows_of(default if given else form), grid=form.shape)
    elif isinstance(form, tuple) and len(form) in (2, 3) and all(type(number) in (int, float) for number in form):
        low, high = form[:2]
        whole = all(isinstance(number, int) for number in form)
        step = form[2] if len(form) == 3 else (1 if whole else (high - low) / 20)
        if not (low < high and step > 0):
            raise ValueError(f"{name} is {form!r}; a slider needs low < high and step > 0")
        middle = low + step * int((high - low) / 2 / step)
        control = _Control(default if given else middle, low, high, step)
    else:
        forms = "(low, high[, step]), a list, a dict, a bool, a str and a boolean matrix"
        raise TypeError(f"{name} is {form!r}; allowed are {forms}")
    control.check(name, control.initial)
    return control


def _rows_of(matrix) -> tuple[tuple[bool, ...], ...]:
    return tuple(tuple(bool(cell) for cell in row) for row in matrix)


def _painting(description: str, value: tuple) -> object:
    """A grid of small toggle buttons with one `value`: rows of bools, dark where painted."""
    import ipywidgets
    import traitlets

    class Painting(ipywidgets.VBox):
        value = traitlets.Tuple()

        def __init__(self) -> None:
            self.setting = False
            side = {"width": "22px", "height": "22px", "margin": "0px", "padding": "0px"}
            self.cells = [[ipywidgets.ToggleButton(value=cell, layout=side) for cell in row] for row in value]
            buttons = [button for row in self.cells for button in row]
            layout = {"grid_template_columns": f"repeat({len(value[0])}, 23px)"}
            grid = ipywidgets.GridBox(buttons, layout=layout)
            super().__init__([ipywidgets.Label(description), grid], value=value)
            for button in buttons:
                self._paint(button)
                button.observe(self._clicked, names="value")

        @staticmethod
        def _paint(button) -> None:
            button.style.button_color = "#333333" if button.value else "#dddddd"

        def _clicked(self, change) -> None:
            self._paint(change["owner"])
            if self.setting:
                return
            self.value = tuple(tuple(button.value for button in row) for row in self.cells)

        @traitlets.observe("value")
        def _set(self, change) -> None:
            self.setting = True  # the buttons follow; the function is called once
            for row, wanted in zip(self.cells, change["new"], strict=True):
                for button, cell in zip(row, wanted, strict=True):
                    button.value = cell
            self.setting = False

    return Painting()


def _rendered(result: object, caption: str | None = None) -> tuple[str, object]:
    """(`image/png`, bytes) or (`text/html`, str)."""
    if (figure := _figure_of(result)) is not None:
        from lib.workbench.plots import to_png

        return "image/png", to_png(figure, caption)
    if isinstance(result, str):
        return "text/html", result if "<" in result else f"<pre>{escape(result)}</pre>"
    if hasattr(result, "_repr_html_"):
        return "text/html", result._repr_html_()
    raise TypeError(f"the function returned a {type(result).__name__}; allowed are a figure, HTML and text")


def _figure_of(result: object) -> Figure | None:
    """The matplotlib figure that the function returned, itself or as its axes."""
    figure = result if hasattr(result, "savefig") else getattr(result, "figure", None)
    return figure if hasattr(figure, "savefig") else None


def _view_of(box: object) -> dict[str, object]:
    mime = "application/vnd.jupyter.widget-view+json"
    return {mime: {"version_major": 2, "version_minor": 0, "model_id": box.model_id}}


def _live() -> bool:
    choice = os.environ.get("WORKBENCH_WIDGETS", "auto")
    if choice not in ("auto", "live", "still"):
        raise ValueError(f"WORKBENCH_WIDGETS is {choice!r}; allowed are auto, live and still")
    return somebody_watches() if choice == "auto" else choice == "live"


def _words(name: str) -> str:
    return name.replace("_", " ")
