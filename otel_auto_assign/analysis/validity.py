"""Whether two sides can be compared at all: exposure, allocation, what both share, how they disturb each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from otel_auto_assign.analysis.arrays import Floats
from otel_auto_assign.analysis.estimates import MIN_BOOKINGS
from otel_auto_assign.analysis.plans import Stage, Unit
from otel_auto_assign.analysis.samples import Sample

EXPOSED: Final = 0.99
"""So much of a side must have been seen with the flags as they should be."""
ALLOCATION_ALARM: Final = 0.001
"""The chance below which an allocation is not what was planned: one false alarm in a thousand looks. Fabijan and
others, Diagnosing sample ratio mismatch in online controlled experiments (2019)."""
MAX_CARRIED: Final = 0.01
"""The share of bookings that may be on both sides where days or windows are switched and not they: one that is tried
again after midnight meets the next day's flags. As many as `EXPOSED` lets see other flags."""
MAX_OVERLAP: Final = 0.10
"""The share of jobs that may compete with the other side's for tables before bookings are no clean units."""


@dataclass(frozen=True)
class Exposure:
    """Runs of one side by the flags they saw; a flag that is not set is unknown, not off."""

    on: int = 0
    off: int = 0
    unknown: int = 0

    @property
    def runs(self) -> int:
        """All of them."""
        return self.on + self.off + self.unknown

    def share(self, on: bool) -> float:
        """The share that saw the flags on, or off; 0 where there are no runs."""
        return (self.on if on else self.off) / self.runs if self.runs else 0.0


@dataclass(frozen=True)
class Side:
    """Who is on one side.

    Attributes:
        bookings: Its bookings.
        runs: Its jobs and inline runs.
        restaurant_days: Pairs of restaurant and day.
        exposure: Its runs by the flags they saw.
        units: How many units of assignment it has.
        mixed_runs: How many of its runs saw the flags change.
    """

    bookings: frozenset[Hashable] = frozenset()
    runs: frozenset[Hashable] = frozenset()
    restaurant_days: frozenset[tuple[Hashable, Hashable]] = frozenset()
    exposure: Exposure = field(default_factory=Exposure)
    units: int = 0
    mixed_runs: int = 0

    @property
    def restaurants(self) -> frozenset[Hashable]:
        """Its restaurants."""
        return frozenset(restaurant for restaurant, _ in self.restaurant_days)


def allocation_chance(on: int, off: int, share: float) -> float:
    """The chance of an allocation at least as unlikely as this one, if each unit is on with chance ``share``.

    The exact two-sided binomial test (Clopper and Pearson 1934; scipy's ``binomtest``).

    >>> round(allocation_chance(7, 7, 0.5), 3), allocation_chance(140, 60, 0.5) < 0.001
    (1.0, True)
    """
    return float(binomtest(on, on + off, share).pvalue) if on + off else 1.0


def faults(stage: Stage, post: Side, baseline: Side) -> tuple[str, ...]:
    """Say why the sides of a stage cannot be compared; empty where they can. Each is a sentence.

    At exposure 0 or 1 there is one side, the post side, which must have seen the flags as they should be.
    """
    found = [_unexposed("post side", post, on=stage.exposure > 0)]
    if post.mixed_runs + baseline.mixed_runs:
        found.append(f"the flags change within {post.mixed_runs + baseline.mixed_runs} runs")
    if 0 < stage.exposure < 1 or stage.unit is Unit.WINDOW:
        found += [_unexposed("baseline", baseline, on=False), *_mixed_up(stage, post, baseline)]
    return tuple(sentence for sentence in found if sentence)


def caps(stage: Stage, *, overlap: float = 0.0) -> tuple[str, ...]:
    """Say why a comparison, though sound, cannot pass.

    Args:
        stage: Its unit decides.
        overlap: What ``overlapping`` gives.
    """
    if stage.unit is Unit.WINDOW:
        return ("two windows differ by their days as well: what they show can be marginal at best",)
    if stage.unit is Unit.BOOKING and overlap > MAX_OVERLAP:
        return (f"{overlap:.0%} of the jobs ran beside the other side's at the same tables: switch whole days",)
    return ()


