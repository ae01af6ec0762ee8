"""What a window of W bits is: its value in 16-bit digits, the table of its first symbol, the arguments allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from lib.data.coding.arithmetic_coder import PRECISION, TOTAL
from lib.data.coding.byte_models import ByteModel

MODES = ("greedy", "delay", "pad")
FRAME, LIMB = 48, 16
"""Bits in which an interval lives, and bits by which the frame moves on."""
ESCAPE, NO_TEXT = -1, 0
"""What `parse_windows` gives for a length where a window holds no text."""


@dataclass(frozen=True)
class Windows:
    """The windows of one text, one row each.

    `digits`: the value in 16-bit digits, its W bits first and zeros behind them. `lengths`: bytes of text; an escape
    has 0 and the byte behind it 1. `used`: bits of the shortest code, what the window would have needed.
    """

    digits: Int[np.ndarray, "windows digits"]
    lengths: Int[np.ndarray, " windows"]
    used: Int[np.ndarray, " windows"]

    def __len__(self) -> int:
        return len(self.lengths)


def start_table(model: ByteModel, window: int) -> Int[np.ndarray, " symbols_plus_2"]:
    """The table of a window's first symbol, in which every entry that is not empty has a code of `window` bits.

    A symbol below 2^(1 - W), which might have none, is left to the escape together with its share; where that is
    nothing, the escape's own share comes from the most probable symbol, or is the rarest one's.
    """
    counts = np.diff(model.tables(model.start(1))[0])
    known, unit = counts[:-1], 1 << max(0, PRECISION + 1 - window)
    small = known < unit
    counts[-1] += known[small].sum()
    known[small] = 0
    missing = unit - counts[-1]
    if missing > 0:
        best = known.argmax()
        place, taken = best, missing
        if known[best] - missing < unit:
            place = np.where(known > 0, known, TOTAL).argmin()
            taken = known[place]
        known[place] -= taken
        counts[-1] += taken
    return np.concatenate([[0], counts.cumsum()])


def check_window(
    window: int, mode: str = "pad", longest: int = 64, *, reset_every: int = 1, padding: str = "zero"
) -> None:
    """What every function below takes. Raises ValueError in one sentence for what is not allowed."""
    if not 8 <= window <= 1024:
        raise ValueError(f"window must be 8..1024 bits, got {window}")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if mode == "delay" and window > FRAME:
        raise ValueError(f"window must be at most {FRAME} bits with mode 'delay', got {window}")
    if mode != "greedy" and (reset_every != 1 or padding != "zero"):
        raise ValueError(
            f"mode must be 'greedy' where reset_every is not 1 or padding is random, got {mode!r} with {reset_every} "
            f"and {padding!r}"
        )
    if padding not in ("zero", "random") or longest < 1 or reset_every < 0:
        raise ValueError(
            "padding must be 'zero' or 'random', longest at least 1 and reset_every at least 0, "
            f"got {padding!r}, {longest} and {reset_every}"
        )
    if reset_every != 1 and window < PRECISION + 2:
        raise ValueError(f"window must be at least {PRECISION + 2} bits without a reset, got {window}")
