"""Limits of quantiles and of their ratios."""

from __future__ import annotations

from math import exp, hypot, inf, log

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binom

from otel_auto_assign.analysis.estimates import LEVEL, TWO_SIDED
from otel_auto_assign.analysis.quantiles import lower_rank, needed, quantile, quantile_ratio, upper_rank
from otel_auto_assign.analysis.samples import Sample
from tests.analysis.cohorts import lognormal, plain, reordered, samples

QUANTILES = (0.5, 0.9, 0.95, 0.99)
quantiles = st.sampled_from(QUANTILES)


@pytest.mark.parametrize(
    ("at", "level", "rows"), [(0.95, LEVEL, 59), (0.99, LEVEL, 299), (0.95, TWO_SIDED, 72), (0.99, TWO_SIDED, 368)]
)
def test_the_rows_that_a_limit_needs(at: float, level: float, rows: int) -> None:
    """59 for a p95 and 299 for a p99 one-sided, 72 and 368 for a two-sided interval; one less has no limit."""
    assert needed(at, level=level) == rows
    assert upper_rank(rows, at, rows, level) == rows
    assert upper_rank(rows - 1, at, rows - 1, level) is None


@pytest.mark.parametrize("at", QUANTILES)
@pytest.mark.parametrize("rows", [5, 20, 59, 100, 299, 1000])
@pytest.mark.parametrize("level", [LEVEL, TWO_SIDED])
def test_ranks_are_those_of_the_binomial(at: float, rows: int, level: float) -> None:
    """They are the first from either end that the quantile is beyond with at most 1 - level, tried one by one."""
    upper = [rank for rank in range(1, rows + 1) if binom.sf(rank - 1, rows, at) <= 1 - level]
    lower = [rank for rank in range(1, rows + 1) if binom.cdf(rank - 1, rows, at) <= 1 - level]

    assert upper_rank(rows, at, rows, level) == (min(upper) if upper else None)
    assert lower_rank(rows, at, rows, level) == (max(lower) if lower else None)


@given(st.integers(1, 500), st.floats(0.01, 1.0), quantiles)
def test_fewer_effective_rows_never_narrow_a_limit(rows: int, share: float, at: float) -> None:
    """A limit moves outwards, or away, when the rows are worth less."""
    far, near = upper_rank(rows, at, rows * share), upper_rank(rows, at, rows)
    assert far is None or (near is not None and far >= near)
    low, close = lower_rank(rows, at, rows * share), lower_rank(rows, at, rows)
    assert low is None or (close is not None and low <= close)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_is_percentile_cont(values: list[float], at: float) -> None:
    """As numpy's linear one, which is PostgreSQL's."""
    assert quantile(np.sort(values), at) == pytest.approx(float(np.quantile(values, at)), rel=1e-9, abs=1e-6)


def test_the_ratio_of_medians_worked_out() -> None:
    """One hundred independent rows a side: ranks by the binomial, distances added in quadrature on the log scale."""
    base, post = [float(row) for row in range(100, 200)], [float(row) for row in range(50, 150)]
    estimate = quantile_ratio(plain(post), plain(base), 0.5)
    effective = estimate.post.effective
    assert 97 < effective < 100
    high, low = upper_rank(100, 0.5, effective), lower_rank(100, 0.5, effective)

    assert (high, low) == (59, 42)
    assert estimate.value == pytest.approx(99.5 / 149.5)
    upper = log(99.5 / 149.5) + hypot(log(post[58] / 99.5), log(149.5 / base[41]))
    lower = log(99.5 / 149.5) - hypot(log(99.5 / post[41]), log(base[58] / 149.5))
    assert (estimate.lower, estimate.upper) == pytest.approx((exp(lower), exp(upper)))
    assert estimate.interval[0] < estimate.lower
    assert estimate.interval[1] > estimate.upper
    assert (estimate.shortage, estimate.obstacle) == ("", "")


def test_a_p95_of_too_few_has_no_limit() -> None:
    """Fifty rows a side cannot show a smaller p95, however small it is; the sentence says what is needed."""
    estimate = quantile_ratio(plain([1.0 + row for row in range(50)]), plain([1e6 + row for row in range(50)]), 0.95)

    assert estimate.upper == inf
    assert estimate.shortage.startswith("a limit of p95 needs 59 independent rows, and the post side's 50 are worth 4")
    assert estimate.needed == 59