def copies(post: Mapping[str, Sample], baseline: Mapping[str, Sample]) -> tuple[str, ...]:
    """Say which durations are the same numbers on both sides: one set of data twice, which would keep any fixed limit.

    Counts and shares may well be equal; of durations that differ among themselves a whole side never is.
    """
    same = [
        measure
        for measure in sorted(post.keys() & baseline.keys())
        if measure.endswith("_ms") and _alike(post[measure].values, baseline[measure].values)
    ]
    return (f"both sides have the same {' and '.join(same)}: one is a copy of the other",) if same else ()


def overlapping(places: Iterable[Hashable], starts: ArrayLike, ends: ArrayLike, on: ArrayLike) -> float:
    """The share of jobs during which a job of the other side ran at the same restaurant and service date.

    Args:
        places: Restaurant and service date of each job.
        starts: When each began, in any unit.
        ends: When each ended, not before its start.
        on: Which side each is on.

    >>> overlapping(["a", "a", "a", "b"], [0, 5, 20, 5], [10, 8, 30, 8], [True, False, False, False])
    0.5
    """
    begun, ended, side = np.asarray(starts, dtype=float), np.asarray(ends, dtype=float), np.asarray(on, dtype=bool)
    known: dict[Hashable, int] = {}
    where = np.array([known.setdefault(place, len(known)) for place in places], dtype=np.intp)
    meets = np.zeros(len(where), dtype=bool)
    order = np.argsort(where, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(where[order])) + 1):
        for mine, theirs in ((rows[side[rows]], rows[~side[rows]]), (rows[~side[rows]], rows[side[rows]])):
            before = np.searchsorted(np.sort(begun[theirs]), ended[mine], side="left")
            over = np.searchsorted(np.sort(ended[theirs]), begun[mine], side="right")
            meets[mine] = before > over
    return float(meets.mean()) if len(meets) else 0.0


def _alike(post: Floats, baseline: Floats) -> bool:
    if len(post) != len(baseline) or len(np.unique(post)) < MIN_BOOKINGS:
        return False
    return bool((np.sort(post) == np.sort(baseline)).all())


def _unexposed(name: str, side: Side, *, on: bool) -> str:
    exposure = side.exposure
    if not exposure.runs:  # without units either there are no rows: too little data, not wrong data
        return f"what the flags were on the {name} nobody knows, and unset is not off" if side.units else ""
    share = exposure.share(on)
    if share >= EXPOSED:
        return ""
    word, unknown = ("on" if on else "off"), exposure.unknown
    rest = f"; of {unknown} nobody knows, and unset is not off" if unknown else ""
    return f"the flags were {word} in {share:.1%} of the {name}'s {exposure.runs} runs, {EXPOSED:.0%} are needed{rest}"


def _mixed_up(stage: Stage, post: Side, baseline: Side) -> Iterable[str]:
    both, bookings = post.bookings & baseline.bookings, len(post.bookings | baseline.bookings)
    allowed = 0.0 if stage.unit is Unit.BOOKING else MAX_CARRIED * bookings
    if len(both) > allowed:
        yield f"{len(both)} of {bookings} bookings are on both sides, {min(map(str, both))} for one"
    runs = post.runs & baseline.runs
    if runs:
        yield f"{len(runs)} runs are on both sides, {min(map(str, runs))} for one"
    if not post.exposure.runs or not baseline.exposure.runs:
        return  # one side is still empty: too little data
    if stage.unit is Unit.BOOKING and not post.restaurant_days & baseline.restaurant_days:
        yield "the sides share no day at any restaurant: bookings were not assigned one by one"
    if not post.restaurants & baseline.restaurants:
        yield "no restaurant is on both sides: what differs may be the restaurants"
    if stage.unit is not Unit.WINDOW:
        chance = allocation_chance(post.units, baseline.units, stage.exposure)
        if chance < ALLOCATION_ALARM:
            of = post.units + baseline.units
            yield f"{post.units} of {of} units are on, where {stage.exposure:.0%} were planned (p = {chance:.2g})"
