"""What the data say of one goal or guardrail: met, missed or undecided; held, breached, undecided or broken before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import floor, inf
from typing import Final

import numpy as np

from otel_auto_assign.analysis.days import DEFAULT_CORRELATION
from otel_auto_assign.analysis.estimates import Estimate, Size
from otel_auto_assign.analysis.means import mean, mean_ratio
from otel_auto_assign.analysis.outliers import outliers
from otel_auto_assign.analysis.plans import COUNTS, QUANTILES, Bound, Claim, Goal, Guardrail, Stage
from otel_auto_assign.analysis.quantiles import quantile, quantile_floor, quantile_ratio
from otel_auto_assign.analysis.rates import rate, rate_difference, slower
from otel_auto_assign.analysis.samples import Sample


class Finding(StrEnum):
    """What became of a goal (the first two) or of a guardrail (the next three); either can be undecided."""

    MET = "met"
    MISSED = "missed"
    HELD = "held"
    BREACHED = "breached"
    BROKEN_BEFORE = "broken before the change"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Judgement:
    """A goal or guardrail, what is known of it, and what follows.

    Attributes:
        claim: The goal or guardrail.
        estimate: Its figure with limits, n and effective n, and what was needed.
        finding: What follows from the limits.
        for_want_of_data: Undecided because there are too few rows, bookings or units for any limit.
        why: The finding in a sentence.
        without_outliers: What the finding would be without the outliers; None where there are none.
        frozen: Of a share above a part of the baseline's p95: the value that came to; else None.
    """

    claim: Claim
    estimate: Estimate
    finding: Finding
    for_want_of_data: bool
    why: str
    without_outliers: Finding | None = None
    frozen: float | None = None

    @property
    def depends_on_outliers(self) -> bool:
        """Whether outliers make the difference between met and missed, or held and breached."""
        pair = {self.finding, self.without_outliers}
        return pair in ({Finding.MET, Finding.MISSED}, {Finding.HELD, Finding.BREACHED})


@dataclass(frozen=True)
class Cohorts:
    """The samples of both sides by measure; what has no rows is left out.

    Attributes:
        post: With the flags on.
        baseline: With the flags off.
        comparable: Whether what is relative may be judged: exposure, allocation and overlap are as planned.
        correlation: The plan's, within units.
        frozen: What ``freeze`` gave before the stage, by the name of the goal.
    """

    post: Mapping[str, Sample]
    baseline: Mapping[str, Sample]
    comparable: bool = True
    correlation: float = DEFAULT_CORRELATION
    frozen: Mapping[str, float] = field(default_factory=dict)

    def sides(self, measure: str) -> tuple[Sample, Sample]:
        """Post side and baseline of a measure."""
        return self.post.get(measure, _NOTHING), self.baseline.get(measure, _NOTHING)


ROUNDING: Final = 1e-9
"""What arithmetic may add to a limit, as a part of the bound."""
_NOTHING: Final = Sample.of([], bookings=[])
_FLOORS: Final = frozenset({Bound.AT_LEAST, Bound.FALL_AT_MOST})
"""Bounds from below."""


def judge(stage: Stage, cohorts: Cohorts) -> tuple[Judgement, ...]:
    """Judge every goal and guardrail of a stage, guardrails first.

    A goal that requires a guardrail is met only if that is held.
    """
    guardrails = tuple(judge_guardrail(one, cohorts) for one in stage.guardrails)
    held = {one.claim.name for one in guardrails if one.finding is Finding.HELD}
    goals = []
    for goal in stage.goals:
        judged = judge_goal(goal, cohorts)
        if judged.finding is Finding.MET and goal.requires and goal.requires not in held:
            judged = _undecided(judged, f"its limit is reached, but {goal.requires!r} is not held")
        goals.append(judged)
    return (*guardrails, *goals)


def judge_goal(goal: Goal, cohorts: Cohorts) -> Judgement:
    """Say whether a goal is met: the one-sided 95 % limit on its side reaches it; missed: the other one excludes it."""
    return _judged(goal, cohorts, Finding.MET, Finding.MISSED)


def judge_guardrail(guardrail: Guardrail, cohorts: Cohorts) -> Judgement:
    """Say whether a guardrail is held or breached, each at a one-sided 5 %, not corrected for their number.

    A correction would hide harm. A limit that the baseline breaks already is neither, unless it is held now.
    """
    judged = _judged(guardrail, cohorts, Finding.HELD, Finding.BREACHED)
    if guardrail.relative and not cohorts.comparable and judged.finding is not Finding.UNDECIDED:
        return _undecided(judged, "the two sides cannot be compared")
    before = _before(guardrail, cohorts)
    if judged.finding is Finding.HELD or before is None or within(guardrail, before, before) is not Finding.BREACHED:
        return judged
    return Judgement(
        judged.claim,
        judged.estimate,
        Finding.BROKEN_BEFORE,
        for_want_of_data=False,
        why=f"the baseline has {before:.4g} already, where {_bounded(guardrail)} is the limit",
        without_outliers=judged.without_outliers,
    )


def estimate(
    claim: Claim,
    post: Sample,
    baseline: Sample,
    *,
    correlation: float = DEFAULT_CORRELATION,
    frozen: float | None = None,
) -> Estimate:
    """Estimate what a claim speaks of; ``frozen`` is the value that its share is above of, if that is fixed already."""
    if claim.statistic in QUANTILES:
        return quantile_ratio(post, baseline, QUANTILES[claim.statistic])
    if claim.statistic in COUNTS:
        return _count(claim, post)
    if claim.statistic == "mean":
        return mean_ratio(post, baseline) if claim.relative else mean(post)
    if claim.statistic == "share_above":
        limit = threshold(claim, baseline) if frozen is None else frozen
        post, baseline = slower(post, limit), slower(baseline, limit)
    if claim.bound.relative:
        return rate_difference(post, baseline, correlation=correlation, falls=claim.bound is Bound.FALL_AT_MOST)
    return rate(post, correlation=correlation, baseline=baseline if baseline.rows else None)


def freeze(stage: Stage, baseline: Mapping[str, Sample]) -> dict[str, float]:
    """Fix, before a stage starts, what its shares are above of: the part of the baseline's p95, rounded down.

    By the name of each goal and guardrail that needs it; without rows there is nothing to fix.
    """
    claims = (*stage.goals, *stage.guardrails)
    return {
        claim.name: _part(claim, quantile(np.sort(baseline[claim.measure].values), QUANTILES["p95"]))
        for claim in claims
        if claim.above_baseline_p95 is not None and claim.measure in baseline and baseline[claim.measure].rows
    }


def threshold(claim: Claim, baseline: Sample) -> float:
    """What a share is above of, if nothing was fixed before: the fixed limit, or what the baseline's p95 surely allows.

    The lower limit of that p95, for with the p95 of the same weeks, by chance too high in one of two cases, a share at
    its limit was called met in 11 % of cases.
    """
    if claim.above is not None:
        return claim.above
    return _part(claim, quantile_floor(baseline, QUANTILES["p95"]))


def _part(claim: Claim, p95: float) -> float:
    return floor((claim.above_baseline_p95 or 0) * p95 + 1e-9)


def within(claim: Claim, lower: float, upper: float) -> Finding:
    """Hold limits against a bound: held if all between them is within it, breached if nothing is, else undecided.

    >>> within(Guardrail("success", "job_success", "rate", Bound.AT_LEAST, 0.65), 0.66, 0.8)
    <Finding.HELD: 'held'>
    """
    bound = -claim.value if claim.bound is Bound.FALL_AT_MOST else claim.value
    if claim.bound in _FLOORS:
        lower, upper, bound = -upper, -lower, -bound
    if claim.statistic in COUNTS and upper <= bound:
        return Finding.HELD
    near = abs(bound) * ROUNDING  # a limit that is the bound itself, as ties make it, decides nothing
    if upper < bound - near:
        return Finding.HELD
    return Finding.BREACHED if lower > bound + near else Finding.UNDECIDED


def _judged(claim: Claim, cohorts: Cohorts, good: Finding, bad: Finding) -> Judgement:
    post, baseline = cohorts.sides(claim.measure)
    frozen = cohorts.frozen.get(claim.name) if claim.above_baseline_p95 is not None else None
    found = estimate(claim, post, baseline, correlation=cohorts.correlation, frozen=frozen)
    if claim.above_baseline_p95 is not None and frozen is None and not baseline.rows:
        found = Estimate(None, -inf, inf, (-inf, inf), found.post, shortage="the baseline has no rows")
    finding = _finding(claim, found, good, bad)
    without = None
    if claim.statistic not in COUNTS and claim.measure.endswith("_ms"):
        beyond = outliers(post, baseline)
        if beyond:
            rest = estimate(
                claim, beyond.without(post), beyond.without(baseline), correlation=cohorts.correlation, frozen=frozen
            )
            without = _finding(claim, rest, good, bad)
    return Judgement(
        claim=claim,
        estimate=found,
        finding=finding,
        for_want_of_data=finding is Finding.UNDECIDED and bool(found.shortage),
        why=_why(claim, found, finding),
        without_outliers=without,
        frozen=_threshold(claim, baseline, frozen),
    )


def _threshold(claim: Claim, baseline: Sample, frozen: float | None) -> float | None:
    if claim.above_baseline_p95 is None:
        return None
    return threshold(claim, baseline) if frozen is None else frozen


def _finding(claim: Claim, found: Estimate, good: Finding, bad: Finding) -> Finding:
    kept = within(claim, found.lower, found.upper)
    return {Finding.HELD: good, Finding.BREACHED: bad}.get(kept, Finding.UNDECIDED)


def _before(claim: Claim, cohorts: Cohorts) -> float | None:
    """The baseline's own figure, where it can be held against the bound."""
    _, baseline = cohorts.sides(claim.measure)
    return None if claim.relative or not baseline.rows else estimate(claim, baseline, _NOTHING).value


