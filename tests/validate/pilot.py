"""The chances that the project was planned by, simulated at ten jobs a day on each side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from otel_auto_assign.analysis.judging import Finding, estimate, within
from tests.validate.cells import ITEMS, Item
from tests.validate.windows import PILOT_DAY_SD, World, draw

P50, P95, CALLS = ITEMS[:3]
JOB: Final = replace(P95, claim=replace(P95.claim, name="job p95 halved", value=0.5), limit=0.5, expected=0.42)


@dataclass(frozen=True)
class Figure:
    """A chance that was named when the project was planned.

    Attributes:
        item: The goal; its expectation is true.
        days: After which it is judged.
        named: The chance of it to be met.
    """

    item: Item
    days: int
    named: float

    def __str__(self) -> str:
        return f"{self.item.claim.name}, truth {self.item.expected:g}, after {self.days} days"


FIGURES: Final = (
    Figure(P95, 14, 0.24),
    Figure(P95, 28, 0.52),
    Figure(P95, 56, 0.89),
    Figure(P50, 14, 0.84),
    Figure(CALLS, 56, 0.37),
    Figure(JOB, 124, 0.80),
)
TOLERANCE: Final = 0.10
"""How far a chance may be from the one that was named: whose simulation was another."""


def chance(figure: Figure, runs: int, seed: int) -> float:
    """Of the goal to be met, over so many simulated pilots."""
    random = np.random.default_rng(seed)
    drawn = draw(World(figure.days, day_sd=PILOT_DAY_SD), runs, random)
    values = figure.item.values(drawn, figure.item.expected, random)
    found = (estimate(figure.item.claim, *drawn.sides(window, values)) for window in range(runs))
    return sum(within(figure.item.claim, one.lower, one.upper) is Finding.HELD for one in found) / runs
