"""Global random numbers: seeded for a run, and set apart for what a reader tries."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's global generators (on every device)."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextlib.contextmanager
def isolated_randomness(seed: int = 0) -> Iterator[None]:
    """Inside, random numbers start from `seed`; afterwards the global generators stand where they stood before.

    Exercises and widgets run in it: whether and how often a reader tries them changes no later figure.
    """
    python, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            seed_everything(seed)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy_state)
