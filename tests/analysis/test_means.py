"""Means of counts and their ratio."""

from __future__ import annotations

from math import exp, inf, log

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from otel_auto_assign.analysis.estimates import LEVEL, TWO_SIDED, student
from otel_auto_assign.analysis.means import mean, mean_ratio
from otel_auto_assign.analysis.samples import Sample
from tests.analysis.cohorts import plain, reordered, samples


def calls(seed: int, *, average: float = 2.6, units: int = 14, per_unit: int = 10) -> Sample:
    """Planner calls of bookings, zeros included, more on some days than on others."""
    random = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), per_unit)
    day = random.lognormal(0, 0.5, units)
    return Sample.of(random.poisson(average * day[unit]), bookings=range(len(unit)), units=unit)


def test_the_ratio_is_that_of_a_poisson_regression() -> None:
    """Its logarithm and error are statsmodels' with clustered errors, times K / (K - 1), CR3; t with K - 1 degrees."""
    post, baseline = calls(1, average=1.2), calls(2)
    counted = np.concatenate([post.values, baseline.values])
    after = np.repeat([1.0, 0.0], 140)
    fit = sm.GLM(counted, sm.add_constant(after), family=sm.families.Poisson()).fit(
        cov_type="cluster",
        cov_kwds={"groups": np.concatenate([post.units, baseline.units + 14]), "use_correction": False},
    )
    error = float(fit.bse[1]) * 14 / 13

    estimate = mean_ratio(post, baseline)

    assert estimate.value == pytest.approx(exp(fit.params[1]))
    for level, limit in ((LEVEL, estimate.upper), (TWO_SIDED, estimate.interval[1])):
        assert limit == pytest.approx(exp(fit.params[1] + student(level, 13) * error))
    assert estimate.lower == pytest.approx(exp(fit.params[1] - student(LEVEL, 13) * error))


def test_the_smaller_side_says_how_many_degrees() -> None:
    """Fourteen days against seven are as uncertain in their variance as the seven."""
    week, fortnight = calls(1, units=7), calls(2)
    for sides in ((week, fortnight), (fortnight, week)):
        estimate = mean_ratio(*sides)
        assert estimate.value is not None
        assert log(estimate.interval[1] / estimate.value) / log(estimate.upper / estimate.value) == pytest.approx(
            student(TWO_SIDED, 6) / student(LEVEL, 6)
        )


def test_one_mean_worked_out() -> None:
    """Its relative error is CR3's of the clusters' totals; limits are as far apart, around the mean's logarithm."""
    sample = calls(3)
    totals = np.bincount(sample.units, weights=sample.values)
    error = (14 * totals.var(ddof=1) * 14 / 13) ** 0.5 / sample.values.sum()
    estimate = mean(sample)

    assert estimate.value == pytest.approx(sample.values.mean())
    middle = log(sample.values.mean()) + error**2 / 2
    assert log(estimate.upper) == pytest.approx(middle + student(LEVEL, 13) * error)
    assert log(estimate.lower) == pytest.approx(middle - student(LEVEL, 13) * error)


def test_what_is_too_few_to_be_judged_has_no_limits() -> None:
    """Below 20 bookings or 7 units a side."""
    few, enough = plain([2.0] * 19), calls(1)
    for estimate in (mean(few), mean_ratio(few, enough), mean_ratio(enough, few), mean_ratio(enough, plain([]))):
        assert (estimate.lower, estimate.upper) == (-inf, inf)
        assert "bookings" in estimate.shortage
    assert mean(plain([])).value is None


def test_nothing_counted_is_said() -> None:
    """No calls at all are neither a huge improvement nor an error."""
    nothing = plain([0.0] * 140)
    for estimate in (mean_ratio(nothing, calls(1)), mean_ratio(calls(1), nothing), mean(nothing)):
        assert (estimate.lower, estimate.upper) == (-inf, inf)
        assert "nothing was counted" in estimate.obstacle


@given(samples())
def test_identical_data_are_never_an_improvement(sample: Sample) -> None:
    """The same rows on both sides: 1 lies between the limits."""
    estimate = mean_ratio(sample, sample)
    assert estimate.lower <= 1 <= estimate.upper


@given(samples(), samples(), st.floats(0.01, 0.99), st.integers(0, 9))
def test_limits_follow_the_values_and_nothing_else(post: Sample, baseline: Sample, factor: float, seed: int) -> None:
    """Fewer by a factor, limits fewer by it; order and unit do not matter."""
    plainly = mean_ratio(post, baseline)
    fewer = mean_ratio(post.replaced(post.values * factor), reordered(baseline, seed))
    assert (fewer.lower, fewer.upper) == pytest.approx((plainly.lower * factor, plainly.upper * factor))
    both = mean_ratio(
        reordered(post, seed).replaced(reordered(post, seed).values * 1000), baseline.replaced(baseline.values * 1000)
    )
    assert (both.lower, both.upper) == pytest.approx((plainly.lower, plainly.upper))
