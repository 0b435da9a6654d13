"""The simulated windows are what they say, else nothing follows from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from otel_auto_assign.analysis.plans import Unit
from tests.validate.windows import FEW_BOOKINGS, World, counts, draw, durations, events

WORLD = World(28, day_sd=0.5, autocorrelation=0.7)


def random() -> np.random.Generator:
    """The same numbers in every test."""
    return np.random.default_rng(7)


@pytest.mark.parametrize("shape", ["plain", "outliers", "ties", "20 bookings"])
def test_the_true_ratio_is_the_one_that_was_asked_for(shape: str) -> None:
    """Over very many windows every quantile of the post side is that share of the baseline's."""
    drawn = draw(replace(WORLD, shape=shape), 600, random())
    values = durations(drawn, 0.7, random())
    ratios = [np.quantile(values[drawn.on], at) / np.quantile(values[~drawn.on], at) for at in (0.5, 0.9, 0.94)]
    assert ratios == pytest.approx([0.7] * 3, rel=0.04)
    assert (len(np.unique(values)) < 200) is (shape == "ties")


def test_true_means_and_shares() -> None:
    """Those of counts and events, whatever days differ."""
    for shape in ("plain", "outliers", "20 bookings"):
        drawn = draw(replace(WORLD, shape=shape), 800, random())
        numbers = counts(drawn, 0.5, 3.6, random())
        assert numbers[~drawn.on].mean() == pytest.approx(3.6, rel=0.03)
        assert numbers[drawn.on].mean() == pytest.approx(1.8, rel=0.03)
        happened = events(drawn, 0.05, 0.4, random())
        assert happened[drawn.on].mean() == pytest.approx(0.05, rel=0.05)
        assert happened[~drawn.on].mean() == pytest.approx(0.4, rel=0.02)


def test_days_differ_and_resemble_the_one_before() -> None:
    """By the standard deviation and the correlation that were asked for."""
    drawn = draw(WORLD, 400, random())
    first = np.unique(drawn.cell, return_index=True)[1]
    days = np.full(400 * 2 * 28, np.nan)
    days[drawn.cell[first]] = drawn.day[first]
    table = days.reshape(-1, 28)
    assert np.nanstd(table) == pytest.approx(0.5, rel=0.05)
    both = ~np.isnan(table[:, 1:] + table[:, :-1])
    assert np.corrcoef(table[:, 1:][both], table[:, :-1][both])[0, 1] == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize("days", [7, 28])
def test_days_are_switched_in_pairs(days: int) -> None:
    """Of two days that follow each other one is on, and which is chance; a unit is on one side only."""
    drawn = draw(World(days, jobs_a_day=100), 50, random())
    on = np.zeros(50 * 2 * days, dtype=bool)
    on[drawn.cell] = drawn.on
    pairs = on.reshape(100, days)[:, : days // 2 * 2].reshape(100, -1, 2)
    assert (pairs.sum(axis=2) == 1).all()
    assert 0.4 < pairs[..., 0].mean() < 0.6
    post, baseline = drawn.sides(3, durations(drawn, 0.7, random()))
    assert post.count_units + baseline.count_units == 2 * days
    assert post.rows + baseline.rows == pytest.approx(2 * 100 * days, rel=0.1)


def test_twenty_bookings_a_side_with_several_runs_each() -> None:
    """Exactly where days are switched, on average where bookings are."""
    drawn = draw(replace(WORLD, shape="20 bookings"), 50, random())
    for window in range(50):
        for side in drawn.sides(window, durations(drawn, 0.7, random())):
            assert side.count_bookings == FEW_BOOKINGS
            assert side.rows > 2 * FEW_BOOKINGS
    drawn = draw(replace(WORLD, shape="20 bookings", unit=Unit.BOOKING), 50, random())
    bookings = [side.count_bookings for window in range(50) for side in drawn.sides(window, drawn.day)]
    assert np.mean(bookings) == pytest.approx(FEW_BOOKINGS, rel=0.05)


def test_windows_follow_each_other() -> None:
    """The first half is before the change."""
    drawn = draw(World(28, Unit.WINDOW), 3, random())
    post, baseline = drawn.sides(1, drawn.day)
    assert post.days is not None
    assert baseline.days is not None
    assert post.days.min() == 14
    assert baseline.days.max() == 13
