"""A progress line with the time left: one updating line in a terminal, one updating output in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm


class Meter(tqdm):
    """tqdm whose values are formatted only when a line is drawn, at most five times a second.

    A notebook keeps the last state of its output, so that a stored notebook shows one plain line.
    """

    monitor_interval = 0  # no watching thread

    def __init__(self, total: int, label: str = "", *, initial: int = 0, show: bool = True):
        self.values: dict[str, float] = {}
        self._output = _notebook_output() if show else None
        live = self._output is not None or (show and sys.stderr.isatty())
        super().__init__(
            total=total,
            desc=label or "training",
            initial=initial,
            disable=not live,
            unit="step",
            mininterval=0.2,
            dynamic_ncols=self._output is None,
            ncols=88 if self._output is not None else None,
            file=sys.stderr,
        )

    def advance(self, n: int = 1, **values: float) -> None:
        """`n` more steps are done; `values` are shown beside the time left."""
        self.values = values or self.values
        self.update(n)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        self.postfix = ", ".join(f"{name} {value:.4g}" for name, value in self.values.items()) or None
        if self._output is None:
            return super().display(msg, pos)
        self._output.update(_PlainText(str(self)))
        return True

    def close(self) -> None:
        if self._output is None or self.disable:
            super().close()
            return
        self.display()
        self._output, self.disable = None, True
        self._decr_instances(self)


@contextmanager
def progress(total: int, label: str = "", *, initial: int = 0, show: bool = True) -> Iterator[Meter]:
    """`with progress(steps, "hybrid") as meter: ... meter.advance(loss=2.3)`.

    Nothing is drawn with `show=False`, or where the output is neither a terminal nor a notebook.
    """
    meter = Meter(total, label, initial=initial, show=show)
    try:
        yield meter
    finally:
        meter.close()


class _PlainText:
    """What a notebook shows as it stands, without quotes."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _notebook_output():
    """A display to update when a notebook's kernel runs this, else None. IPython is never imported for it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display(_PlainText(""), display_id=True)
