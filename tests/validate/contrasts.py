"""What the usual ways would have said of the same windows: why the methods are as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Final

import numpy as np

from otel_auto_assign.analysis.estimates import TWO_SIDED, student
from otel_auto_assign.analysis.judging import Finding, within
from otel_auto_assign.analysis.plans import Bound, Guardrail, Unit
from otel_auto_assign.analysis.quantiles import quantile_ratio
from otel_auto_assign.analysis.rates import rate_difference, wilson
from otel_auto_assign.analysis.samples import Sample
from tests.validate.windows import World, draw, durations, events

RATIO: Final = 0.7
RESAMPLES: Final = 299
RISE: Final = Guardrail("rise", "inline_timeout", "rate", Bound.RISE_AT_MOST, 0.1)


def bootstrap_coverage(runs: int, seed: int) -> float:
    """How often the percentile bootstrap's 95 % interval of a p95 ratio holds the truth: rows drawn as if independent.

    Two weeks at ten jobs a day on each side; days that differ by half of themselves.
    """
    random = np.random.default_rng(seed)
    drawn = draw(World(14, day_sd=0.5), runs, random)
    values = durations(drawn, RATIO, random)
    covered = 0
    for window in range(runs):
        tops = [
            np.quantile(random.choice(side.values, (RESAMPLES, side.rows)), 0.95, axis=1)
            for side in drawn.sides(window, values)
        ]
        low, high = np.quantile(tops[0] / tops[1], [0.025, 0.975])
        covered += low <= RATIO <= high
    return covered / runs


def newcombe_coverage(runs: int, seed: int, *, adjusted: bool) -> float:
    """How often Newcombe's 95 % interval holds the truth, on rows as if independent or on their effective number."""
    random = np.random.default_rng(seed)
    drawn = draw(World(14, day_sd=0.5), runs, random)
    values = events(drawn, 0.5, 0.4, random)
    covered = 0
    for window in range(runs):
        post, baseline = drawn.sides(window, values)
        low, high = rate_difference(post, baseline).interval
        if not adjusted:
            after, before = float(post.values.mean()), float(baseline.values.mean())
            (l1, u1), (l2, u2) = (
                wilson(share, side.rows, student(TWO_SIDED, np.inf))
                for share, side in ((after, post), (before, baseline))
            )
            difference = after - before
            low = difference - np.hypot(after - l1, u2 - before)
            high = difference + np.hypot(u1 - after, before - l2)
        covered += low <= 0.1 <= high
    return covered / runs


def none_slow(runs: int, *, per_day: int = 10, share: float = 0.05, correlation: float = 0.1) -> float:
    """The chance that of so many runs none is slow, though ``share`` are: days of a beta-binomial, worked out."""
    weight = 1 / correlation - 1
    slow, quick = share * weight, (1 - share) * weight
    days = [per_day] * (runs // per_day) + [runs % per_day]
    return prod((quick + run) / (slow + quick + run) for day in days for run in range(day))


def design(unit: Unit, runs: int, seed: int, *, autocorrelation: float) -> float:
    """How often a median that is exactly at its limit passes after four weeks, by what was switched."""
    random = np.random.default_rng(seed)
    days = 56 if unit is Unit.WINDOW else 28
    drawn = draw(World(days, unit, 0.25, autocorrelation), runs, random)
    values = durations(drawn, RATIO, random)
    return sum(quantile_ratio(*drawn.sides(window, values), 0.5).upper <= RATIO for window in range(runs)) / runs


def daily_until_pass(runs: int, seed: int, *, days: int = 28) -> float:
    """How often a median at its limit passes at any of the daily looks from the seventh day on."""
    random = np.random.default_rng(seed)
    drawn = draw(World(days, Unit.BOOKING, 0.25), runs, random)
    values = durations(drawn, RATIO, random)
    looks = range(7, days + 1)
    return sum(any(_daily(_faster, drawn.sides(window, values), looks)) for window in range(runs)) / runs


def alarms(runs: int, seed: int, *, rise: float, days: int) -> float:
    """How often a rise of time-outs is called breached at any daily look of so many."""
    random = np.random.default_rng(seed)
    drawn = draw(World(days, Unit.BOOKING, 0.17), runs, random)
    values = events(drawn, 0.4 + rise, 0.4, random)

    def breached(post: Sample, baseline: Sample) -> bool:
        found = rate_difference(post, baseline)
        return within(RISE, found.lower, found.upper) is Finding.BREACHED

    return sum(any(_daily(breached, drawn.sides(window, values), range(1, days + 1))) for window in range(runs)) / runs


def _faster(post: Sample, baseline: Sample) -> bool:
    return quantile_ratio(post, baseline, 0.5).upper <= RATIO


def _daily(judged: Callable[[Sample, Sample], bool], sides: tuple[Sample, Sample], looks: Iterable[int]) -> list[bool]:
    """What is judged after each number of days, of all rows until then."""
    found = []
    for days in looks:
        post, baseline = (side.where(_days(side) < days) for side in sides)
        found.append(bool(post.rows and baseline.rows and judged(post, baseline)))
    return found


def _days(side: Sample) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    assert side.days is not None
    return side.days
