"""Shares and their differences."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from otel_auto_assign.analysis.estimates import LEVEL, TWO_SIDED, student
from otel_auto_assign.analysis.rates import (
    FEW_EVENTS,
    clopper_pearson,
    intra_class_correlation,
    rate,
    rate_difference,
    slower,
    wilson,
)
from otel_auto_assign.analysis.samples import Sample
from tests.analysis.cohorts import plain, reordered


def events(happened: int, rows: int, *, per_unit: int = 1) -> Sample:
    """``happened`` of ``rows`` bookings, spread over the units as evenly as can be."""
    return plain(
        [float((row + 1) * happened // rows > row * happened // rows) for row in range(rows)], per_unit=per_unit
    )


@st.composite
def shares(draw: st.DrawFn) -> Sample:
    """Rows of 0 and 1 in at least seven units."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, share = draw(st.integers(20, 80)), draw(st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.9, 1.0]))
    units = np.append(np.arange(7), random.integers(0, 10, rows - 7))
    return Sample.of(random.random(rows) < share, bookings=np.arange(rows), units=units, restaurants=units % 2)


@given(st.integers(1, 300), st.floats(0, 1), st.sampled_from([LEVEL, TWO_SIDED]))
def test_exact_limits_are_scipys(rows: int, share: float, level: float) -> None:
    """Clopper-Pearson of whole numbers as scipy's exact test has it, from either side."""
    happened = round(share * rows)
    lower, upper = clopper_pearson(happened, rows, level)
    assert upper == pytest.approx(binomtest(happened, rows, alternative="less").proportion_ci(level, "exact").high)
    assert lower == pytest.approx(binomtest(happened, rows, alternative="greater").proportion_ci(level, "exact").low)


@given(st.integers(1, 300), st.floats(0, 1))
def test_score_limits_are_statsmodels(rows: int, share: float) -> None:
    """Wilson's interval."""
    happened = round(share * rows)
    expected = proportion_confint(happened, rows, method="wilson")
    assert wilson(happened / rows, rows, student(TWO_SIDED, inf)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("post", "baseline"), [((56, 70), (48, 80)), ((30, 98), (25, 84)), ((21, 400), (40, 380))])
def test_the_difference_is_newcombes(post: tuple[int, int], baseline: tuple[int, int]) -> None:
    """With a unit a row and so many of them that t is nearly the normal it is statsmodels' method of that name."""
    scale = 30
    estimate = rate_difference(*(events(happened * scale, rows * scale) for happened, rows in (post, baseline)))
    low, high = confint_proportions_2indep(
        post[0] * scale, post[1] * scale, baseline[0] * scale, baseline[1] * scale, method="newcomb", compare="diff"
    )
    assert estimate.value == pytest.approx(post[0] / post[1] - baseline[0] / baseline[1])
    assert estimate.interval == pytest.approx((low, high), rel=0.01)
    assert estimate.lower > low
    assert estimate.upper < high


