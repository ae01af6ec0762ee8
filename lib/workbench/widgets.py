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
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING

from lib.workbench.controls import Control, choice, control_of, grid, rows_of, slider, switch, text
from lib.workbench.display import Table, is_interactive, show, theme
from lib.workbench.randomness import isolated_randomness

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Exploration", "choice", "explore", "grid", "slider", "switch", "text"]

_FAST = 0.2
"""Seconds: a faster function follows the slider while it moves, a slower one waits for its release and says so."""


def explore(function: Callable[..., object], /, **controls: object) -> Exploration:
    """Show `function(**values)` with one control for each of its arguments.

    A control is `slider(low, high, step, label="...", unit="s")`, `choice`, `switch`, `text` or `grid`; or, called like
    the argument, `(low, high)` or `(low, high, step)` for a slider, a list or a `{label: value}` dict for a choice, a
    bool for a checkbox, a str for a line of text, a boolean numpy matrix for a grid to paint on (the function gets
    its rows as tuples of bools). It starts at the default of the function's argument, else at the
    middle of the slider or the first choice. `WORKBENCH_WIDGETS=live|still` overrides the detection.

    The function returns a matplotlib figure, HTML, or an object with `_repr_html_`; it sees random numbers from a fixed
    seed. It fixes its axes (`ax.set_ylim(0, 1)`), so that two positions of a slider can be compared. A ValueError is
    shown as its sentence, and the last picture stays.

    Shows the exploration once, and returns it: `view.set(layers=3)` moves a control and returns the new result.
    Raises ValueError or TypeError, in one sentence that names the control, when one is of another form.
    """
    defaults = {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
    made = {
        name: control_of(name, form, defaults.get(name, inspect.Parameter.empty)) for name, form in controls.items()
    }
    if not made:
        raise ValueError("controls must be at least one, such as layers=(1, 32), got none")
    view = Exploration(function, made)
    view.show()
    return view


class Exploration:
    """The controls' `values`, the function's last `result`, and `widgets` by name while live (else empty)."""

    def __init__(self, function: Callable[..., object], controls: Mapping[str, Control]) -> None:
        self._function, self._controls = function, dict(controls)
        self._values = {name: control.initial for name, control in self._controls.items()}
        self._box, self._moving = None, False
        self.widgets: dict[str, object] = {}
        self._call()
        self._still, self._alternative = self._draw_still()

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
                raise ValueError(f"controls must be among {', '.join(self._controls)}, got {name!r}")
            self._controls[name].check(value)
            if self._controls[name].size is not None:
                values[name] = rows_of(value)
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

    def reset(self) -> object:
        """Move every control back to where it started."""
        return self.set(**{name: control.initial for name, control in self._controls.items()})

    def show(self) -> None:
        """Display it (again)."""
        if self._box is None and _live():
            self._build()
        show(self.bundle, self._alternative)

    def _call(self) -> None:
        """Compute the result; a figure is closed, lest the notebook show it a second time."""
        started = time.perf_counter()
        with isolated_randomness():
            self.result = self._function(**self._values)
        if (figure := _figure_of(self.result)) is not None:
            import matplotlib.pyplot as plt

            plt.close(figure)
        self._quick = time.perf_counter() - started < _FAST

    def _recompute(self) -> None:
        if self._box is None:
            self._call()
            return
        if not self._quick:
            self._say("computing ...", "muted")
        self._call()
        self._refresh()
        self._say("")

    def _build(self) -> None:
        import ipywidgets

        column = min(300, 24 + 7 * max(len(control.description) for control in self._controls.values()))
        for name, control in self._controls.items():
            widget = control.widget(self._values[name], self._quick, column)
            widget.observe(lambda change, name=name: self._attempt(**{name: change["new"]}), names="value")
            self.widgets[name] = widget
        reset = ipywidgets.Button(description="Reset", tooltip="every control back to its start")
        reset.layout = {"width": "80px", "margin": f"2px 8px 2px {column + 8}px"}
        reset.on_click(lambda _: self._attempt(**{name: control.initial for name, control in self._controls.items()}))
        self._status = ipywidgets.HTML()
        controls = ipywidgets.VBox(list(self.widgets.values()))
        bar = ipywidgets.HBox([reset, self._status])
        self._box = ipywidgets.VBox([controls, bar, _shown_as(self.result)])

    def _attempt(self, **values: object) -> None:
        """A front end moved a control: an error must be seen beside it, not in a log; the last picture stays."""
        if self._moving:
            return
        last = self.result
        try:
            self.set(**values)
        except Exception as error:
            self.result = last
            reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            self._say(f"{self._where()}: {reason}", "error")

    def _say(self, words: str, tone: str = "muted") -> None:
        self._status.value = f'<span role="status" style="color:{theme(tone)}">{escape(words)}</span>' if words else ""

    def _refresh(self) -> None:
        """Put the result in the place of the last one; an image stays where it is and is given its new pixels."""
        self._box.children = (*self._box.children[:2], _shown_as(self.result, self._shown))

    @property
    def _shown(self) -> object:
        return self._box.children[2]

    def _draw_still(self) -> tuple[dict[str, object], str]:
        """The still's forms, and what it shows in words."""
        caption = f"Still at {self._where()}. In JupyterLab, run this cell to move the controls."
        kind, content = _rendered(self.result, caption)
        if kind == "image/png":
            from lib.workbench.plots import alt_text

            alternative = f"{alt_text(_figure_of(self.result))} {caption}"
            return {"image/png": base64.b64encode(content).decode("ascii"), "text/plain": caption}, alternative
        plain = f"{self.result.plain}\n{caption}" if isinstance(self.result, Table) else caption
        return {"text/html": f"{content}<p><em>{escape(caption)}</em></p>", "text/plain": plain}, caption

    def _where(self) -> str:
        return ", ".join(self._controls[name].says(value) for name, value in self._values.items())


def _shown_as(result: object, last: object = None) -> object:
    """The widget that shows a result: the `last` one, renewed, where it is of the same kind."""
    import ipywidgets

    kind, content = _rendered(result)
    wanted = ipywidgets.Image if kind == "image/png" else ipywidgets.HTML
    state = {"value": content}
    if wanted is ipywidgets.Image:
        from lib.workbench.plots import shown_size

        state["format"] = "png"  # and no tooltip: with one, ipywidgets 8.1's image has no view
        width = f"{shown_size(content)['width']}px"
        if type(last) is not wanted or last.layout.width != width:
            state["layout"] = ipywidgets.Layout(width=width, max_width="100%")
    if type(last) is not wanted:
        return wanted(**state)
    with last.hold_sync():
        for name, value in state.items():
            setattr(last, name, value)
    return last


def _rendered(result: object, caption: str | None = None) -> tuple[str, object]:
    """(`image/png`, bytes) or (`text/html`, str)."""
    if (figure := _figure_of(result)) is not None:
        from lib.workbench.plots import to_png

        return "image/png", to_png(figure, caption)
    if isinstance(result, str):
        return "text/html", result if "<" in result else f"<pre>{escape(result)}</pre>"
    if hasattr(result, "_repr_html_"):
        return "text/html", result._repr_html_()
    raise TypeError(f"the function must return a figure, HTML or text, got a {type(result).__name__}")


def _figure_of(result: object) -> Figure | None:
    """The matplotlib figure that the function returned, itself or as its axes."""
    figure = result if hasattr(result, "savefig") else getattr(result, "figure", None)
    return figure if hasattr(figure, "savefig") else None


def _view_of(box: object) -> dict[str, object]:
    mime = "application/vnd.jupyter.widget-view+json"
    return {mime: {"version_major": 2, "version_minor": 0, "model_id": box.model_id}}


def _live() -> bool:
    mode = os.environ.get("WORKBENCH_WIDGETS", "auto")
    if mode not in ("auto", "live", "still"):
        raise ValueError(f"WORKBENCH_WIDGETS must be auto, live or still, got {mode!r}")
    return is_interactive() if mode == "auto" else mode == "live"
