"""A cohort → the samples that plans speak of: what one observation of each measure is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from otel_auto_assign import semconv
from otel_auto_assign.analysis.arrays import Bools, Codes, Floats
from otel_auto_assign.analysis.cohorts import OFF, ON, UNKNOWN, Calls, Cohort, Runs
from otel_auto_assign.analysis.plans import Unit
from otel_auto_assign.analysis.samples import Sample
from otel_auto_assign.analysis.validity import Exposure, Side, overlapping

NO_DECISION: Final = (semconv.RESULT_SKIPPED, semconv.RESULT_CANCELLED)
"""Results of jobs that decided nothing."""
NOT_TIMED: Final = (*NO_DECISION, semconv.RESULT_ALREADY_CONFIRMED)
"""Results of jobs whose duration says nothing of assignment."""


def samples(cohort: Cohort, unit: Unit) -> dict[str, Sample]:
    """Give the sample of every measure; one without rows is left out.

    Args:
        cohort: Of one side.
        unit: What was switched as a whole; of windows it is taken to be the restaurant's day.
    """
    found = {name: make(cohort, unit) for name, make in _MAKERS.items()}
    return {name: sample for name, sample in found.items() if sample.rows}


def side(cohort: Cohort, unit: Unit) -> Side:
    """Say who is on this side, by its jobs and inline runs."""
    both = (cohort.jobs, cohort.inline)
    exposed = np.concatenate([runs.exposed for runs in both])
    restaurants = np.concatenate([runs.restaurants for runs in both])
    days = np.concatenate([runs.days for runs in both])
    bookings = np.concatenate([runs.bookings for runs in both])
    pairs = {
        (cohort.restaurants[restaurant] if restaurant != UNKNOWN else "", int(day))
        for restaurant, day in set(zip(restaurants.tolist(), days.tolist(), strict=True))
    }
    names = frozenset(cohort.bookings[code] for code in np.unique(bookings))
    return Side(
        bookings=names,
        runs=frozenset(cohort.jobs.names) | frozenset(cohort.inline.names),
        restaurant_days=frozenset(pairs),
        exposure=Exposure(*(int(np.count_nonzero(exposed == state)) for state in (ON, OFF, UNKNOWN))),
        units=len(names) if unit is Unit.BOOKING else len(pairs),
        mixed_runs=sum(int(runs.mixed.sum()) for runs in both),
    )


def idle(cohort: Cohort) -> tuple[int, int]:
    """Say how many jobs decided nothing, skipped or cancelled, and of how many."""
    return int(np.count_nonzero(_outcome(cohort, cohort.jobs, *NO_DECISION))), len(cohort.jobs)


def overlap(post: Cohort, baseline: Cohort) -> float:
    """The share of jobs that ran beside one of the other side's, at the same restaurant on the same day."""
    places: list[tuple[str, int]] = []
    for cohort in (post, baseline):
        names = [*cohort.restaurants, ""]  # UNKNOWN is the last
        places += [(names[r], int(d)) for r, d in zip(cohort.jobs.restaurants, cohort.jobs.days, strict=True)]
    began = np.concatenate([post.jobs.began, baseline.jobs.began])
    took = np.nan_to_num(np.concatenate([post.jobs.ms, baseline.jobs.ms]))
    on = np.repeat([True, False], [len(post.jobs), len(baseline.jobs)])
    return overlapping(places, began, began + took, on)


def _sample(
    rows: Runs | Calls, keep: Bools, values: Any, unit: Unit, beyond: Bools | None = None, limit: float | None = None
) -> Sample:
    """Make a sample of those rows that are kept; ``values`` and ``beyond`` are of all of them."""
    restaurants, days = rows.restaurants[keep], rows.days[keep]
    return Sample.of(
        np.asarray(values, dtype=np.float64)[keep],
        bookings=rows.bookings[keep],
        units=None if unit is Unit.BOOKING else _restaurant_days(restaurants, days),
        restaurants=restaurants,
        days=days,
        beyond=None if beyond is None else beyond[keep],
        limit=limit,
    )


def _restaurant_days(restaurants: Codes, days: Any) -> Codes:
    if not len(days):
        return np.array([], dtype=np.intp)
    span = int(days.max()) + 1
    codes: Codes = restaurants.astype(np.int64) * span + days
    return codes


def _outcome(cohort: Cohort, runs: Runs, *names: str) -> Bools:
    found: Bools = np.isin(runs.outcomes, cohort.outcome(*names))
    return found


# -- planner calls ------------------------------------------------------------------------------------------------


def _uncached(cohort: Cohort) -> Bools:
    return ~cohort.calls.cache_hit


def _first(cohort: Cohort, runs: Codes, unit: Unit) -> Sample:
    """The first uncached call of each run; a run whose first call has no readable duration is left out."""
    calls = cohort.calls
    places = np.flatnonzero((runs != UNKNOWN) & _uncached(cohort))
    order = places[np.lexsort((calls.began[places], runs[places]))]
    first = np.zeros(len(calls), dtype=bool)
    first[order[np.flatnonzero(np.diff(runs[order], prepend=UNKNOWN))]] = True
    return _sample(calls, first & np.isfinite(calls.ms), calls.ms, unit)


