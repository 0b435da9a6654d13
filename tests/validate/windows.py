"""Simulated windows with known truth: clustered, heavy-tailed, correlated from day to day, tied, with outliers.

Many windows are drawn at once, as columns; ``Drawn.sides`` gives the two samples of one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from otel_auto_assign.analysis.arrays import Bools, Codes, Floats
from otel_auto_assign.analysis.plans import Unit
from otel_auto_assign.analysis.samples import Sample

RESTAURANTS: Final = 2
"""Of the pilot."""
PILOT_JOBS_A_DAY: Final = 10
"""Of each side; the figures of days and chances that the project goes by are for this."""
PILOT_DAY_SD: Final = 0.17
BODY_SD: Final = 0.55
"""Of the logarithm of planner durations within a day: the middle half of the real runs has 0.51."""
TAIL_SHARE: Final = 0.05
TAIL_SD: Final = 0.9
"""A part of the runs comes from a wider distribution: the logarithm of all real runs has 0.97."""
CALLS_SHAPE: Final = 3.0
"""Of the gamma distribution that spreads the bookings' counts: with a mean of 3.6 calls the p95 is 9."""
OUTLIER_SHARE: Final = 0.01
OUTLIER_FACTOR: Final = 60.0
"""As far from the rest as the real system's 2,576,035 ms are."""
RUNS_OF_A_BOOKING: Final = 4
"""More runs of each booking, on average, where there are 20 bookings a side."""
FEW_BOOKINGS: Final = 20


@dataclass(frozen=True)
class World:
    """How the days of a window are.

    Attributes:
        days: Of the window, both sides together.
        unit: What is switched; restaurant-days at random in pairs of days that follow each other.
        day_sd: Of the logarithm, or of the probit, between the days of a restaurant.
        autocorrelation: Of one day with the next.
        shape: ``plain``, ``outliers``, ``ties`` or ``20 bookings`` a side.
        jobs_a_day: Of each side, both restaurants together.
    """

    days: int = 28
    unit: Unit = Unit.RESTAURANT_DAY
    day_sd: float = 0.25
    autocorrelation: float = 0.0
    shape: str = "plain"
    jobs_a_day: float = PILOT_JOBS_A_DAY


@dataclass(frozen=True)
class Drawn:
    """The rows of many windows, one after the other."""

    world: World
    first: Codes
    on: Bools
    bookings: Codes
    units: Codes
    restaurants: Codes
    cell: Codes
    day: Floats
    own: Floats
    """Of the booking, where it has several runs: 0 else."""

    def sides(self, window: int, values: Floats) -> tuple[Sample, Sample]:
        """The post side and the baseline of one window, with ``values`` for all rows of all windows."""
        rows = slice(self.first[window], self.first[window + 1])
        on = self.on[rows]
        whole = Sample(
            values=values[rows],
            beyond=np.zeros(len(on), dtype=bool),
            bookings=self.bookings[rows],
            units=self.units[rows],
            restaurants=self.restaurants[rows],
            days=self.cell[rows] % self.world.days,
        )
        return whole.where(on), whole.where(~on)

    @property
    def windows(self) -> int:
        """How many there are."""
        return len(self.first) - 1


def draw(world: World, windows: int, random: np.random.Generator) -> Drawn:
    """Draw the rows of ``windows`` windows: who is on, what belongs together, how the days were."""
    cells = windows * RESTAURANTS * world.days
    effects = _days(world, windows, random).reshape(-1)
    switched = _switched(world, windows, random).reshape(-1)
    if world.shape == "20 bookings":
        counts = _few(world, windows, switched, random)
    else:
        counts = random.poisson(world.jobs_a_day * 2 / RESTAURANTS, cells)
    cell = np.repeat(np.arange(cells), counts)
    by_booking = world.unit is Unit.BOOKING
    on = random.random(len(cell)) < 0.5 if by_booking else switched[cell]
    own = np.zeros(len(cell))
    booking = np.arange(len(cell))
    if world.shape == "20 bookings":
        runs = 1 + random.poisson(RUNS_OF_A_BOOKING, len(cell))
        own = np.repeat(random.normal(0, 0.5, len(cell)), runs)
        booking, cell, on = np.repeat(booking, runs), np.repeat(cell, runs), np.repeat(on, runs)
    window = cell // (RESTAURANTS * world.days)
    return Drawn(
        world=world,
        first=np.searchsorted(window, np.arange(windows + 1)),
        on=on,
        bookings=booking,
        units=booking if by_booking else cell,
        restaurants=cell // world.days % RESTAURANTS,
        cell=cell,
        day=effects[cell],
        own=own,
    )


