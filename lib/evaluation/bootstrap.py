"""How sure a figure over prompts is: draw the prompts anew, again and again (Efron 1979), their pictures with them.

Pictures of one prompt are alike, so they are no independent draws; prompts are. A difference between two models on the
same prompts is drawn in pairs: what makes a prompt hard for both falls out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lib.data.checks import check_positive
from lib.data.randomness import generator
from lib.evaluation.statistics import Interval


def bootstrap_interval(
    items: Any,
    measure: Callable[[Any], float],
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`measure(items)` between the percentiles (1 - confidence) / 2 and (1 + confidence) / 2 of `measure(items[rows])`,
    rows drawn with replacement.

    items: anything with a length that takes an array of row numbers: an array, `VisorScores`, `PromptScores`.
    Draws on which the measure is nan (no prompt with both objects) are left out.
    Raises ValueError with fewer than two items, where the measure is not finite on all of them, for resamples
    below 1 and a confidence outside (0, 1).
    """
    return _interval([items], lambda parts: measure(parts[0]), resamples, confidence, seed)


def paired_bootstrap(
    first: Any,
    second: Any,
    measure: Callable[[Any], float],
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`measure(first) - measure(second)` with its percentile interval, the same rows drawn for both.

    Row i of both must be of the same prompt. Raises ValueError as `bootstrap_interval` does, and when the lengths
    differ.
    """
    if len(first) != len(second):
        raise ValueError(f"second must have the length of first, {len(first)}, got {len(second)}")
    return _interval([first, second], lambda parts: measure(parts[0]) - measure(parts[1]), resamples, confidence, seed)


def _interval(
    parts: Sequence[Any], measure: Callable[[Sequence[Any]], float], resamples: int, confidence: float, seed: int
) -> Interval:
    count = len(parts[0])
    check_positive(resamples=resamples)
    if count < 2:
        raise ValueError(f"items must be at least two, got {count}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    estimate = float(measure(parts))
    if not math.isfinite(estimate):
        raise ValueError(f"measure must be finite on all items, got {estimate}")
    rng = generator(seed)
    drawn = np.empty(resamples)
    for draw in range(resamples):
        rows = rng.integers(0, count, count)
        drawn[draw] = measure([part[rows] for part in parts])
    if np.isnan(drawn).all():
        raise ValueError("measure must be defined on some draws, got nan on all")
    low, high = np.nanquantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(estimate, float(low), float(high))
