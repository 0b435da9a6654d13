"""What an estimate is: a value, the limits around it, and how much data stands behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Final

from scipy.special import ndtri, stdtrit

LEVEL: Final = 0.95
"""Goals and guardrails are judged by one-sided limits of this level."""
TWO_SIDED: Final = 1 - (1 - LEVEL) / 2
"""The level of each side of the interval that is shown."""
MIN_BOOKINGS: Final = 20
MIN_UNITS: Final = 7
"""With fewer a side there is no judging: what differs between bookings, or between days, has hardly been seen."""


@dataclass(frozen=True)
class Size:
    """How much data one side has.

    Attributes:
        rows: Observations.
        bookings: Distinct bookings.
        units: Distinct units of assignment (restaurant-days, say).
        effect: The design effect: how many rows say as much as one independent row would.
        degrees: Degrees of freedom of the clusters that decide (clusters less strata); infinite where the effect was
            not estimated.
    """

    rows: int
    bookings: int
    units: int
    effect: float
    degrees: float

    @property
    def effective(self) -> float:
        """The independent rows that these are worth, for a one-sided limit."""
        return self.effective_at(LEVEL)

    def effective_at(self, level: float) -> float:
        """The independent rows that these are worth for a limit of ``level``: rows / design effect * (z / t)².

        The second factor is what they lose because the variance between clusters is itself an estimate: Korn and
        Graubard, Confidence intervals for proportions with small expected number of positive counts estimated from
        survey data, Survey Methodology 24 (1998).

        >>> round(Size(rows=150, bookings=150, units=15, effect=1.9, degrees=14, ).effective, 1)
        68.9
        """
        if self.degrees < 1:
            return 0.0
        independent = self.rows / self.effect
        return (
            independent
            if self.degrees == inf
            else independent * (student(level, inf) / student(level, self.degrees)) ** 2
        )


@dataclass(frozen=True)
class Estimate:
    """A figure of one side, or of two compared, with its uncertainty.

    Attributes:
        value: The point estimate; None where there are no rows or the value is not known (beyond a time-out).
        lower: The one-sided 95 % lower limit, ``-inf`` where it does not exist.
        upper: The one-sided 95 % upper limit, ``inf`` where it does not exist.
        interval: The two-sided 95 % interval, for showing.
        post: The side after the change.
        baseline: The side before it, None where the figure needs none.
        needed: The effective rows that the limits need on the side that is short; 0 where any number will do.
        shortage: Why nothing can be said for want of data, in a sentence; else empty.
        obstacle: Why nothing can be said however much data there were, in a sentence; else empty.
    """

    value: float | None
    lower: float
    upper: float
    interval: tuple[float, float]
    post: Size
    baseline: Size | None = None
    needed: int = 0
    shortage: str = ""
    obstacle: str = ""

    def refused(self) -> Estimate:
        """The same estimate without limits: what is too small to be judged may still be looked at."""
        return replace(self, lower=-inf, upper=inf, interval=(-inf, inf))

    @property
    def value_known(self) -> bool:
        """Whether there is a point estimate, and a finite one."""
        return self.value is not None and isfinite(self.value)


def student(level: float, degrees: float) -> float:
    """Student's t at ``level``; with infinite ``degrees`` of freedom the normal's quantile."""
    return float(ndtri(level) if degrees == inf else stdtrit(degrees, level))


def scarcity(*sides: tuple[str, Size]) -> str:
    """Say which of the named sides is below ``MIN_BOOKINGS`` or ``MIN_UNITS``; empty where none is.

    >>> scarcity(("baseline", Size(40, 12, 9, 1.0, 8)))
    'the baseline has 12 bookings, 20 are needed'
    """
    for name, size in sides:
        if size.bookings < MIN_BOOKINGS:
            return f"the {name} has {_count(size.bookings, 'booking')}, {MIN_BOOKINGS} are needed"
        if size.units < MIN_UNITS:
            return f"the {name} has {_count(size.units, 'unit')} of assignment, {MIN_UNITS} are needed"
        if size.degrees < 1:
            return f"the {name} has one unit of assignment a restaurant, two are needed"
    return ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number or 'no'} {noun}s"
