"""The rollout plan: stages, and what each must show before the next one starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from otel_auto_assign.analysis.days import DEFAULT_CORRELATION


class PlanError(ValueError):
    """A plan that cannot be followed: one sentence that says what, where, and what to write instead."""


class Unit(StrEnum):
    """What is switched on or off as a whole."""

    RESTAURANT_DAY = "restaurant-day"
    BOOKING = "booking"
    WINDOW = "window"


class Bound(StrEnum):
    """What a figure is held against. The words are the plan's keys."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    RATIO_AT_MOST = "ratio_at_most"
    RISE_AT_MOST = "rise_at_most"
    FALL_AT_MOST = "fall_at_most"

    @property
    def relative(self) -> bool:
        """Whether it needs a baseline to compare with."""
        return self not in {Bound.AT_MOST, Bound.AT_LEAST}


MEASURES: Final[Mapping[str, str]] = {
    "planner_job_ms": "the first uncached planner call of each job, in ms",
    "planner_inline_ms": "the first uncached planner call of each inline run, in ms",
    "planner_calls_ms": "every uncached planner call, in ms; for showing: fewer repeats look like more speed",
    "calls_per_booking": "uncached planner calls of all flows for each booking with a job or inline run, zeros too",
    "attempts_per_booking": "attempts for each booking with one",
    "job_ms": "start to end of each started job but skipped, cancelled and already confirmed ones, in ms",
    "job_success_ms": "the same, where a job that did not succeed never ends",
    "inline_ms": "each inline run, in ms, a time-out beyond its limit",
    "inline_timeout": "1 for an inline run that timed out, 0 for any other",
    "job_success": "1 for a job that succeeded, 0 for one that did not, of those decided",
    "job_failure": "1 for a job that did not succeed, 0 for one that did, of those decided",
    "cache_hit": "1 for a planner call that the cache answered, 0 for any other",
    "cache_hit_failures": "the same, of the calls that failed for a hard reason",
}
"""What a plan can speak of, and what one observation of it is."""

RATES: Final = frozenset({"inline_timeout", "job_success", "job_failure", "cache_hit", "cache_hit_failures"})
"""Measures of 0 and 1."""

QUANTILES: Final[Mapping[str, float]] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
"""Statistics that are a quantile."""

COUNTS: Final = frozenset({"rows", "bookings"})
"""Statistics that count; of them nothing is uncertain."""

ALLOWED: Final[Mapping[str, frozenset[Bound]]] = {
    **dict.fromkeys(QUANTILES, frozenset({Bound.RATIO_AT_MOST})),
    "mean": frozenset({Bound.RATIO_AT_MOST, Bound.AT_MOST, Bound.AT_LEAST}),
    "rate": frozenset({Bound.AT_MOST, Bound.AT_LEAST, Bound.RISE_AT_MOST, Bound.FALL_AT_MOST}),
    "share_above": frozenset({Bound.AT_MOST, Bound.RISE_AT_MOST}),
    **dict.fromkeys(COUNTS, frozenset({Bound.AT_LEAST})),
}
"""Which bounds a statistic can be held against."""


@dataclass(frozen=True)
class Claim:
    """A statistic of a measure, and the bound it should keep.

    Attributes:
        name: What reports call it.
        measure: One of ``MEASURES``.
        statistic: A quantile, ``mean``, ``rate`` (share of 1), ``share_above``, ``rows`` or ``bookings`` (counts).
        bound: How it is bounded.
        value: The bound: a ratio, a share, a mean, a count; of a rise or fall the difference of two shares.
        above: With ``share_above``: the fixed limit, in the measure's unit.
        above_baseline_p95: With ``share_above`` instead: this part of the baseline's p95, rounded down.
    """

    name: str
    measure: str
    statistic: str
    bound: Bound
    value: float
    above: float | None = None
    above_baseline_p95: float | None = None

    @property
    def relative(self) -> bool:
        """Whether it needs a baseline."""
        return self.bound.relative or self.above_baseline_p95 is not None


@dataclass(frozen=True)
class Goal(Claim):
    """What the change is made for.

    Attributes:
        expect: What the statistic (relative: the ratio) is expected to be, for reckoning how long it takes to show it.
        max_days: Beyond so many days it is not decidable at the volume there is.
        decides: False: shown, and no part of the verdict.
        requires: The guardrail that must be held for this goal to be met.
    """

    expect: float | None = None
    max_days: int = 56
    decides: bool = True
    requires: str = ""


@dataclass(frozen=True)
class Guardrail(Claim):
    """What the change must not harm."""


@dataclass(frozen=True)
class Stage:
    """A step of the rollout, at one exposure.

    Attributes:
        name: What the command line calls it.
        unit: What is switched.
        exposure: The share of units with the flags on; 0 before the change, 1 without a hold-back.
        days: From the start to the one look.
        soak_hours: It must have run so long before the look.
        start: When it starts; None: when the gate is first asked, which the ledger remembers.
        environment: Whose rows count; empty: all.
        restaurants: Whose rows count; empty: all.
    """

    name: str
    unit: Unit
    exposure: float
    days: int
    soak_hours: float = 0.0
    start: datetime | None = None
    environment: str = ""
    restaurants: tuple[str, ...] = ()
    goals: tuple[Goal, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()

    def look(self, start: datetime) -> datetime:
        """When the one look at a stage that started at ``start`` is taken."""
        return start + timedelta(days=self.days)


@dataclass(frozen=True)
class Plan:
    """The whole rollout.

    Attributes:
        stages: In their order.
        correlation: Within a unit of assignment, where no data can tell.
    """

    stages: tuple[Stage, ...]
    correlation: float = DEFAULT_CORRELATION

    def stage(self, name: str) -> Stage:
        """The stage of that name.

        Raises:
            PlanError: if there is none.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise PlanError(f"there is no stage {name!r} in the plan: it has {listed(one.name for one in self.stages)}")

    @property
    def digest(self) -> str:
        """A hash of what the plan says: comments, spaces and the order of keys do not change it."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def listed(words: Iterable[object]) -> str:
    """Words one after the other, for a sentence."""
    return ", ".join(str(word) for word in words)
