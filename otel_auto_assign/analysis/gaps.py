"""What the rows of a side do not say: where much of it is missing, a good figure may be what is left of a bad one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from otel_auto_assign.analysis.arrays import Bools
from otel_auto_assign.analysis.cohorts import NO_RUN_ID, UNKNOWN, Cohort
from otel_auto_assign.analysis.plans import Goal, Stage

TOLERABLE: Final = 0.01
"""A share of missing rows that no judgement hangs on: as much as may have seen other flags."""

_SPEED: Final = frozenset({"planner_job_ms", "planner_inline_ms", "planner_calls_ms"})
_CALLS: Final = _SPEED | {"calls_per_booking", "cache_hit", "cache_hit_failures"}


@dataclass(frozen=True)
class Gap:
    """Rows that should say something, and do not.

    Attributes:
        what: Of what, and what it lacks: "planner calls have no readable duration".
        lost: How many lack it.
        of: How many there are.
        measures: What is made of them.
    """

    what: str
    lost: int
    of: int
    measures: frozenset[str]


def too_many(stage: Stage, sides: Mapping[str, Cohort]) -> tuple[str, ...]:
    """Say what is missing on the sides, by their names, that the stage's verdict hangs on, each a sentence."""
    deciding = {one.measure for one in (*stage.goals, *stage.guardrails) if not isinstance(one, Goal) or one.decides}
    found = [(gap, f" on the {name}") for name, cohort in sides.items() for gap in _gaps(cohort)]
    found += [(_nameless(sides.values()), "")]
    return tuple(
        f"{gap.lost} of {gap.of} {gap.what}{where}: what is missing may be what is bad"
        for gap, where in found
        if gap.lost > TOLERABLE * gap.of and gap.measures & deciding
    )


def _gaps(cohort: Cohort) -> tuple[Gap, ...]:
    """Count what is missing; jobs without an end are no gap, for they count as failed and as longer than their age."""
    asked, runs = cohort.calls.where(~cohort.calls.cache_hit), cohort.inline
    endless = (runs.outcomes == UNKNOWN) & runs.silent
    return (
        Gap("planner calls have no readable duration", _many(~np.isfinite(asked.ms)), len(asked), _SPEED),
        Gap("inline runs have no readable duration", _many(~np.isfinite(runs.ms)), len(runs), frozenset({"inline_ms"})),
        Gap("inline runs have no terminal", _many(endless), len(runs), frozenset({"inline_timeout"})),
    )


def _nameless(cohorts: Collection[Cohort]) -> Gap:
    """Calls that are on no side, for their run is not known."""
    lost = max(cohort.unreadable.get(NO_RUN_ID, 0) for cohort in cohorts)
    calls = sum(len(cohort.calls) for cohort in cohorts)
    return Gap("planner calls do not say in which run", lost, lost + calls, _CALLS)


def _many(which: Bools) -> int:
    return int(np.count_nonzero(which))
