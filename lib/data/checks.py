"""Checks of arguments that many generators share: each raises ValueError in one sentence, `x must be A, got B`."""

from __future__ import annotations

import numpy as np


def check_positive(**arguments: int) -> None:
    """Raise ValueError for the first argument that is not an integer of at least 1."""
    check_whole(1, **arguments)


def check_whole(least: int, most: float = float("inf"), /, **arguments: int) -> None:
    """Raise ValueError for the first argument that is not an integer from `least` to `most`."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
            allowed = f"of at least {least}" if most == float("inf") else f"in {least}..{most}"
            raise ValueError(f"{name} must be an integer {allowed}, got {value!r}")
