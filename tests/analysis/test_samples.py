"""Observations and the clusters in which they come."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
import statsmodels.api as sm

from otel_auto_assign.analysis.estimates import LEVEL, Size, scarcity, student
from otel_auto_assign.analysis.samples import RANDOM_RESTAURANTS, Sample
from tests.analysis.cohorts import lognormal, plain


def about_the_mean(sample: Sample) -> Size:
    """How much a sample is worth for its mean."""
    return sample.size(sample.values - sample.values.mean())


@pytest.mark.parametrize("seed", range(5))
def test_the_variance_between_clusters_is_statsmodels(seed: int) -> None:
    """Of one restaurant it is that of a regression on a constant with clustered errors, times K / (K - 1)."""
    random = np.random.default_rng(seed)
    units = np.append(random.integers(0, 9, 71), range(9))
    sample = Sample.of(random.lognormal(size=80), bookings=range(80), units=units)
    fit = sm.OLS(sample.values, np.ones(80)).fit(
        cov_type="cluster", cov_kwds={"groups": units, "use_correction": False}
    )

    assert sample.by_unit.degrees == 8
    assert sample.by_unit.variance(sample.values - sample.values.mean()) == pytest.approx(
        fit.cov_params()[0, 0] * 80**2 * 9 / 8
    )


def test_rows_that_are_alike_within_their_unit_are_worth_one_each() -> None:
    """Ten copies of each of twelve values say what twelve rows say."""
    sample = plain([float(row // 10) for row in range(120)], per_unit=10)

    size = about_the_mean(sample)

    assert size.effect == pytest.approx(10 * 12 / 11)
    assert size.rows / size.effect == pytest.approx(11)
    assert size.effective == pytest.approx(11 * (student(LEVEL, inf) / student(LEVEL, 11)) ** 2)


def test_independent_rows_lose_only_what_the_estimate_of_the_variance_costs() -> None:
    """Where every row is a unit of its own the effect is n / (n - 1), and t is nearly the normal."""
    size = about_the_mean(plain([float(row) for row in range(200)]))

    assert size.effect == pytest.approx(200 / 199)
    assert 196 < size.effective < 200


def test_a_spread_within_units_never_makes_rows_worth_more_than_they_are() -> None:
    """Units that are more alike than chance would have them do not take the effect below 1."""
    assert about_the_mean(plain([0.0, 1.0] * 40, per_unit=2)).effect == 1


def test_the_widest_kind_of_cluster_counts() -> None:
    """Runs of one booking that resemble each other count as few, though days do not differ, and the other way round."""
    values = [float(row // 4 % 3) for row in range(96)]
    mixed = [(row // 4 + row % 4) % 12 for row in range(96)]
    by_booking = Sample.of(values, bookings=[row // 4 for row in range(96)], units=mixed)
    by_unit = Sample.of(values, bookings=range(96), units=[row // 4 for row in range(96)])

    assert about_the_mean(by_booking).effect == about_the_mean(by_unit).effect > 3.5


def test_differences_between_restaurants_are_no_chance() -> None:
    """A restaurant is a stratum: that one is slower than another does not widen anything, with days it would."""
    units = np.repeat(np.arange(16), 10)
    values = 1000.0 * (units % 2) + np.tile(np.arange(10.0), 16)
    one = Sample.of(values, bookings=range(160), units=units)
    two = Sample.of(values, bookings=range(160), units=units, restaurants=units % 2)

    assert about_the_mean(one).effect > 10
    assert about_the_mean(two).effect == 1
    assert about_the_mean(two).degrees == 14


def test_many_restaurants_are_a_sample_of_restaurants() -> None:
    """From twenty on a restaurant is a cluster, so that what differs between them widens the interval."""
    for restaurants, widened in ((RANDOM_RESTAURANTS - 1, False), (RANDOM_RESTAURANTS, True)):
        unit = np.repeat(np.arange(restaurants * 4), 5)
        values = (unit // 4) + np.tile([0.0, 0.1, 0.2, 0.3, 0.4], restaurants * 4)
        size = about_the_mean(
            Sample.of(values, bookings=range(len(unit)), units=unit, restaurants=[f"r{one}" for one in unit // 4])
        )
        assert (size.effect > 15) is widened


def test_restaurants_with_one_unit_share_a_stratum() -> None:
    """A stratum of one cluster shows no variance; together with others it does, and none is lost."""
    lonely = Sample.of([1.0, 5.0, 9.0, 2.0], bookings=range(4), units=[0, 1, 2, 3], restaurants=["a", "b", "c", "d"])
    assert lonely.by_unit.degrees == 3
    assert lonely.by_unit.variance(lonely.values - 4.25) == pytest.approx(4 * np.var(lonely.values, ddof=1))

    one_lonely = Sample.of(range(5), bookings=range(5), units=range(5), restaurants=["a", "a", "b", "b", "c"])
    assert one_lonely.by_unit.degrees == 3


def test_the_effect_of_a_planned_correlation() -> None:
    """Ten a day at a correlation of 0.1 make 1.9; days of unequal size count as an observation meets them."""
    assert plain([1.0] * 120, per_unit=10).planned_effect(0.1) == pytest.approx(1.9)
    assert Sample.of([1.0] * 10, bookings=range(10), units=[0] * 9 + [1]).planned_effect(0.1) == pytest.approx(1.72)
    assert plain([]).planned_effect(0.1) == 1


def test_where_all_are_alike_the_planned_correlation_counts() -> None:
    """Of rows that do not vary nothing can be estimated: neither an effect nor its degrees of freedom."""
    size = about_the_mean(plain([7.0] * 120, per_unit=10))

    assert size.effect == pytest.approx(1.9)
    assert size.degrees == inf
    assert size.effective == pytest.approx(120 / 1.9)


def test_a_given_correlation_is_the_least_effect() -> None:
    """It widens what the data would have narrow, and narrows nothing."""
    narrow, wide = plain([0.0, 1.0] * 60, per_unit=10), plain([float(row // 10) for row in range(120)], per_unit=10)

    assert narrow.size(narrow.values - 0.5, correlation=0.1).effect == pytest.approx(1.9)
    assert wide.size(wide.values - wide.values.mean(), correlation=0.1) == about_the_mean(wide)


def test_one_unit_has_no_degrees_of_freedom() -> None:
    """A single day shows nothing of how days differ: it is worth no row at all."""
    size = about_the_mean(plain([1.0, 2.0, 3.0], per_unit=3))
    assert (size.degrees, size.effective) == (0, 0.0)


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        (Size(0, 0, 0, 1.0, inf), "the baseline has no bookings, 20 are needed"),
        (Size(50, 19, 9, 1.0, 8), "the baseline has 19 bookings, 20 are needed"),
        (Size(50, 20, 1, 1.0, 8), "the baseline has 1 unit of assignment, 7 are needed"),
        (Size(50, 20, 6, 1.0, 5), "the baseline has 6 units of assignment, 7 are needed"),
        (Size(50, 20, 7, 1.0, 0), "the baseline has one unit of assignment a restaurant, two are needed"),
        (Size(50, 20, 7, 1.0, 6), ""),
    ],
)
def test_too_little_to_be_judged_is_said(size: Size, sentence: str) -> None:
    """The bounds are 20 bookings and 7 units, and the sentence names what is there and what is needed."""
    assert scarcity(("baseline", size)) == sentence


def test_rows_can_be_left_out() -> None:
    """What stays keeps its values and its clusters."""
    sample = lognormal(1)
    kept = sample.where(sample.units >= 4)

    assert (kept.rows, kept.count_bookings, kept.count_units) == (100, 100, 10)
    assert kept.by_unit.degrees == 8
    assert list(kept.values) == list(sample.values[40:])


def test_a_cut_hides_what_lies_beyond() -> None:
    """The time that a longer one took is no longer known, only that it was longer; what is at the limit was not."""
    cut = plain([1.0, 2.0, 3.0, 0.5], beyond=1).cut(2.0)

    assert list(cut.values) == [1.0, 2.0, 2.0, 0.5]
    assert list(cut.beyond) == [False, False, True, True]
    assert cut.limit == 2.0


@pytest.mark.parametrize("value", [float("nan"), inf])
def test_no_number_is_no_observation(value: float) -> None:
    """It is refused, because it would spoil every figure in silence."""
    with pytest.raises(ValueError, match="not a finite number"):
        plain([1.0, value])


def test_columns_have_one_length() -> None:
    """A column too short would shift every row after it."""
    with pytest.raises(ValueError, match=r"differ in length: \[2, 3\]"):
        Sample.of([1.0, 2.0, 3.0], bookings=["a", "b"])
