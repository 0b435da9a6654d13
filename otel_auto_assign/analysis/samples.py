"""One side of a comparison: its observations, and the clusters in which they come.

Observations of one booking, or of one day at one restaurant, resemble each other: a hundred of them say less than a
hundred independent ones. How much less is the design effect, estimated here for each figure and each kind of cluster.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from otel_auto_assign.analysis.arrays import Bools, Codes, Floats
from otel_auto_assign.analysis.days import DEFAULT_CORRELATION, Days
from otel_auto_assign.analysis.estimates import Size

RANDOM_RESTAURANTS: Final = 20
"""From so many restaurants on they are a sample of restaurants, and a cluster each; fewer are what they are: strata."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Groups of rows that were drawn together: ``codes`` of each row, the stratum of each cluster."""

    codes: Codes
    strata: Codes

    @cached_property
    def sizes(self) -> Floats:
        """Rows of each cluster."""
        return np.bincount(self.codes, minlength=len(self.strata)).astype(np.float64)

    @cached_property
    def _grouped(self) -> tuple[Codes, Floats]:
        """Strata with clusters enough to vary, and how many each has: lonely clusters share one stratum.

        The collapsed strata of Cochran, Sampling Techniques (1977), 5A.12.
        """
        counts = np.bincount(self.strata)
        strata = self.strata
        lonely = counts[strata] == 1
        if lonely.any():
            together = counts.argmax() if lonely.sum() == 1 else strata[lonely][0]
            strata = np.where(lonely, together, strata)
            counts = np.bincount(strata)
        return strata, counts.astype(np.float64)

    @cached_property
    def degrees(self) -> int:
        """Clusters less strata."""
        _, counts = self._grouped
        return len(self.strata) - int(np.count_nonzero(counts))

    def variance(self, residuals: Floats, *, reduced: bool = False) -> float:
        """The variance of the sum of ``residuals``, one a row, between clusters within strata.

        The usual linearised estimator (Woodruff 1971; Särndal, Swensson and Wretman, Model Assisted Survey Sampling,
        1992, 4.2), without a finite population's correction.

        Args:
            residuals: Of sum 0.
            reduced: By CR3 of Bell and McCaffrey, Bias reduction in standard errors for linear regression with
                multi-stage samples, Survey Methodology 28 (2002): one of n clusters pulls the mean of its stratum
                towards itself, so that its own deviation is too small by (n - 1) / n.
        """
        strata, counts = self._grouped
        totals = np.bincount(self.codes, weights=residuals, minlength=len(self.strata))
        means = np.bincount(strata, weights=totals) / np.maximum(counts, 1)
        squares = np.bincount(strata, weights=(totals - means[strata]) ** 2)
        freed = counts / np.maximum(counts - 1, 1)
        return float((squares * (freed**2 if reduced else freed)).sum())


