"""Days that resemble their neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from otel_auto_assign.analysis.arrays import Floats
from otel_auto_assign.analysis.days import AUTOCORRELATION, DEFAULT_CORRELATION, Days
from otel_auto_assign.analysis.means import mean, mean_ratio
from otel_auto_assign.analysis.rates import rate
from otel_auto_assign.analysis.samples import Sample

ROWS_A_DAY = 10


def days(restaurants: int = 2, length: int = 28, *, rows_a_day: int = ROWS_A_DAY) -> Days:
    """Restaurant-days one after the other."""
    strata = np.repeat(np.arange(restaurants), length)
    numbers = np.tile(np.arange(length), restaurants)
    return Days(np.repeat(np.arange(restaurants * length), rows_a_day), strata, numbers)


def simulated(of: Days, between: float, random: np.random.Generator) -> Floats:
    """Rows with days that follow the assumed autoregression."""
    effects = np.empty(len(of.strata))
    for at, number in enumerate(of.numbers):
        step = random.normal()
        before = effects[at - 1] if number else step
        effects[at] = AUTOCORRELATION * before + (1 - AUTOCORRELATION**2) ** 0.5 * step if number else step
    return np.asarray(random.normal(0, 1, len(of.codes)) + between**0.5 * effects[of.codes])


def true_variance(of: Days, between: float) -> float:
    """Of the sum of all rows, worked out pair by pair of days."""
    found = float(len(of.codes))
    for one, restaurant in enumerate(of.strata):
        for other in np.flatnonzero(of.strata == restaurant):
            distance = abs(int(of.numbers[one]) - int(of.numbers[other]))
            found += between * ROWS_A_DAY**2 * AUTOCORRELATION**distance
    return found


@pytest.mark.parametrize("between", [0.3, 1.0])
def test_the_variance_is_estimated_without_bias(between: float) -> None:
    """On average over many windows it is what it is by construction, though each hides part of how its days differ."""
    of = days()
    random = np.random.default_rng(1)
    found = []
    for _ in range(600):
        values = simulated(of, between, random)
        found.append(of.variance(values - values.mean())[0])

    assert np.mean(found) == pytest.approx(true_variance(of, between), rel=0.1)


def test_days_alike_cost_what_one_day_of_the_planned_correlation_does() -> None:
    """Where days do not differ at all the variance is that of rows, and a remainder that shrinks with the window."""
    effects = []
    for length in (7, 28, 112):
        of = days(length=length)
        residuals = np.tile([1.0, -1.0], len(of.codes) // 2)
        variance, degrees = of.variance(residuals)
        effects.append(variance / len(of.codes))
        assert 1 < degrees <= of.degrees
    assert effects == sorted(effects, reverse=True)
    assert effects[0] < 1 + ROWS_A_DAY * DEFAULT_CORRELATION * 7
    assert effects[-1] < 2


def test_one_day_a_restaurant_tells_nothing() -> None:
    """There is then no variance to go by, and no degrees of freedom."""
    assert days(restaurants=3, length=1).variance(np.tile([1.0, -1.0], 15)) == (0.0, 0.0)


def slow_weeks(*, unit: str) -> Sample:
    """Success of one side in 28 days: a good fortnight, then a bad one."""
    day = np.repeat(np.arange(28), ROWS_A_DAY)
    good = np.where(day < 14, 9, 5)
    values = (np.arange(len(day)) % ROWS_A_DAY < good).astype(float)
    units = day if unit == "day" else np.arange(len(day))
    return Sample.of(values, bookings=np.arange(len(day)), units=units, days=day)


def test_a_figure_that_stands_alone_counts_its_days() -> None:
    """Neighbouring days that are alike are few; whatever was switched, and more so than units that are only unequal."""
    for unit in ("day", "booking"):
        sample = slow_weeks(unit=unit)
        known = rate(sample).post.effective
        assert known < 0.2 * rate(Sample.of(sample.values, bookings=sample.bookings, units=sample.units)).post.effective
        assert mean(sample).post.effective == pytest.approx(known, rel=0.01)


def test_bookings_with_several_runs_count_once_within_their_day() -> None:
    """Four equal runs of each booking say what one does, of days as well."""
    random = np.random.default_rng(3)
    day = np.repeat(np.arange(28), ROWS_A_DAY)
    values = random.normal(5, 1, len(day)) + random.normal(0, 1, 28)[day]
    once = Sample.of(values, bookings=np.arange(len(day)), days=day)
    again = Sample.of(np.repeat(values, 4), bookings=np.repeat(np.arange(len(day)), 4), days=np.repeat(day, 4))
    assert mean(again).post.effective == pytest.approx(mean(once).post.effective, rel=0.15)


def test_units_smaller_than_days_share_them() -> None:
    """Bookings that were assigned one by one are no better than their days, two by two."""
    sample = slow_weeks(unit="booking")
    assert mean_ratio(sample, sample).post.degrees == 13
    unknown = Sample.of(sample.values, bookings=sample.bookings, units=sample.units)
    assert mean_ratio(unknown, unknown).post.degrees == 279


def test_a_comparison_does_not() -> None:
    """Days that were switched at random are good and bad for both sides alike."""
    sample = slow_weeks(unit="day")
    unknown = Sample.of(sample.values, bookings=sample.bookings, units=sample.units)
    assert mean_ratio(sample, sample).post == mean_ratio(unknown, unknown).post


def test_days_far_apart_say_more_and_the_order_of_rows_does_not_matter() -> None:
    """A day a week hardly resembles the one before; rows in another order, and days counted otherwise, are the same."""
    sample = slow_weeks(unit="day")
    assert sample.days is not None
    weekly = Sample.of(sample.values, bookings=sample.bookings, units=sample.units, days=sample.days * 7)
    assert rate(weekly).post.effective > 2 * rate(sample).post.effective
    order = np.random.default_rng(1).permutation(sample.rows)
    again = Sample.of(
        sample.values[order], bookings=order, units=sample.units[order], days=sample.days[order] + 738_000
    )
    assert rate(again).post.effective == pytest.approx(rate(sample).post.effective)
