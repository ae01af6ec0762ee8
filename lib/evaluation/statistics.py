"""How sure a figure is: an interval for a rate, an interval for a mean, and the spread over seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Interval:
    """An estimate between `low` and `high`."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True)
class SeedSummary:
    """Mean, smallest and largest of one value per seed."""

    mean: float
    min: float
    max: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.min:.3g}, {self.max:.3g}], {self.seeds} seed{'s' * (self.seeds != 1)}"


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval (1927) for a rate p = successes / trials.

        (p + z^2 / 2n ± z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Unlike p ± z sqrt(p (1 - p) / n) it stays in [0, 1] and has a width at 0 and at n successes.
    Raises ValueError when trials < 1, successes are not in 0..trials, or confidence is not in (0, 1).
    """
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must be in 0..trials = {trials}, got {successes}")
    z = NormalDist().inv_cdf((1 + _checked_confidence(confidence)) / 2)
    rate, spread = successes / trials, z * z / trials
    center = (rate + spread / 2) / (1 + spread)
    half = z * ((rate * (1 - rate) + spread / 4) / trials) ** 0.5 / (1 + spread)
    low = 0.0 if successes == 0 else max(0.0, center - half)
    high = 1.0 if successes == trials else min(1.0, center + half)
    return Interval(rate, low, high)


def bootstrap_mean(
    values: Iterable[float], confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """The mean with its percentile bootstrap interval (Efron 1979): means of samples drawn with replacement.

    With fewer than about ten values the interval is too narrow; show `seed_summary` instead.
    Raises ValueError without values, with one that is not finite, or when an argument is out of range.
    """
    values = _finite(values)
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    tail = (1 - _checked_confidence(confidence)) / 2
    rng = np.random.default_rng(seed)
    rows = max(1, 1_000_000 // len(values))  # samples held at once
    counts = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    means = np.concatenate(
        [values[rng.integers(0, len(values), (count, len(values)))].mean(axis=1) for count in counts]
    )
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def seed_summary(values: Iterable[float]) -> SeedSummary:
    """Mean, min and max of one value per seed. Raises ValueError without values or with one that is not finite."""
    values = _finite(values)
    return SeedSummary(float(values.mean()), float(values.min()), float(values.max()), len(values))


def _finite(values: Iterable[float]) -> np.ndarray:
    values = np.asarray(list(values), dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"values must be at least one number, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("values must be finite, got nan or infinity: count failed runs apart")
    return values


def _checked_confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    return confidence
