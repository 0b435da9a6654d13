"""What days that resemble their neighbours do to a figure that has no other side to be compared with.

Two sides whose days were switched at random in pairs share good and bad weeks; a figure held against a fixed limit
does not. Days are taken to follow a first-order autoregression with an assumed correlation, since a window of weeks
cannot tell it, and how much days differ is estimated under that assumption.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from otel_auto_assign.analysis.arrays import Codes, Floats

DEFAULT_CORRELATION: Final = 0.1
"""Within a day, where neither the data nor a baseline can tell. Days of the pilot had about this."""

AUTOCORRELATION: Final = 0.82
"""Of one day with the next at a restaurant. Windows with 0.7 keep their promise under it; with 0.7 assumed they do not
quite, because a short window hides part of how much its days differ."""


@dataclass(frozen=True)
class _Stratum:
    """Constants of one restaurant: they depend on how many rows its days have, not on their values."""

    clusters: Codes
    sizes: Floats
    rows: float
    between_squares: float
    """What one unit of variance between days adds to the squares of the days' totals."""
    within_squares: float
    between_rows: float
    """What it adds to the squares of the rows about their restaurant's mean."""
    total: float
    """What it adds to the variance of the sum."""


@dataclass(frozen=True, eq=False)
class Days:
    """The restaurant-days of a sample.

    Attributes:
        codes: Of each row, its restaurant-day.
        strata: Of each restaurant-day, its restaurant.
        numbers: Of each restaurant-day, the number of its day.
    """

    codes: Codes
    strata: Codes
    numbers: NDArray[np.int64]

    @cached_property
    def sizes(self) -> Floats:
        """Rows of each restaurant-day."""
        return np.bincount(self.codes, minlength=len(self.strata)).astype(np.float64)

    @cached_property
    def degrees(self) -> int:
        """Days less restaurants."""
        return len(self.strata) - len(self._restaurants)

    @cached_property
    def _restaurants(self) -> tuple[_Stratum, ...]:
        return tuple(self._restaurant(np.flatnonzero(self.strata == one)) for one in np.unique(self.strata))

    def _restaurant(self, clusters: Codes) -> _Stratum:
        own, days = self.sizes[clusters], self.numbers[clusters]
        rows = float(own.sum())
        alike = AUTOCORRELATION ** np.abs(days[:, None] - days[None, :])
        weighted = alike @ own  # of a day: how much of the restaurant goes with it
        total = float(own @ weighted)
        squares = float(own @ own)
        return _Stratum(
            clusters=clusters,
            sizes=own,
            rows=rows,
            between_squares=squares - 2 * float(own**2 @ weighted) / rows + squares / rows**2 * total,
            within_squares=rows - squares / rows,
            between_rows=rows - total / rows,
            total=total,
        )

    def within(self, residuals: Floats) -> Floats:
        """The residuals less their day's mean."""
        totals = np.bincount(self.codes, weights=residuals, minlength=len(self.strata))
        return np.asarray(residuals - (totals / np.maximum(1, self.sizes))[self.codes], dtype=np.float64)

    def variance(
        self, residuals: Floats, correlation: float = DEFAULT_CORRELATION, *, effect: float = 1.0
    ) -> tuple[float, float]:
        """The variance of the sum of ``residuals``, and its degrees of freedom; 0 of these where days cannot be told.

        Two moments, the squares of days' totals and of rows about their restaurant's mean, give the variance between
        days and the one within (Searle, Casella and McCulloch, Variance Components, 1992, 5.3, with correlated
        effects); degrees of freedom by Satterthwaite (1946), those between days being as many as independent days
        would say as much. A window of one week shows next to nothing of how weeks differ: the variance between days is
        at least that of ``correlation``, which weighs as much as one independent day.

        Args:
            residuals: One a row, of sum 0.
            correlation: Within a day, as planned.
            effect: The design effect of rows within their day, where bookings have several.
        """
        totals = np.bincount(self.codes, weights=residuals, minlength=len(self.strata))
        parts = self._restaurants
        rows = sum(part.rows for part in parts)
        sums = [float(totals[part.clusters].sum()) for part in parts]
        of_days = sum(
            float(((totals[part.clusters] - part.sizes * own / part.rows) ** 2).sum())
            for part, own in zip(parts, sums, strict=True)
        )
        of_rows = float((residuals**2).sum()) - sum(own**2 / part.rows for part, own in zip(parts, sums, strict=True))
        days_between, days_within = (
            sum(part.between_squares for part in parts),
            sum(part.within_squares for part in parts) * effect,
        )
        rows_between, rows_within = sum(part.between_rows for part in parts), rows - len(parts)
        told = days_between * rows_within - days_within * rows_between
        if told <= 0 or self.degrees < 1:
            return 0.0, 0.0
        independent = max(1.0, sum(part.rows**2 / part.total for part in parts) - len(parts))
        between = max(
            correlation / (1 + independent) * of_rows / rows, (of_days * rows_within - days_within * of_rows) / told
        )
        within = max(0.0, (of_rows - between * rows_between) / rows_within)
        from_days, from_rows = between * sum(part.total for part in parts), within * rows * effect
        uncertain = from_rows**2 / self.degrees + from_days**2 / independent
        variance = from_days + from_rows
        return variance, variance**2 / uncertain if uncertain > 0 else float(self.degrees)
