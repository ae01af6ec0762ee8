"""Checks of arguments that many generators share: each raises ValueError in one sentence, `x must be A, got B`."""

from __future__ import annotations

import numpy as np


def check_positive(**arguments: int) -> None:
    """Raise ValueError for the first argument that is not an integer of at least 1."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