def _count(claim: Claim, post: Sample) -> Estimate:
    count = post.rows if claim.statistic == "rows" else post.count_bookings
    size = Size(post.rows, post.count_bookings, post.count_units, 1.0, inf)
    short = f"there are {count}, {claim.value:g} are needed" if count < claim.value else ""
    limits = (-inf, inf) if short else (float(count), float(count))
    return Estimate(float(count), *limits, limits, size, needed=round(claim.value), shortage=short)


def _undecided(judged: Judgement, why: str) -> Judgement:
    return Judgement(
        judged.claim, judged.estimate, Finding.UNDECIDED, False, why, judged.without_outliers, judged.frozen
    )


def _why(claim: Claim, found: Estimate, finding: Finding) -> str:
    if finding is not Finding.UNDECIDED:
        good = finding in {Finding.MET, Finding.HELD}
        limit = found.lower if good is (claim.bound in _FLOORS) else found.upper
        return f"its limit of {limit:.4g} is held against {_bounded(claim)}"
    if found.shortage or found.obstacle:
        return found.shortage or found.obstacle
    return f"{_bounded(claim)} lies within its limits, {found.lower:.4g} and {found.upper:.4g}"


def _bounded(claim: Claim) -> str:
    return f"{claim.bound.value.replace('_', ' ')} {claim.value:g}"