def _days(world: World, windows: int, random: np.random.Generator) -> Floats:
    """Effects of the days of each restaurant, each day's like the one before to a degree; stationary from the start."""
    steps = random.normal(size=(windows, RESTAURANTS, world.days))
    effects = np.empty_like(steps)
    effects[..., 0] = steps[..., 0]
    for day in range(1, world.days):
        effects[..., day] = (
            world.autocorrelation * effects[..., day - 1] + (1 - world.autocorrelation**2) ** 0.5 * steps[..., day]
        )
    return effects * world.day_sd


def _switched(world: World, windows: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Whether the flags are on: of two days that follow each other one, at random; windows: the second half."""
    if world.unit is Unit.WINDOW:
        return np.broadcast_to(np.arange(world.days) >= world.days // 2, (windows, RESTAURANTS, world.days))
    first = random.random((windows, RESTAURANTS, (world.days + 1) // 2)) < 0.5
    return np.stack([first, ~first], axis=-1).reshape(windows, RESTAURANTS, -1)[..., : world.days]


def _few(world: World, windows: int, switched: Bools, random: np.random.Generator) -> Codes:
    """Bookings of each restaurant-day so that each side has 20, or of both sides 40 where bookings are switched."""
    sides = [np.ones_like(switched)] if world.unit is Unit.BOOKING else [switched, ~switched]
    counts = np.zeros(len(switched), dtype=np.intp)
    for side in sides:
        chance = side.reshape(windows, -1) / np.maximum(1, side.reshape(windows, -1).sum(axis=1, keepdims=True))
        counts += random.multinomial(FEW_BOOKINGS * (2 // len(sides)), chance).reshape(-1)
    return counts


def durations(drawn: Drawn, ratio: float, random: np.random.Generator) -> Floats:
    """Durations in ms: each quantile of the post side is ``ratio`` times the baseline's, exactly."""
    rows = len(drawn.on)
    wide = random.random(rows) < TAIL_SHARE
    logs = np.where(wide, random.normal(0.8, TAIL_SD, rows), random.normal(0, BODY_SD, rows)) + drawn.day + drawn.own
    if drawn.world.shape == "outliers":
        logs += np.where(random.random(rows) < OUTLIER_SHARE, np.log(OUTLIER_FACTOR), 0)
    if drawn.world.shape == "ties":
        step = -np.log(ratio) / 2 if ratio != 1 else 0.18  # a whole number of steps is the ratio: it stays exact
        logs = np.round(logs / step) * step
    return np.asarray(6500 * np.exp(logs) * np.where(drawn.on, ratio, 1), dtype=np.float64)


def counts(drawn: Drawn, ratio: float, mean: float, random: np.random.Generator) -> Floats:
    """Counts of each row with ``mean`` in the baseline and ``ratio`` times that after; many zeros, a long tail."""
    rows = len(drawn.on)
    spread = np.exp(drawn.day + drawn.own - drawn.world.day_sd**2 / 2 - (drawn.own.any() * 0.5**2) / 2)
    rate = mean * spread * random.gamma(CALLS_SHAPE, 1 / CALLS_SHAPE, rows)
    if drawn.world.shape == "outliers":
        rate *= np.where(random.random(rows) < OUTLIER_SHARE, 10.0, 1.0) / (1 + 9 * OUTLIER_SHARE)
    return np.asarray(random.poisson(rate * np.where(drawn.on, ratio, 1)), dtype=np.float64)


def events(drawn: Drawn, post: float, baseline: float, random: np.random.Generator) -> Floats:
    """Rows of 0 and 1 with these shares on average, more on some days than on others (a probit's random effect)."""
    shares = np.where(drawn.on, ndtri(post), ndtri(baseline))
    spread = drawn.day + drawn.own
    width = (1 + drawn.world.day_sd**2 + (0.25 if drawn.own.any() else 0)) ** 0.5
    return np.asarray(random.normal(size=len(shares)) < shares * width + spread, dtype=np.float64)
