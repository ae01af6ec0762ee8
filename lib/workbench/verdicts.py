"""Verdicts as values: a comparison that keeps what was measured and what was wanted.

    at_least(x, t)         x >= t
    at_most(x, t)          x <= t
    beats(x, y, by=m)      d = x - y (with lower=True: y - x); True for d >= m, False for d <= -m, None between
    within(x, c, tol)      |x - c| <= tol
    is_true(flag)          an exact fact
    all_of(p, q, ...)      True when all are, False when any is, else None

Each answers `.holds` (True, False, or None for "not shown"), `.text` in short English, and `.to_json()`. The same rule
that judges one run judges an interval over seeds: `judge(low, high)` is True when the whole interval lies on the
claimed side, False when it lies wholly on the other side, None otherwise (see `lib.workbench.evidence`).
A measured value that is None or not finite shows nothing: `.holds` is None.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from numbers import Integral, Real
from typing import ClassVar


@dataclass(frozen=True)
class Predicate(ABC):
    """What all six have in common; `name` tells parts of a conjunction apart, `fmt` writes the numbers."""

    _: KW_ONLY
    name: str = ""
    fmt: str = "{:.4g}"
    test: ClassVar[str]

    @property
    @abstractmethod
    def holds(self) -> bool | None:
        """True, False, or None for "not shown"."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The value and what was wanted of it."""

    @property
    def parts(self) -> tuple[Predicate, ...]:
        """The elementary predicates."""
        return (self,)

    def to_json(self) -> dict[str, object]:
        """Plain JSON; `from_json` is its inverse."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        optional = {"name": "", "fmt": "{:.4g}"}
        return {"test": self.test} | {key: value for key, value in own.items() if value != optional.get(key, math.nan)}

    def _labelled(self, text: str) -> str:
        return f"{self.name}: {text}" if self.name else text


@dataclass(frozen=True)
class Comparison(Predicate):
    """A predicate about one number, `position`, which is held against fixed limits."""

    @property
    @abstractmethod
    def position(self) -> float | None:
        """The number that is compared; None when nothing finite was measured."""

    @property
    @abstractmethod
    def wanted(self) -> str:
        """What was wanted of the value, such as `at least 0.9`."""

    @property
    @abstractmethod
    def claimed(self) -> tuple[float, float]:
        """The claimed side, from and to."""

    @property
    @abstractmethod
    def terms(self) -> tuple[float, ...]:
        """The numbers that were fixed before looking; a record with other terms is evidence for another claim."""

    @abstractmethod
    def judge(self, low: float, high: float, margin: float = 0.0) -> bool | None:
        """True when [low, high] lies wholly on the claimed side, False when wholly on the other, else None.

        `margin` is a share of the threshold by which either side has to be reached.
        """

    @property
    def reading(self) -> float | None:
        """The number that sentences quote: the measured value, for `beats` the difference."""
        return self.position

    @property
    def holds(self) -> bool | None:
        return None if self.position is None else self.judge(self.position, self.position)

    @property
    def text(self) -> str:
        said = "no finite value" if self.position is None else self._measured()
        return self._labelled(f"{said}, wanted {self.wanted}")

    def _measured(self) -> str:
        return self.fmt.format(self.reading)


@dataclass(frozen=True)
class AtLeast(Comparison):
    value: float | None
    threshold: float
    test: ClassVar[str] = "at_least"

    @property
    def position(self) -> float | None:
        return self.value

    @property
    def wanted(self) -> str:
        return f"{self.test.replace('_', ' ')} {self.fmt.format(self.threshold)}"

    @property
    def claimed(self) -> tuple[float, float]:
        return self.threshold, math.inf

    @property
    def terms(self) -> tuple[float, ...]:
        return (self.threshold,)

    def judge(self, low: float, high: float, margin: float = 0.0) -> bool | None:
        room = margin * abs(self.threshold)
        return True if low >= self.threshold + room else False if high < self.threshold - room else None


@dataclass(frozen=True)
class AtMost(AtLeast):
    test: ClassVar[str] = "at_most"

    @property
    def claimed(self) -> tuple[float, float]:
        return -math.inf, self.threshold

    def judge(self, low: float, high: float, margin: float = 0.0) -> bool | None:
        room = margin * abs(self.threshold)
        return True if high <= self.threshold - room else False if low > self.threshold + room else None


@dataclass(frozen=True)
class Beats(Comparison):
    value: float | None
    other: float | None
    by: float
    lower: bool
    test: ClassVar[str] = "beats"

    @property
    def position(self) -> float | None:
        """The difference in the claimed direction."""
        if self.value is None or self.other is None:
            return None
        return self.other - self.value if self.lower else self.value - self.other

    @property
    def wanted(self) -> str:
        direction = "lower" if self.lower else "higher"
        return f"{direction} by at least {self.fmt.format(self.by)}" if self.by else direction

    @property
    def claimed(self) -> tuple[float, float]:
        return self.by, math.inf

    @property
    def terms(self) -> tuple[float, ...]:
        return self.by, float(self.lower)

    def judge(self, low: float, high: float, margin: float = 0.0) -> bool | None:
        if self.by == 0:
            return True if low > 0 else False if high < 0 else None
        wanted = self.by * (1 + margin)
        return True if low >= wanted else False if high <= -wanted else None

    def _measured(self) -> str:
        against = f"{self.fmt.format(self.value)} against {self.fmt.format(self.other)}: " if self.other else ""
        if self.position == 0:
            return f"{against}no difference"
        side = "lower" if (self.position > 0) == self.lower else "higher"
        shown = ", no difference shown" if self.holds is None else ""
        return f"{against}{side} by {self.fmt.format(abs(self.position))}{shown}"


@dataclass(frozen=True)
class Within(Comparison):
    value: float | None
    target: float | None
    tolerance: float
    test: ClassVar[str] = "within"

    @property
    def position(self) -> float | None:
        """The distance from the target, with its sign."""
        return None if self.value is None or self.target is None else self.value - self.target

    @property
    def reading(self) -> float | None:
        return self.value

    @property
    def wanted(self) -> str:
        target = "an unknown value" if self.target is None else self.fmt.format(self.target)
        return f"within {self.fmt.format(self.tolerance)} of {target}"

    @property
    def claimed(self) -> tuple[float, float]:
        return -self.tolerance, self.tolerance

    @property
    def terms(self) -> tuple[float, ...]:
        return (self.tolerance,)

    def judge(self, low: float, high: float, margin: float = 0.0) -> bool | None:
        near, far = self.tolerance * (1 - margin), self.tolerance * (1 + margin)
        return True if low >= -near and high <= near else False if low > far or high < -far else None


@dataclass(frozen=True)
class IsTrue(Predicate):
    value: bool | None
    test: ClassVar[str] = "is_true"

    @property
    def holds(self) -> bool | None:
        return self.value

    @property
    def text(self) -> str:
        return self._labelled({True: "yes", False: "no", None: "not decided"}[self.value])


@dataclass(frozen=True)
class AllOf(Predicate):
    predicates: tuple[Predicate, ...]
    test: ClassVar[str] = "all_of"

    @property
    def holds(self) -> bool | None:
        said = [part.holds for part in self.predicates]
        return False if False in said else None if None in said else True

    @property
    def text(self) -> str:
        return self._labelled("; ".join(part.text for part in self.predicates))

    @property
    def parts(self) -> tuple[Predicate, ...]:
        return tuple(part for predicate in self.predicates for part in predicate.parts)

    def to_json(self) -> dict[str, object]:
        name = {"name": self.name} if self.name else {}
        return {"test": self.test, **name, "parts": [part.to_json() for part in self.predicates]}


def at_least(value: object, threshold: object, *, name: str = "", fmt: str = "{:.4g}") -> AtLeast:
    """Holds when value >= threshold."""
    return AtLeast(_measured("value", value), _fixed("threshold", threshold), name=name, fmt=fmt)


def at_most(value: object, threshold: object, *, name: str = "", fmt: str = "{:.4g}") -> AtMost:
    """Holds when value <= threshold."""
    return AtMost(_measured("value", value), _fixed("threshold", threshold), name=name, fmt=fmt)


def beats(
    value: object,
    other: object = 0.0,
    by: object = 0.0,
    *,
    lower: bool = False,
    name: str = "",
    fmt: str = "{:.4g}",
) -> Beats:
    """Holds when value is ahead of `other` by at least `by`; ahead means higher, or lower where `lower` says so.

    False when it is behind by at least `by`, None ("no difference shown") between. by=0 asks for the sign alone.
    """
    margin = _fixed("by", by, least=0.0)
    return Beats(_measured("value", value), _measured("other", other), margin, bool(lower), name=name, fmt=fmt)


def within(value: object, target: object, tolerance: object, *, name: str = "", fmt: str = "{:.4g}") -> Within:
    """Holds when value is no further from `target` than `tolerance`."""
    room = _fixed("tolerance", tolerance, least=0.0)
    return Within(_measured("value", value), _measured("target", target), room, name=name, fmt=fmt)


def is_true(flag: object, *, name: str = "") -> IsTrue:
    """An exact fact, such as "rows keep every bit"; None when it could not be decided."""
    flag = plain_scalar(flag)
    if flag is not None and not isinstance(flag, bool):
        raise ValueError(f"flag must be True, False or None, got {flag!r}")
    return IsTrue(flag, name=name)


def all_of(*predicates: object, name: str = "") -> AllOf:
    """Holds when every part holds; parts are predicates, or plain booleans for exact facts."""
    if not predicates:
        raise ValueError("predicates must be at least one, got none")
    parts = (part if isinstance(part, Predicate) else is_true(part) for part in predicates)
    return AllOf(tuple(parts), name=name)


def from_json(record: Mapping[str, object]) -> Predicate:
    """The predicate that `to_json` wrote. Raises ValueError for a test that is not one of the six."""
    test, own = record.get("test"), {key: value for key, value in record.items() if key != "test"}
    if test == "all_of":
        return AllOf(tuple(map(from_json, own["parts"])), name=own.get("name", ""))
    if test not in _KINDS:
        raise ValueError(f"test must be one of {', '.join([*_KINDS, 'all_of'])}, got {test!r}")
    return _KINDS[test](**own)


def plain_scalar(value: object) -> object:
    """A numpy or torch scalar as the Python number it holds; everything else as it is."""
    if not isinstance(value, str) and hasattr(value, "item") and getattr(value, "size", 1) != 0:
        try:
            value = value.item()
        except (ValueError, RuntimeError, TypeError):
            return value
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


_KINDS = {kind.test: kind for kind in (AtLeast, AtMost, Beats, Within, IsTrue)}


def _measured(what: str, value: object) -> float | None:
    """A finite number, or None for one that is not; anything else is refused."""
    value = plain_scalar(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} must be one number or None, got {value!r}")
    return value if math.isfinite(value) else None


def _fixed(what: str, value: object, least: float = -math.inf) -> float:
    number = _measured(what, value)
    if number is None or number < least:
        bound = f" from {least:g} on" if math.isfinite(least) else ""
        raise ValueError(f"{what} must be a finite number{bound}, got {value!r}")
    return number
