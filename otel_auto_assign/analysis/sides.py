"""A cohort → the two sides of a comparison: by what was switched as a whole, not by what each run happened to see.

A restaurant's day, or a booking, is on the side of most of its runs; a run of it that saw other flags, or flags that
nobody knows, stays there and counts against the side's exposure. So a switch that did not work is seen, not sorted out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from otel_auto_assign.analysis.cohorts import OFF, ON, UNKNOWN, Calls, Cohort, Flags, Runs
from otel_auto_assign.analysis.gaps import too_many
from otel_auto_assign.analysis.measures import overlap, side
from otel_auto_assign.analysis.plans import Stage, Unit
from otel_auto_assign.analysis.validity import EXPOSED, Side, caps, faults


@dataclass(frozen=True, eq=False)
class Sides:
    """What is compared.

    Attributes:
        post: With the flags on, or what should be.
        baseline: With the flags off; without rows where a stage has nothing to compare with.
        runs: Jobs and inline runs that there are in all.
        nowhere: How many of them are on neither side, because nobody knows their flags.
    """

    post: Cohort
    baseline: Cohort
    runs: int
    nowhere: int = 0

    def faults(self, stage: Stage) -> tuple[str, ...]:
        """Say why they cannot be compared; see `validity.faults`."""
        found = faults(stage, self.who(self.post, stage.unit), self.who(self.baseline, stage.unit))
        if self.nowhere > (1 - EXPOSED) * self.runs:
            lost = f"the flags of {self.nowhere} of {self.runs} runs nobody knows, and unset is not off"
            found = (*found, lost)
        return found

    def caps(self, stage: Stage) -> tuple[str, ...]:
        """Say why a comparison cannot pass; see `validity.caps` and `gaps.too_many`."""
        beside = overlap(self.post, self.baseline) if stage.unit is Unit.BOOKING else 0.0
        missing = too_many(stage, {"post side": self.post, "baseline": self.baseline})
        return (*caps(stage, overlap=beside), *missing)

    @staticmethod
    def who(cohort: Cohort, unit: Unit) -> Side:
        """Say who is on a side; runs whose restaurant nobody named are at no restaurant, and in no unit."""
        found = side(cohort, unit)
        places = frozenset(place for place in found.restaurant_days if place[0])
        units = found.units if unit is Unit.BOOKING else len(places)
        return replace(found, restaurant_days=places, units=units)


def divide(cohort: Cohort, stage: Stage) -> Sides:
    """Share out what was seen during a stage; at exposure 0 and 1 all of it is the post side."""
    runs = len(cohort.jobs) + len(cohort.inline)
    if not 0 < stage.exposure < 1:
        return Sides(cohort, nothing_of(cohort), runs)
    found = [_state(part, cohort, stage.unit) for part in (cohort.jobs, cohort.inline, cohort.calls)]
    post, baseline = (
        cohort.where(jobs=found[0] == state, inline=found[1] == state, calls=found[2] == state) for state in (ON, OFF)
    )
    return Sides(post, baseline, runs, sum(int(np.count_nonzero(part == UNKNOWN)) for part in found[:2]))


def windows(post: Cohort, baseline: Cohort) -> Sides:
    """Compare two windows: all of one with all of the other."""
    return Sides(post, baseline, sum(len(runs) for one in (post, baseline) for runs in (one.jobs, one.inline)))


def nothing_of(cohort: Cohort) -> Cohort:
    """Give a cohort without rows."""
    none = [np.zeros(len(part), dtype=bool) for part in (cohort.jobs, cohort.inline, cohort.calls)]
    return cohort.where(jobs=none[0], inline=none[1], calls=none[2])


def _state(part: Runs | Calls, cohort: Cohort, unit: Unit) -> Flags:
    """On which side each row is."""
    own = part.exposed
    keys, voters = _keys(part, unit), [_keys(runs, unit) for runs in (cohort.jobs, cohort.inline)]
    votes = np.concatenate([runs.exposed for runs in (cohort.jobs, cohort.inline)])
    names, codes = np.unique(np.concatenate([keys, *voters]), return_inverse=True)
    voted = codes[len(keys) :]
    on, off = (np.bincount(voted[votes == state], minlength=len(names)) for state in (ON, OFF))
    whole = np.where(on + off == 0, UNKNOWN, np.where(on >= off, ON, OFF)).astype(np.int8)[codes[: len(keys)]]
    # a booking that saw both is on both sides, and found there; who has no restaurant goes by what they saw
    alone = own != UNKNOWN if unit is Unit.BOOKING else part.restaurants == UNKNOWN
    return np.where(alone | (whole == UNKNOWN), own, whole).astype(np.int8)


def _keys(part: Runs | Calls, unit: Unit) -> Any:
    if unit is Unit.BOOKING:
        return part.bookings.astype(np.int64)
    return part.restaurants.astype(np.int64) * _DAYS + part.days


_DAYS = 10_000_000
"""More than there are days up to the year 9999."""
