"""Each arm at its own best setting: a grid measured once, kept as evidence, drawn with its edges marked.

best(arm) = argmin over settings of the mean over seeds of measure(arm, setting, seed)      (or argmax)
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from lib.workbench.display import show
from lib.workbench.randomness import isolated_randomness
from lib.workbench.settings import Setting, beside, is_number, on_edge, place, read_setting, setting_key, words
from lib.workbench.tuning_file import TuningFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lib.workbench.run import Run

SERVING = "laptop"
"""The scale whose tables serve a scale that has none."""
Grid = Sequence[Setting] | Mapping[str, Sequence[Setting]] | Callable[[str], Sequence[Setting]]


class NotTuned(KeyError):
    """An arm has no setting; the sentence names the command that measures it."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, eq=False)
class Tuning(Mapping):
    """arm -> its best setting, in the order of the arms asked for; `rows` holds what was measured.

    `scale` is the scale at which it was measured, `missing` are arms that were not measured there: asking for one
    raises NotTuned, `get(arm, otherwise)` does not. `remedy` is the command that measures this scale.
    """

    name: str
    rows: Mapping[str, Mapping[str, Sequence[float]]]
    what: str
    best: str
    seeds: tuple[int, ...]
    date: str
    scale: str
    remedy: str
    missing: tuple[str, ...] = ()

    def __getitem__(self, arm: str) -> Setting:
        return read_setting(self._best_key(arm))

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def means(self, arm: str) -> dict[str, float]:
        """The mean over the seeds at each setting (as JSON), nan where a seed diverged."""
        if arm not in self.rows:
            raise _no_arm(self.name, arm, self.scale, self.remedy)
        return {key: float(np.mean(values)) for key, values in self.rows[arm].items()}

    def value(self, arm: str) -> float:
        """What was measured at the arm's best setting."""
        return self.means(arm)[self._best_key(arm)]

    @property
    def at_edge(self) -> tuple[str, ...]:
        """The arms whose best setting is the least or the greatest tried, along any axis that has numbers."""
        return tuple(arm for arm in self.rows if on_edge(self[arm], list(map(read_setting, self.rows[arm]))))

    def plot(
        self,
        ax: Axes,
        arms: Iterable[str] | None = None,
        *,
        title: str = "Each arm has its own best setting",
        x: str | None = "learning rate",
        legend: bool = True,
    ) -> Axes:
        """Every arm's means over its settings, its seeds as dots; a ring at the best, a square where it is at the edge.

        A setting of several axes is drawn along the first that has numbers, one line for each choice of the others.
        """
        from lib.workbench.plots import label_axes, model_style

        places = set()
        for position, arm in enumerate(self.rows if arms is None else arms):
            style, best = model_style(arm, position), self._best_key(arm)
            for choice, keys in _lines(self.rows[arm]).items():
                at = [place(read_setting(key)) for key in keys]
                look = style.line() | ({"alpha": 0.45} if best not in keys else {})
                ax.plot(at, [self.means(arm)[key] for key in keys], label=", ".join((arm, *choice)), **look)
                for where, key in zip(at, keys, strict=True):
                    seeds = self.rows[arm][key]
                    ax.plot([where] * len(seeds), seeds, ".", color=style.color, alpha=0.4, markersize=4)
                places.update(at)
            look = {"marker": "s" if arm in self.at_edge else "o", "markersize": 11, "markeredgewidth": 1.4}
            ax.plot(place(self[arm]), self.value(arm), markerfacecolor="none", color=style.color, **look)
        _ticks(ax, sorted(places))
        if legend:
            ax.legend()
        return label_axes(ax, title, x, self.what)

    def __str__(self) -> str:
        over = ", ".join(map(str, self.seeds))
        text = f"{self.name}: measured at {self.scale} scale on {self.date}, seed{'s' * (len(self.seeds) > 1)} {over}; "
        edges = ", ".join(f"{arm} ({words(self[arm])})" for arm in self.at_edge)
        text += f"best at the edge of the grid: {edges}" if edges else "no best setting is at the edge of its grid"
        if self.missing:
            text += f"; not measured: {', '.join(self.missing)}"
        return text + "."

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cells = [
            f"<tr><td>{escape(arm)}</td><td>{escape(words(self[arm]))}</td><td>{self.value(arm):.4g}</td>"
            f"<td>{'at the edge' if arm in self.at_edge else ''}</td></tr>"
            for arm in self.rows
        ]
        head = f"<tr><th>arm</th><th>best setting</th><th>{escape(self.what)}</th><th></th></tr>"
        return f"<table><caption>{escape(str(self))}</caption>{head}{''.join(cells)}</table>"

    def _best_key(self, arm: str) -> str:
        means = {key: mean for key, mean in self.means(arm).items() if math.isfinite(mean)}
        return (min if self.best == "min" else max)(means, key=means.get)  # the first of equals