def test_the_difference_worked_out_with_an_effect() -> None:
    """Wilson's limits of each side on rows / effect with that side's t, distances added in quadrature."""
    random = np.random.default_rng(4)
    sides = [
        Sample.of(
            random.random(200) < np.repeat(random.uniform(0.2, 0.8, 20), 10),
            bookings=range(200),
            units=[row // 10 for row in range(200)],
        )
        for _ in range(2)
    ]
    estimate = rate_difference(*sides)
    assert estimate.baseline is not None
    assert min(estimate.post.effect, estimate.baseline.effect) > 1.2
    post, baseline = (float(side.values.mean()) for side in sides)
    t = student(LEVEL, 19)
    high = wilson(post, 200 / estimate.post.effect, t)[1]
    low = wilson(baseline, 200 / estimate.baseline.effect, t)[0]
    assert estimate.upper == pytest.approx(post - baseline + ((high - post) ** 2 + (baseline - low) ** 2) ** 0.5)


@pytest.mark.parametrize("falls", [False, True])
def test_bookings_allow_for_their_days_in_the_limit_that_is_to_be_kept(falls: bool) -> None:
    """What a change does to a share differs from day to day; harm is seen without waiting for many of them."""
    day = np.repeat(np.arange(14), 20)
    values = (np.arange(280) % 20 < np.where(day % 4 < 2, 16, 6)).astype(float)
    sides = [Sample.of(values, bookings=np.arange(280), days=days) for days in (day, None)]
    with_days, without = (rate_difference(side, side, falls=falls) for side in sides)

    kept, seen = ("lower", "upper") if falls else ("upper", "lower")
    assert abs(getattr(with_days, kept)) > 1.5 * abs(getattr(without, kept))
    assert getattr(with_days, seen) == pytest.approx(getattr(without, seen))
    switched = Sample.of(values, bookings=np.arange(280), units=day, days=day)
    assert abs(rate_difference(switched, switched).lower) > 1.5 * abs(without.lower)


def test_none_slow_needs_120_runs_at_ten_a_day() -> None:
    """Fifty-nine would do if runs were independent; at a correlation of 0.1 within days it takes twelve days of ten."""
    assert rate(events(0, 59)).upper <= 0.05
    assert rate(events(0, 58)).upper > 0.05
    assert rate(events(0, 110, per_unit=10)).upper > 0.05
    assert rate(events(0, 120, per_unit=10)).upper <= 0.05
    assert rate(events(0, 120, per_unit=10)).post.effect == pytest.approx(1.9)


def test_all_slow_is_no_more_certain_than_none() -> None:
    """Where all happened the limit is the mirror of where none did."""
    assert rate(events(120, 120, per_unit=10)).lower == pytest.approx(1 - rate(events(0, 120, per_unit=10)).upper)


def test_the_baselines_correlation_goes_before_the_plans() -> None:
    """If the baseline can tell how events gather it is believed; if it has too few events the plan is."""
    gathered = plain([float(row // 10 % 2) for row in range(200)], per_unit=10)
    scattered = plain([float(row % 2) for row in range(200)], per_unit=10)
    none = events(0, 120, per_unit=10)

    assert intra_class_correlation(gathered) == pytest.approx(1, abs=0.1)
    assert intra_class_correlation(scattered) == 0
    assert intra_class_correlation(events(FEW_EVENTS - 1, 200, per_unit=10)) is None
    assert rate(none, baseline=gathered).post.effect > 9
    assert rate(none, baseline=scattered).post.effect == 1
    assert rate(none, baseline=none, correlation=0.2).post.effect == pytest.approx(2.8)


def test_one_slow_run_is_no_easier_than_none() -> None:
    """A few events say nothing of how they gather, so that the planned correlation counts for them as well."""
    uppers = [rate(events(happened, 120, per_unit=10)).upper for happened in range(FEW_EVENTS)]
    assert uppers == sorted(uppers)
    assert rate(events(1, 120, per_unit=10)).post.effect >= 1.9


def test_a_run_without_an_end_is_slow() -> None:
    """What timed out counts as slower than any limit, even one beyond the time-out."""
    sample = plain([100.0, 3000.0, 2000.0, 500.0], beyond=1)
    assert list(slower(sample, 2000).values) == [0, 1, 0, 1]
    assert not slower(sample, 2000).beyond.any()


def test_what_is_too_few_to_be_judged_has_no_limits() -> None:
    """Neither a share nor a difference, and nothing at all has not even a value."""
    few, enough = events(3, 19), events(30, 100)
    for estimate in (
        rate(few),
        rate_difference(few, enough),
        rate_difference(enough, few),
        rate(events(9, 30, per_unit=6)),
    ):
        assert (estimate.lower, estimate.upper) == (-inf, inf)
        assert estimate.shortage
    assert rate(plain([])).value is None
    assert rate_difference(plain([]), enough).value is None


@given(shares())
def test_identical_data_show_no_difference(sample: Sample) -> None:
    """The limits lie on both sides of 0."""
    estimate = rate_difference(sample, sample)
    assert estimate.lower <= 0 <= estimate.upper


@given(shares(), shares(), st.integers(0, 9))
def test_order_does_not_matter(post: Sample, baseline: Sample, seed: int) -> None:
    """Rows in another order give the same limits."""
    first, second = rate_difference(post, baseline), rate_difference(reordered(post, seed), reordered(baseline, seed))
    assert (second.lower, second.upper) == pytest.approx((first.lower, first.upper))
    assert rate(reordered(post, seed)).upper == pytest.approx(rate(post).upper)


@given(shares(), shares())
def test_limits_hold_the_value(post: Sample, baseline: Sample) -> None:
    """They lie around it, within what a share or a difference can be."""
    estimate = rate_difference(post, baseline)
    assert estimate.value is not None
    assert -1 <= estimate.lower <= estimate.value <= estimate.upper <= 1
    single = rate(post)
    assert single.value is not None
    assert 0 <= single.lower <= single.value + 1e-12
    assert single.value - 1e-12 <= single.upper <= 1