def _calls(cohort: Cohort, unit: Unit) -> Sample:
    return _sample(cohort.calls, _uncached(cohort) & np.isfinite(cohort.calls.ms), cohort.calls.ms, unit)


def _cache_hits(cohort: Cohort, unit: Unit) -> Sample:
    return _sample(cohort.calls, np.ones(len(cohort.calls), dtype=bool), cohort.calls.cache_hit, unit)


def _cache_hits_of_failures(cohort: Cohort, unit: Unit) -> Sample:
    return _sample(cohort.calls, cohort.calls.hard, cohort.calls.cache_hit, unit)


# -- bookings -----------------------------------------------------------------------------------------------------


def _of_bookings(counts: Floats, cohort: Cohort, keep: Bools, unit: Unit) -> Sample:
    """A value for each booking; restaurant and day are those of its first run."""
    bookings, restaurants, days, began = (
        np.concatenate([getattr(runs, name) for runs in (cohort.jobs, cohort.inline)])
        for name in ("bookings", "restaurants", "days", "began")
    )
    order = np.lexsort((began, bookings))
    first = order[np.flatnonzero(np.diff(bookings[order], prepend=UNKNOWN))]
    chosen = first[keep[bookings[first]]]
    return Sample.of(
        counts[bookings[chosen]],
        bookings=bookings[chosen],
        units=None if unit is Unit.BOOKING else _restaurant_days(restaurants[chosen], days[chosen]),
        restaurants=restaurants[chosen],
        days=days[chosen],
    )


def _calls_per_booking(cohort: Cohort, unit: Unit) -> Sample:
    counts = np.bincount(cohort.calls.bookings[_uncached(cohort)], minlength=len(cohort.bookings)).astype(np.float64)
    return _of_bookings(counts, cohort, cohort.named, unit)


def _attempts_per_booking(cohort: Cohort, unit: Unit) -> Sample:
    jobs = cohort.jobs
    counts = np.bincount(jobs.bookings, weights=jobs.attempts, minlength=len(cohort.bookings)).astype(np.float64)
    return _of_bookings(counts, cohort, cohort.named & (counts > 0), unit)


# -- jobs ---------------------------------------------------------------------------------------------------------


def _timed(cohort: Cohort) -> Bools:
    return ~_outcome(cohort, cohort.jobs, *NOT_TIMED) & np.isfinite(cohort.jobs.ms)


def _job_ms(cohort: Cohort, unit: Unit) -> Sample:
    return _sample(cohort.jobs, _timed(cohort), cohort.jobs.ms, unit, beyond=cohort.jobs.beyond)


def _job_success_ms(cohort: Cohort, unit: Unit) -> Sample:
    never = ~_outcome(cohort, cohort.jobs, semconv.RESULT_SUCCEEDED)
    return _sample(cohort.jobs, _timed(cohort), cohort.jobs.ms, unit, beyond=never)


def _decided(cohort: Cohort) -> Bools:
    """Jobs that came to a decision: a result, or silence for so long that the process must have died."""
    jobs = cohort.jobs
    ended: Bools = (jobs.outcomes != UNKNOWN) | jobs.silent
    return ended & ~_outcome(cohort, jobs, *NO_DECISION)


def _job_success(cohort: Cohort, unit: Unit) -> Sample:
    return _sample(cohort.jobs, _decided(cohort), _outcome(cohort, cohort.jobs, semconv.RESULT_SUCCEEDED), unit)


def _job_failure(cohort: Cohort, unit: Unit) -> Sample:
    well = _outcome(cohort, cohort.jobs, semconv.RESULT_SUCCEEDED, semconv.RESULT_ALREADY_CONFIRMED)
    return _sample(cohort.jobs, _decided(cohort), ~well, unit)


# -- inline runs --------------------------------------------------------------------------------------------------


def _inline_ms(cohort: Cohort, unit: Unit) -> Sample:
    runs = cohort.inline
    timed_out = _outcome(cohort, runs, semconv.INLINE_TIMEOUT)
    limits = runs.limits[timed_out & np.isfinite(runs.limits)]
    limit = float(limits.min()) if len(limits) else None
    found = _sample(runs, np.isfinite(runs.ms), runs.ms, unit, beyond=runs.beyond | timed_out)
    return found if limit is None else found.cut(limit)


def _inline_timeout(cohort: Cohort, unit: Unit) -> Sample:
    known = cohort.inline.outcomes != UNKNOWN
    return _sample(cohort.inline, known, _outcome(cohort, cohort.inline, semconv.INLINE_TIMEOUT), unit)


_MAKERS: Final[Mapping[str, Callable[[Cohort, Unit], Sample]]] = {
    "planner_job_ms": lambda cohort, unit: _first(cohort, cohort.calls.jobs, unit),
    "planner_inline_ms": lambda cohort, unit: _first(cohort, cohort.calls.inline, unit),
    "planner_calls_ms": _calls,
    "calls_per_booking": _calls_per_booking,
    "attempts_per_booking": _attempts_per_booking,
    "job_ms": _job_ms,
    "job_success_ms": _job_success_ms,
    "inline_ms": _inline_ms,
    "inline_timeout": _inline_timeout,
    "job_success": _job_success,
    "job_failure": _job_failure,
    "cache_hit": _cache_hits,
    "cache_hit_failures": _cache_hits_of_failures,
}