def tuned(
    run: Run,
    name: str,
    arms: Iterable[str],
    grid: Grid,
    measure: Callable[[str, Setting, int], float],
    *,
    best: Callable = min,
    seeds: Sequence[int] = (100, 101),
    what: str = "validation loss (nats)",
) -> Tuning:
    """The best setting of each of `arms`, from the table `name` of the run's paper; shows where it was measured.

    grid: the settings to try, for all arms, or as a mapping or function from the arm. measure: (arm, setting, seed)
    -> the value, at the full budget. It is called only where the environment's WORKBENCH_TUNE is "1", "all" or names
    this table (names separated by commas), which is what `make tune` does. Global random numbers are left as they
    were. best: min or max. what: the value's name with its unit.

    Raises NotTuned for an arm that was never measured at this scale. Where this scale has no table, laptop's serves.
    """
    arms, direction = list(arms), _direction(best)
    file = TuningFile(run.root / "data" / "evidence" / f"{run.paper}-tuning.json")
    if _asked_for(name):
        head = {"what": what, "best": direction, "seeds": [int(seed) for seed in seeds]}
        _measure(file, run.scale, name, head, {arm: _settings(grid, arm) for arm in arms}, measure)
    scale = run.scale if file.table(run.scale, name) else SERVING
    remedy = f"make tune NB={run.paper.replace('-', '_')} NAMES={json.dumps(name)}"
    remedy += "" if run.scale == SERVING else f" SCALE={run.scale}"
    tuning = _read(file, scale, name, arms, direction, remedy)
    if tuning.missing and scale == run.scale:
        raise _no_arm(name, tuning.missing[0], scale, remedy)
    line = str(tuning)
    if scale != run.scale:
        line += f" It serves {run.scale} scale too; `{remedy}` would measure that."
    elif other := [arm for arm, row in tuning.rows.items() if set(row) != set(map(setting_key, _settings(grid, arm)))]:
        line += f" The notebook now names other settings for {', '.join(other)}."
    show({"text/plain": line, "text/html": f"<p>{escape(line)}</p>"})
    return tuning


def _read(file: TuningFile, scale: str, name: str, arms: list[str], direction: str, remedy: str) -> Tuning:
    """Of a stored table, the rows of `arms`."""
    table = file.table(scale, name)
    if table is None:
        raise NotTuned(f"tuning {name!r} was never measured: `{remedy}` does it")
    if table["best"] != direction:
        raise ValueError(f"best must be {table['best']}, as tuning {name!r} was measured, got {direction}")
    nan = float("nan")
    rows = {
        arm: {key: [nan if value is None else value for value in values] for key, values in table["rows"][arm].items()}
        for arm in arms
        if arm in table["rows"]
    }
    for arm, row in rows.items():
        if not any(math.isfinite(sum(values)) for values in row.values()):
            raise NotTuned(f"tuning {name!r}: every setting of {arm!r} diverged; try others by `{remedy}`")
    missing = tuple(arm for arm in arms if arm not in rows)
    return Tuning(name, rows, table["what"], direction, tuple(table["seeds"]), table["date"], scale, remedy, missing)


def _measure(file: TuningFile, scale: str, name: str, head: dict, grids: Mapping[str, Sequence], measure) -> None:
    """Measure every arm; the table replaces the old one when all are there.

    An interrupted measurement that asks for the same goes on after its last whole arm.
    """
    kept = file.unfinished(scale, name)
    rows = kept["rows"] if all(kept.get(part) == value for part, value in head.items()) else {}
    for number, (arm, settings) in enumerate(grids.items(), start=1):
        if list(rows.get(arm, ())) != list(map(setting_key, settings)):
            row = {}
            for setting in settings:
                values = [_value(measure, arm, setting, seed) for seed in head["seeds"]]
                row[setting_key(setting)] = values
                said = ", ".join("diverged" if value is None else f"{value:.4g}" for value in values)
                print(f"{name}, arm {number} of {len(grids)}: {arm} at {words(setting)}: {said}", flush=True)
            rows[arm] = row
            file.keep(scale, name, {**head, "rows": rows})
    date = datetime.now(UTC).date().isoformat()
    file.put(scale, name, {**head, "date": date, "rows": {arm: rows[arm] for arm in grids}})


def _value(measure: Callable, arm: str, setting: Setting, seed: int) -> float | None:
    """None for a training that diverged."""
    with isolated_randomness(seed):
        try:
            value = float(measure(arm, setting, seed))
        except FloatingPointError:
            return None
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _asked_for(name: str) -> bool:
    names = [part.strip() for part in os.environ.get("WORKBENCH_TUNE", "").split(",")]
    return names in (["1"], ["all"]) or name in names


def _direction(best: Callable | str) -> str:
    direction = {min: "min", max: "max"}.get(best, best)
    if direction not in ("min", "max"):
        raise ValueError(f"best must be min or max, got {best!r}")
    return direction


def _settings(grid: Grid, arm: str) -> list[Setting]:
    return list(grid(arm) if callable(grid) else grid[arm] if isinstance(grid, Mapping) else grid)


def _no_arm(name: str, arm: str, scale: str, remedy: str) -> NotTuned:
    return NotTuned(f"tuning {name!r} has no arm {arm!r} at {scale} scale: `{remedy}` measures it")


def _lines(row: Mapping[str, object]) -> dict[tuple[str, ...], list[str]]:
    """The keys of a row in the order of their places, a line for each choice of what stands beside."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for key in sorted(row, key=lambda key: place(read_setting(key))):
        lines.setdefault(beside(read_setting(key)), []).append(key)
    return lines


def _ticks(ax: Axes, places: list) -> None:
    """A logarithmic axis for rates; the settings themselves as ticks where there is room."""
    if not places or not all(map(is_number, places)):
        return
    if places[0] > 0:
        ax.set_xscale("log")
    if len(places) <= 8:
        ax.set_xticks(places, [f"{number:g}" for number in places])
        ax.minorticks_off()
