"""Every goal and guardrail exactly at its limit, in every kind of window: how often is it met or held all the same?

While the others are far better a gate passes wrongly just as often as the one at its limit is called met or held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Final

import numpy as np

from otel_auto_assign.analysis.arrays import Floats
from otel_auto_assign.analysis.judging import Finding, estimate, within
from otel_auto_assign.analysis.plans import Bound, Claim, Goal, Guardrail, Unit
from otel_auto_assign.analysis.rates import clopper_pearson
from tests.validate.windows import Drawn, World, counts, draw, durations, events

AT_ONCE: Final = 500
"""Windows drawn together: more would only need more memory."""
SHAPES: Final = {
    "durations": ("plain", "outliers", "ties", "20 bookings"),
    "counts": ("plain", "outliers", "20 bookings"),
    "events": ("plain", "20 bookings"),
}
"""Which shapes make a difference to what."""


@dataclass(frozen=True)
class Item:
    """A goal or guardrail, and how to draw values for which the truth is a given one.

    Attributes:
        claim: As a plan has it.
        method: By which it is judged.
        kind: Of values, a key of ``SHAPES``.
        limit: The truth exactly at its bound.
        expected: The truth that is hoped for.
        values: Draws values for a truth.
    """

    claim: Claim
    method: str
    kind: str
    limit: float
    expected: float
    values: Callable[[Drawn, float, np.random.Generator], Floats] = field(repr=False)


def _durations(drawn: Drawn, truth: float, random: np.random.Generator) -> Floats:
    return durations(drawn, truth, random)


def _calls(drawn: Drawn, truth: float, random: np.random.Generator) -> Floats:
    return counts(drawn, truth, 3.6, random)


def _attempts(drawn: Drawn, truth: float, random: np.random.Generator) -> Floats:
    return counts(drawn, 1.0, truth, random)


def _share(drawn: Drawn, truth: float, random: np.random.Generator) -> Floats:
    return events(drawn, truth, truth, random)


def _rise(baseline: float, drawn: Drawn, truth: float, random: np.random.Generator) -> Floats:
    return events(drawn, baseline + truth, baseline, random)


def _ratio(name: str, statistic: str, value: float) -> Goal:
    return Goal(name, "planner_job_ms", statistic, Bound.RATIO_AT_MOST, value, expect=0.1)


ITEMS: Final = (
    Item(_ratio("planner p50 -30 %", "p50", 0.7), "quantile ratio, p50", "durations", 0.7, 0.5, _durations),
    Item(_ratio("planner p95 -30 %", "p95", 0.7), "quantile ratio, p95", "durations", 0.7, 0.5, _durations),
    Item(_ratio("calls -50 %", "mean", 0.5), "ratio of means", "counts", 0.5, 0.46, _calls),
    Item(
        Goal("at most 5 % slow", "inline_ms", "share_above", Bound.AT_MOST, 0.05, above=0.5, expect=0.01),
        "exact share", "events", 0.05, 0.01, _share,
    ),
    Item(
        Guardrail("success >= 65 %", "job_success", "rate", Bound.AT_LEAST, 0.65),
        "exact share", "events", 0.65, 0.8, _share,
    ),
    Item(
        Guardrail("time-outs +10 pp", "inline_timeout", "rate", Bound.RISE_AT_MOST, 0.1),
        "Newcombe's difference", "events", 0.1, 0.0, partial(_rise, 0.4),
    ),
    Item(
        Guardrail("failures +10 pp", "job_failure", "rate", Bound.RISE_AT_MOST, 0.1),
        "Newcombe's difference", "events", 0.1, 0.0, partial(_rise, 0.05),
    ),
    Item(
        Guardrail("attempts <= 2.5", "attempts_per_booking", "mean", Bound.AT_MOST, 2.5),
        "one mean", "counts", 2.5, 2.0, _attempts,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """An item in a kind of window."""

    item: Item
    world: World

    def __str__(self) -> str:
        world = self.world
        return (
            f"{self.item.claim.name}, {world.days} days, {world.unit}, day sd {world.day_sd:g}, "
            f"autocorrelation {world.autocorrelation:g}, {world.shape}"
        )


@dataclass(frozen=True)
class Tally:
    """What came of the windows of a cell.

    Attributes:
        runs: Windows.
        kept: In which the item was called met or held.
        covered: Whose two-sided interval has the truth in it.
        limited: Whose two-sided interval has both its limits.
    """

    cell: Cell
    runs: int
    kept: int
    covered: int
    limited: int

    @property
    def rate(self) -> float:
        """Of those called met or held."""
        return self.kept / self.runs

    @property
    def at_most(self) -> float:
        """The one-sided 95 % limit (Clopper-Pearson) of the rate."""
        return clopper_pearson(self.kept, self.runs)[1]


def cells() -> Iterator[Cell]:
    """Every item in every kind of window in which it could come out otherwise."""
    days_alike = ((0.0, 0.0), (0.25, 0.0), (0.25, 0.7), (0.5, 0.0), (0.5, 0.7))
    for item in ITEMS:
        units = (Unit.BOOKING, Unit.RESTAURANT_DAY)
        for days, unit, (day_sd, likeness), shape in product((7, 14, 28, 56), units, days_alike, SHAPES[item.kind]):
            yield Cell(item, World(days, unit, day_sd, likeness, shape))


def run(cell: Cell, runs: int, seed: int, *, truth: float | None = None) -> Tally:
    """Draw ``runs`` windows in which ``truth``, by default the item's limit, is true, and judge each."""
    random = np.random.default_rng(seed)
    true = cell.item.limit if truth is None else truth
    kept = covered = limited = 0
    for start in range(0, runs, AT_ONCE):
        drawn = draw(cell.world, min(AT_ONCE, runs - start), random)
        values = cell.item.values(drawn, true, random)
        for window in range(drawn.windows):
            found = estimate(cell.item.claim, *drawn.sides(window, values))
            low, high = found.interval
            kept += within(cell.item.claim, found.lower, found.upper) is Finding.HELD
            covered += low - 1e-12 <= true <= high + 1e-12
            limited += bool(np.isfinite([low, high]).all())
    return Tally(cell, runs, kept, covered, limited)
