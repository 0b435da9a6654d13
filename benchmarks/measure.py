"""Ratios that mean something on a busy machine: both sides in one process, in turns, on the CPU time of one thread."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

ROUNDS: Final = 21
"""Odd, so that a median is a measured value; enough for the quartiles to say how much the rounds differ."""

WARM_UP_ROUNDS: Final = 2


@dataclass(frozen=True)
class Side:
    """One side of a comparison: ``run`` does its work and gives what one unit of it cost, in nanoseconds."""

    name: str
    run: Callable[[], float]


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of one number over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Summarise at least two samples."""
        low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass(frozen=True)
class Measured:
    """The samples of each side, round by round."""

    samples: dict[str, list[float]]

    def spread(self, name: str) -> Spread:
        """What one unit of the side ``name`` cost, in nanoseconds."""
        return Spread.of(self.samples[name])

    def ratio(self, name: str, against: str) -> Spread:
        """The ratio of two sides: one value a round, whose noise both sides shared."""
        pairs = zip(self.samples[name], self.samples[against], strict=True)
        return Spread.of([ours / theirs for ours, theirs in pairs])


def interleaved(*sides: Side, rounds: int = ROUNDS) -> Measured:
    """Run all sides in turns, ``rounds`` times; the turn's order is reversed from round to round."""
    samples: dict[str, list[float]] = {side.name: [] for side in sides}
    gc.collect()
    gc.freeze()  # what was imported is not searched for garbage again and again, at the cost of whose turn it is
    for number in range(-WARM_UP_ROUNDS, rounds):
        for side in sides if number % 2 else reversed(sides):
            gc.collect()
            cost = side.run()
            if number >= 0:
                samples[side.name].append(cost)
    return Measured(samples)


def thread_cpu(work: Callable[[], None], units: int) -> float:
    """CPU nanoseconds of the calling thread that one of the ``units`` of ``work`` took."""
    before = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - before) / units


def process_cpu(work: Callable[[], None], units: int) -> float:
    """CPU nanoseconds of all threads of this process that one of the ``units`` of ``work`` took."""
    before = time.process_time_ns()
    work()
    return (time.process_time_ns() - before) / units


def wall(work: Callable[[], None], units: int) -> float:
    """Nanoseconds that one of the ``units`` of ``work`` took."""
    before = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - before) / units
