"""How sure a figure is: an interval for a rate, for a mean over seeds, and for a paired difference.

SciPy's statistics are imported on first use: they take a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """An estimate between `low` and `high`."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.3g} [{self.low:.3g}, {self.high:.3g}]"


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval (1927) for a rate p = successes / trials, z = Phi^-1((1 + confidence) / 2):

        (p + z^2 / 2n ± z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Unlike p ± z sqrt(p (1 - p) / n) it stays in [0, 1] and has a width at 0 and at n successes.
    Raises ValueError when trials < 1, successes are not in 0..trials, or confidence is not in (0, 1).
    """
    from scipy.stats import binomtest

    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must be in 0..trials = {trials}, got {successes}")
    span = binomtest(successes, trials).proportion_ci(_checked_confidence(confidence), method="wilson")
    return Interval(successes / trials, float(span.low), float(span.high))


def seed_interval(values: Iterable[float], confidence: float = 0.95) -> Interval:
    """The mean of one value per seed with Student's t interval (1908), s the values' standard deviation (n - 1):

        mean ± t_{n-1}((1 + confidence) / 2) s / sqrt(n)

    Right for few values if they are about normal; equal values give an interval of no width.
    Raises ValueError with fewer than two values, one that is not finite, or a confidence outside (0, 1).
    """
    from scipy.stats import t

    values = np.asarray(list(values), dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"values must be at least two numbers, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("values must be finite, got nan or infinity: count failed runs apart")
    quantile = float(t.ppf((1 + _checked_confidence(confidence)) / 2, len(values) - 1))
    mean, half = float(values.mean()), quantile * float(values.std(ddof=1)) / len(values) ** 0.5
    return Interval(mean, mean - half, mean + half)


def paired_interval(first: Iterable[float], second: Iterable[float], confidence: float = 0.95) -> Interval:
    """The mean of first - second with its t interval, for values of the same items or seeds in the same order.

    What makes an item hard for both falls out of the difference. Raises ValueError as `seed_interval` does, and when
    the counts differ.
    """
    first, second = (np.asarray(list(values), dtype=np.float64) for values in (first, second))
    if first.shape != second.shape:
        raise ValueError(f"second must have the shape of first {first.shape}, got {second.shape}")
    return seed_interval(first - second, confidence)


def _checked_confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    return confidence
