"""A setting that is tuned: a number or a word, or several of them in a tuple or under names in a dictionary."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np

Setting = float | str | tuple | dict


def setting_key(setting: Setting) -> str:
    """A setting as JSON: 0.001, [0.001, "rotary"], {"beta": 0.25, "lr": 0.001}.

    Raises ValueError for anything but finite numbers and words.
    """
    if not all(isinstance(part, str | int | float | np.number) for part in axes(setting).values()):
        raise ValueError(f"grid must hold numbers and words, alone or in a tuple or a dictionary, got {setting!r}")
    return json.dumps(setting, sort_keys=True, allow_nan=False, default=lambda number: number.item())


def read_setting(key: str) -> Setting:
    """What `setting_key` wrote."""
    setting = json.loads(key)
    return tuple(setting) if isinstance(setting, list) else setting


def axes(setting: Setting) -> dict[object, object]:
    """The parts of a setting, by name or by place."""
    if isinstance(setting, dict):
        return setting
    return dict(enumerate(setting)) if isinstance(setting, tuple) else {0: setting}


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def on_edge(best: Setting, tried: Iterable[Setting]) -> bool:
    """Whether `best` is the least or the greatest that was tried, along any axis of numbers that was varied."""
    for axis, value in axes(best).items():
        along = {axes(setting)[axis] for setting in tried if axis in axes(setting)}
        if is_number(value) and len(along) > 1 and value in (min(along), max(along)):
            return True
    return False


def place(setting: Setting) -> float | str:
    """Where a setting is drawn: its first number, or its words where it has none."""
    return next((value for value in axes(setting).values() if is_number(value)), words(setting))


def beside(setting: Setting) -> tuple[str, ...]:
    """The parts of a setting that `place` does not show."""
    parts = list(axes(setting).values())
    drawn = next((index for index, value in enumerate(parts) if is_number(value)), 0)
    return tuple(words(part) for index, part in enumerate(parts) if index != drawn)


def words(setting: Setting) -> str:
    """For people: 0.001 rotary; beta 0.25, lr 0.001."""
    if isinstance(setting, dict):
        return ", ".join(f"{axis} {words(value)}" for axis, value in setting.items())
    if isinstance(setting, tuple):
        return " ".join(map(words, setting))
    return f"{setting:g}" if is_number(setting) else str(setting)
