"""Tests of otel_auto_assign.analysis.page.shift."""

from __future__ import annotations

import numpy as np
import pytest

from otel_auto_assign.analysis.page.curves import SHARES
from otel_auto_assign.analysis.page.shift import AT, shift, spread
from otel_auto_assign.analysis.quantiles import quantile_ratio
from tests.analysis.cohorts import lognormal, plain


def test_each_quantile_is_compared_as_the_verdicts_compare_it() -> None:
    """The ratio and the two-sided interval are those of `quantiles`, nothing is computed a second way."""
    post, baseline = lognormal(1, scale=0.5), lognormal(2)
    found = shift(post, baseline)
    assert [one.at for one in found] == list(AT)
    for one in found:
        known = quantile_ratio(post, baseline, one.at)
        assert one.ratio == known.value
        assert one.interval == known.interval or one.why


def test_a_quantile_that_the_rows_cannot_carry_is_not_there() -> None:
    """Of four calls none; of forty the middle ones, and no p95."""
    assert [one.ratio for one in shift(plain([1, 2, 3, 4]), plain([5, 6, 7, 8]))] == [None] * len(AT)
    few = shift(lognormal(1, units=8, per_unit=5), lognormal(2, units=8, per_unit=5))
    carried = {one.at for one in few if one.ratio is not None}
    assert carried == {at for at in AT if 0.1 <= at <= 0.9}
    assert shift(plain([]), plain([1.0])) == []


def test_no_interval_is_said_to_be_none() -> None:
    """With too few units of assignment there is a point, no band, and a sentence."""
    found = shift(
        plain([float(n) for n in range(1, 101)], per_unit=50), plain([float(n) for n in range(1, 101)], per_unit=50)
    )
    assert {one.interval for one in found} == {None}
    assert {one.why for one in found} == {"the post side has 2 units of assignment, 7 are needed"}


def test_a_spread_is_of_the_values_themselves() -> None:
    """The share of values up to each is at least the one that it stands for, and the one before it is less."""
    values = np.random.default_rng(5).lognormal(0, 1, 777)
    for share, value in zip(SHARES, spread(values), strict=True):
        assert (values <= value).mean() >= share - 1e-12
        assert (values < value).mean() <= share or share == 0
    assert spread(np.array([])) == []
    assert spread(np.array([7.0])) == pytest.approx([7.0] * len(SHARES))
