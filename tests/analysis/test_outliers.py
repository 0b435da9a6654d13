"""The outlier rule."""

from __future__ import annotations

from math import exp, inf

import numpy as np
import pytest

from otel_auto_assign.analysis.outliers import outliers
from tests.analysis.cohorts import lognormal, plain

ONE_OF_THE_REAL_SYSTEM = 2_576_035.0


def test_the_fence_is_three_ranges_above_the_upper_quartile() -> None:
    """On the log scale, and of the baseline: what the change does cannot move it."""
    baseline = plain([exp(row / 10) for row in range(21)])
    found = outliers(plain([1e9] * 20), baseline)

    assert found.fence == pytest.approx(exp(1.5 + 3 * 1.0))
    assert found.post == tuple(range(20))
    assert found.baseline == ()


def test_the_real_systems_outlier_is_one() -> None:
    """43 minutes among seconds are listed, and what is merely slow is not."""
    usual = lognormal(1, units=20)
    with_it = usual.replaced(np.append(usual.values[1:], ONE_OF_THE_REAL_SYSTEM))

    assert outliers(usual, with_it).baseline == (199,)
    assert outliers(usual, with_it).post == ()
    assert outliers(usual, with_it).without(with_it).rows == 199
    assert not outliers(usual, usual)


def test_a_time_out_is_no_outlier() -> None:
    """It is not known how long it would have taken; leaving it out would make the rest look fast."""
    sample = plain([*(1000.0 + row for row in range(40)), ONE_OF_THE_REAL_SYSTEM], beyond=1)
    assert outliers(sample, sample).post == ()
    assert outliers(sample, sample).without(sample).rows == 41


@pytest.mark.parametrize("values", [[], [5.0] * 30, [0.0] * 30])
def test_where_half_are_alike_there_is_no_fence(values: list[float]) -> None:
    """Without a spread nothing is far out."""
    assert outliers(plain([1e9] * 30), plain(values)).fence == inf
    assert not outliers(plain([1e9] * 30), plain(values))