def test_what_is_too_few_to_be_judged_has_no_limits() -> None:
    """Below 20 bookings or 7 units a side there is a value and nothing else."""
    enough = plain([float(row) for row in range(1, 101)])
    for few in (plain([1.0] * 19), plain([1.0 + row for row in range(60)], per_unit=10), plain([])):
        for post, baseline in ((few, enough), (enough, few)):
            estimate = quantile_ratio(post, baseline, 0.5)
            assert (estimate.lower, estimate.upper, estimate.interval) == (-inf, inf, (-inf, inf))
            assert " needed" in estimate.shortage
    assert quantile_ratio(plain([]), enough, 0.5).value is None


def test_a_baseline_beyond_its_limit_counts_as_the_limit() -> None:
    """What timed out before the change took at least as long as the limit: that can be improved on."""
    post = plain([100.0 + row for row in range(100)], limit=12_000)
    baseline = plain([12_000.0] * 100, beyond=100, limit=12_000)

    estimate = quantile_ratio(post, baseline, 0.95)

    assert estimate.upper < 0.02
    assert estimate.lower == 0  # how much longer it took nobody knows


def test_a_censored_post_quantile_is_never_met() -> None:
    """Time-outs after the change have no upper limit, whatever the baseline was."""
    post = plain([10.0] * 88 + [12_000.0] * 12, beyond=12, limit=12_000)
    estimate = quantile_ratio(post, plain([1e9] * 100, limit=12_000), 0.95)

    assert (estimate.value, estimate.upper) == (None, inf)
    assert "beyond the time-out" in estimate.obstacle
    near = plain([10.0 + row for row in range(97)] + [12_000.0] * 3, beyond=3, limit=12_000)
    reached = quantile_ratio(near, plain([5000.0 + row for row in range(100)], limit=12_000), 0.95)
    assert reached.value is not None
    assert reached.upper == inf


def test_a_censored_post_quantile_can_be_missed() -> None:
    """If nearly all time out after the change and none did before it is slower, by how much nobody knows."""
    post = plain([12_000.0] * 100, beyond=100, limit=12_000)
    estimate = quantile_ratio(post, plain([10.0 + row for row in range(100)], limit=12_000), 0.95)
    assert estimate.lower > 1


def test_differing_limits_are_cut_at_the_smaller() -> None:
    """A shorter time-out must not look like a faster planner, nor a longer one like a slower."""
    slow = [1000.0 + 100 * row for row in range(100)]
    before = plain(slow, limit=12_000)
    shorter = before.cut(5000)

    assert quantile_ratio(shorter, before, 0.95).upper == inf
    same = quantile_ratio(shorter, before, 0.25)
    assert same.value == pytest.approx(1)
    assert quantile_ratio(before, shorter, 0.95).upper == inf


@given(samples(), quantiles)
def test_identical_data_are_never_an_improvement(sample: Sample, at: float) -> None:
    """The same rows on both sides: the upper limit is 1 or more."""
    assert quantile_ratio(sample, sample, at).upper >= 1


@given(samples(), samples(), quantiles, st.floats(0.01, 0.99))
def test_a_faster_post_side_is_never_judged_slower(post: Sample, baseline: Sample, at: float, factor: float) -> None:
    """Limits follow the values: all of them smaller by a factor, the limits are smaller by it."""
    slow = quantile_ratio(post, baseline, at)
    fast = quantile_ratio(post.replaced(post.values * factor, beyond=post.beyond), baseline, at)
    assume(slow.upper < inf)
    assert fast.upper == pytest.approx(slow.upper * factor)
    assert fast.lower == pytest.approx(slow.lower * factor)


@given(samples(), samples(), quantiles, st.integers(0, 9), st.sampled_from([0.001, 1000.0]))
def test_order_and_unit_do_not_matter(post: Sample, baseline: Sample, at: float, seed: int, unit: float) -> None:
    """Rows in another order, or seconds instead of milliseconds, give the same ratio and limits."""
    plainly = quantile_ratio(post, baseline, at)
    shuffled, others = reordered(post, seed), reordered(baseline, seed + 1)
    otherwise = quantile_ratio(
        shuffled.replaced(shuffled.values * unit, beyond=shuffled.beyond),
        others.replaced(others.values * unit, beyond=others.beyond),
        at,
    )
    assert otherwise.lower == pytest.approx(plainly.lower)
    assert otherwise.upper == pytest.approx(plainly.upper)
    assert otherwise.interval == pytest.approx(plainly.interval)


def test_the_clusters_widen_the_limits() -> None:
    """The same values, a unit each or ten to a unit that resembles itself."""
    post, baseline = lognormal(1, scale=0.5, day_sd=1), lognormal(2, day_sd=1)
    alone, before = (Sample.of(one.values, bookings=range(one.rows)) for one in (post, baseline))

    assert quantile_ratio(post, baseline, 0.5).upper > 1.1 * quantile_ratio(alone, before, 0.5).upper
