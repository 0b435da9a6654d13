"""Jobs, inline runs and planner calls of a window, as columns of numbers: what comparisons are computed from.

A day is the day of the run's start in one time zone. The contract's rows do not say for which day a table was asked,
and flags are switched by the clock: what a switched day is to assignment, this day is to the figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from otel_auto_assign.analysis.arrays import Bools, Codes, Floats

UNKNOWN: Final = -1
"""Of a code: nobody said. Of a flag: neither on nor off."""
ON, OFF = 1, 0
NO_RUN_ID: Final = "calls in a flow that do not say in which run"
"""What is counted as unreadable, by the name that `gaps` knows it by."""

Flags = NDArray[np.int8]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Columns:
    """What jobs, inline runs and planner calls have in common, a row each.

    Attributes:
        bookings: Code of the booking; a run without one has a code of its own.
        restaurants: Code of the restaurant, or `UNKNOWN`.
        began: Unix milliseconds.
        days: Number of the day (``date.toordinal()``).
        ms: How long it took.
        policy, cache: The flags at its start: `ON`, `OFF` or `UNKNOWN`, which a default is too.
    """

    bookings: Codes
    restaurants: Codes
    began: Floats
    days: Integers
    ms: Floats
    policy: Flags
    cache: Flags

    def __len__(self) -> int:
        return len(self.began)

    @property
    def exposed(self) -> Flags:
        """Both flags on, both off, or neither: unknown, and in between."""
        return np.where(self.policy == self.cache, self.policy, UNKNOWN).astype(np.int8)

    def where(self, keep: Bools) -> Self:
        """Give some of them."""
        return replace(self, **{column.name: getattr(self, column.name)[keep] for column in fields(self)})


@dataclass(frozen=True, eq=False, kw_only=True)
class Runs(Columns):
    """Jobs or inline runs; ``ms`` of one that has not ended is its age.

    Attributes:
        names: ``job_id`` or ``attemptId``.
        beyond: It has not ended, as far as its rows say: it takes longer than ``ms``.
        outcomes: Code of the result or terminal, in ``Cohort.outcomes``; `UNKNOWN` without one.
        silent: It has no end, and its last row is so old that it does not run any more.
        attempts: How many.
        limits: Of a time-out, the limit in milliseconds; else not a number.
        mixed: Its rows disagree about the flags.
    """

    names: NDArray[np.object_]
    beyond: Bools
    outcomes: Codes
    silent: Bools
    attempts: Integers
    limits: Floats
    mixed: Bools


@dataclass(frozen=True, eq=False, kw_only=True)
class Calls(Columns):
    """Planner calls; what is common of a call in a run is the run's, and ``ms`` not a number where it cannot be read.

    Attributes:
        jobs: Place of its job in the cohort's jobs, or `UNKNOWN`.
        inline: Place of its run in the cohort's inline runs, or `UNKNOWN`; both unknown: outside any flow.
        cache_hit: The cache answered.
        hard: It failed for a hard reason.
    """

    jobs: Codes
    inline: Codes
    cache_hit: Bools
    hard: Bools


@dataclass(frozen=True, eq=False)
class Cohort:
    """All that is compared of one side.

    Attributes:
        jobs, inline, calls: Its rows.
        bookings: The bookings' ids, by code; of a run whose booking nobody named, the run's.
        named: Of each of them, whether it is a booking's.
        restaurants: The restaurants' ids, by code.
        outcomes: Results of jobs and terminals of inline runs, by code.
        unreadable: What was left out, and how many rows or runs of it.
    """

    jobs: Runs
    inline: Runs
    calls: Calls
    bookings: list[str]
    named: Bools
    restaurants: list[str]
    outcomes: list[str]
    unreadable: dict[str, int] = field(default_factory=dict)

    def outcome(self, *names: str) -> Codes:
        """Give the codes of some outcomes."""
        return np.array([code for code, name in enumerate(self.outcomes) if name in names], dtype=np.intp)

    def where(self, *, jobs: Bools, inline: Bools, calls: Bools) -> Cohort:
        """Give some of its jobs, inline runs and calls; a call goes with its run, or else as ``calls`` says."""
        kept = self.calls
        in_job, in_run = kept.jobs != UNKNOWN, kept.inline != UNKNOWN
        keep = np.where(in_job, _taken(jobs, kept.jobs), np.where(in_run, _taken(inline, kept.inline), calls))
        left = kept.where(keep)
        moved = replace(left, jobs=_moved(jobs, left.jobs), inline=_moved(inline, left.inline))
        return replace(self, jobs=self.jobs.where(jobs), inline=self.inline.where(inline), calls=moved)

    def exposed(self, state: int) -> Cohort:
        """Give what was under flags that were `ON`, `OFF` or `UNKNOWN`."""
        return self.where(
            jobs=self.jobs.exposed == state,
            inline=self.inline.exposed == state,
            calls=self.calls.exposed == state,
        )

    def at(self, restaurants: Any) -> Cohort:
        """Give what was at some restaurants, named by their ids."""
        codes = [code for code, name in enumerate(self.restaurants) if name in set(restaurants)]
        return self.where(
            jobs=np.isin(self.jobs.restaurants, codes),
            inline=np.isin(self.inline.restaurants, codes),
            calls=np.isin(self.calls.restaurants, codes),
        )


def _taken(keep: Bools, places: Codes) -> Bools:
    """Whether each place is kept; whatever for an unknown one."""
    return keep[places] if len(keep) else np.zeros(len(places), dtype=bool)


def _moved(keep: Bools, places: Codes) -> Codes:
    """Give the new places of rows of which only some are kept."""
    if not len(keep):
        return places
    return np.where(places == UNKNOWN, UNKNOWN, (np.cumsum(keep) - 1)[places]).astype(np.intp)