@dataclass(frozen=True, eq=False)
class Sample:
    """The observations of one side, as columns of one length. Make it with ``Sample.of``.

    Attributes:
        values: In the figure's unit; 0 and 1 for what happened or not.
        beyond: Where true the value is only known to be larger (a time-out, a job that still runs).
        bookings: Code of each row's booking.
        units: Code of each row's unit of assignment.
        restaurants: Code of each row's restaurant.
        days: Number of each row's day; None where nobody said.
        limit: The time-out in force, beyond which no value is known; None where there was none.
    """

    values: Floats
    beyond: Bools
    bookings: Codes
    units: Codes
    restaurants: Codes
    days: NDArray[np.int64] | None = None
    limit: float | None = None

    @classmethod
    def of(
        cls,
        values: ArrayLike,
        *,
        bookings: Sequence[Hashable] | NDArray[Any],
        units: Sequence[Hashable] | NDArray[Any] | None = None,
        restaurants: Sequence[Hashable] | NDArray[Any] | None = None,
        days: ArrayLike | None = None,
        beyond: ArrayLike | None = None,
        limit: float | None = None,
    ) -> Sample:
        """Make a sample from columns; their order does not matter.

        Args:
            values: One number a row.
            bookings: What tells the row's booking, one a row.
            units: What tells the unit of assignment: ``(restaurant, day)`` where days were switched, and where windows
                are compared; left out where bookings were assigned.
            restaurants: What tells the restaurant; left out: one.
            days: The number of each row's day (``date.toordinal()``). Figures that stand alone, held against a fixed
                limit, need it: without it they take the units for independent.
            beyond: True where the value is only a lower bound.
            limit: The time-out in force.

        Raises:
            ValueError: if columns differ in length, or a value is not a finite number.

        >>> sample = Sample.of([120, 80, 95], bookings=["a", "a", "b"])
        >>> sample.rows, sample.count_bookings
        (3, 2)
        """
        column = np.asarray(values, dtype=np.float64).reshape(-1)
        if not np.isfinite(column).all():
            raise ValueError("a value of a sample is not a finite number: leave it out, or mark it as beyond a limit")
        beyonds = np.zeros(len(column), dtype=bool) if beyond is None else np.asarray(beyond, dtype=bool).reshape(-1)
        coded = _codes(bookings)
        sample = cls(
            values=column,
            beyond=beyonds,
            bookings=coded,
            units=coded if units is None else _codes(units),
            restaurants=np.zeros(len(column), dtype=np.intp) if restaurants is None else _codes(restaurants),
            days=None if days is None else np.asarray(days, dtype=np.int64).reshape(-1),
            limit=limit,
        )
        lengths = {len(column), len(beyonds), len(coded), len(sample.units), len(sample.restaurants)}
        if sample.days is not None:
            lengths.add(len(sample.days))
        if len(lengths) > 1:
            raise ValueError(f"the columns of a sample differ in length: {sorted(lengths)}")
        return sample

    def where(self, keep: Bools) -> Sample:
        """The rows that ``keep`` says, with their clusters coded anew."""
        bookings, units, restaurants = (
            np.unique(codes[keep], return_inverse=True)[1] for codes in (self.bookings, self.units, self.restaurants)
        )
        days = None if self.days is None else self.days[keep]
        return Sample(self.values[keep], self.beyond[keep], bookings, units, restaurants, days, self.limit)

    def replaced(self, values: Floats, *, beyond: Bools | None = None, limit: float | None = None) -> Sample:
        """Other values of the same rows."""
        none = np.zeros(len(values), dtype=bool)
        beyonds = none if beyond is None else beyond
        return Sample(values, beyonds, self.bookings, self.units, self.restaurants, self.days, limit)

    def cut(self, limit: float) -> Sample:
        """As if ``limit`` had been the time-out: what took longer is only known to have."""
        return self.replaced(np.minimum(self.values, limit), beyond=self.beyond | (self.values > limit), limit=limit)

    @property
    def rows(self) -> int:
        """Observations."""
        return len(self.values)

    @cached_property
    def count_bookings(self) -> int:
        """Distinct bookings."""
        return _distinct(self.bookings)

    @cached_property
    def count_units(self) -> int:
        """Distinct units of assignment."""
        return _distinct(self.units)

    @cached_property
    def by_unit(self) -> Clusters:
        """Units of assignment, the restaurant their stratum."""
        return self._clusters(self.units)

    @cached_property
    def levels(self) -> tuple[Clusters, ...]:
        """Every kind of cluster that could widen an interval: units of assignment, bookings, many restaurants."""
        found = [self.by_unit]
        if self.bookings is not self.units:
            found.append(self._clusters(self.bookings))
        restaurants = _distinct(self.restaurants)
        if restaurants >= RANDOM_RESTAURANTS:
            found.append(Clusters(self.restaurants, np.zeros(restaurants, dtype=np.intp)))
        return tuple(found)

    @cached_property
    def by_day(self) -> Days | None:
        """Restaurant-days; None where nobody said the days."""
        if self.days is None or not self.rows:
            return None
        first, span = int(self.days.min()), int(self.days.max()) - int(self.days.min()) + 1
        keys, codes = np.unique(self.restaurants * span + (self.days - first), return_inverse=True)
        return Days(codes, keys // span, keys % span)

    @cached_property
    def occasions(self) -> Clusters:
        """What a figure that stands alone gathers in: restaurant-days, or units where nobody said the days."""
        return self.by_unit if self.by_day is None else Clusters(self.by_day.codes, self.by_day.strata)

    def _neighbours(self, days: Days) -> Clusters:
        """Days two by two: units smaller than a day share it, and, days being alike, part of the next."""
        pairs = days.numbers // 2
        keys, codes = np.unique(days.strata * (int(pairs.max()) + 1) + pairs, return_inverse=True)
        return Clusters(codes[days.codes], keys // (int(pairs.max()) + 1))

    def _clusters(self, codes: Codes) -> Clusters:
        strata = np.zeros(_distinct(codes), dtype=np.intp)
        strata[codes] = self.restaurants
        return Clusters(codes, strata)

    def planned_effect(self, correlation: float, *, alone: bool = False) -> float:
        """The design effect of a correlation within units, of a figure alone within days: 1 + (size - 1) * correlation.

        Kish, Survey Sampling (1965), 5.4; the size of unequal units is the one that an observation meets on average.
        """
        if not self.rows:
            return 1.0
        met = float(((self.occasions if alone else self.by_unit).sizes ** 2).sum()) / self.rows
        return 1 + max(0.0, met - 1) * correlation

    def size(
        self, residuals: Floats, *, correlation: float | None = None, alone: bool = False, days: bool = False
    ) -> Size:
        """How much the sample is worth for the figure whose ``residuals`` (of sum 0) are given.

        The design effect is that of the kind of cluster which leaves the fewest effective rows, and never below 1.

        Args:
            residuals: One a row; where all are 0 the effect is that of ``correlation``.
            correlation: Within units. Given, the effect is at least that of this one: for figures with so few events
                that the data cannot tell.
            alone: The figure is not compared with another side's, so that its days are no one's but its own.
            days: Units smaller than a day share it, and this figure's difference is another on other days. Means and
                differences of shares, whose limits are Student's: with the plain variance 5.9 % passed where 5 should.
        """
        spread = float((residuals**2).sum())
        likely = DEFAULT_CORRELATION if correlation is None else correlation
        planned = self._size(self.planned_effect(likely, alone=alone), inf)
        if spread <= 0:
            return planned
        levels = self.levels
        if days and self.by_day is not None and len(self.by_day.strata) < len(self.by_unit.strata):
            levels = (*levels, self._neighbours(self.by_day))
        found = [self._size(kind.variance(residuals, reduced=days) / spread, kind.degrees) for kind in levels]
        if correlation is not None:
            found.append(planned)
        if alone and self.by_day is not None:
            variance, degrees = self.by_day.variance(
                residuals, likely, effect=self._bookings_effect(residuals, self.by_day)
            )
            found.append(self._size(variance / spread, degrees))
        return min(found, key=lambda size: size.effective)

    def _bookings_effect(self, residuals: Floats, days: Days) -> float:
        """The design effect of bookings within their days."""
        within = days.within(residuals)
        spread = float((within**2).sum())
        if self.count_bookings == self.rows or spread <= 0:
            return 1.0
        return max(1.0, self._clusters(self.bookings).variance(within) / spread)

    def _size(self, effect: float, degrees: float) -> Size:
        return Size(self.rows, self.count_bookings, self.count_units, max(1.0, effect), degrees)


def _codes(column: Sequence[Hashable] | NDArray[Any]) -> Codes:
    """Number the distinct values of a column."""
    if isinstance(column, np.ndarray) and column.ndim == 1 and column.dtype != object:
        return np.unique(column, return_inverse=True)[1]
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in column], dtype=np.intp)


def _distinct(codes: Codes) -> int:
    return int(codes.max()) + 1 if len(codes) else 0
