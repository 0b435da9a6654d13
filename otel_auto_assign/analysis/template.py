"""The team's template: the figures that are always put side by side, whatever the plan's goals are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np

from otel_auto_assign.analysis.days import DEFAULT_CORRELATION
from otel_auto_assign.analysis.estimates import Estimate
from otel_auto_assign.analysis.judging import estimate
from otel_auto_assign.analysis.plans import QUANTILES, Bound, Claim
from otel_auto_assign.analysis.quantiles import quantile
from otel_auto_assign.analysis.rates import slower
from otel_auto_assign.analysis.samples import Sample

SECONDS_30: Final = 30_000.0
SECONDS_60: Final = 60_000.0


@dataclass(frozen=True)
class Line:
    """One figure of both sides.

    Attributes:
        claim: What is compared; its bound says how: as a ratio, or as a difference of shares.
        unit: ``ms``, ``share``, or empty for counts.
        baseline: None where there are no rows.
        post: Likewise.
        beyond: Which of ``baseline`` and ``post`` is only known to be larger.
        delta: Post to baseline, with limits and sizes.
        beside: It is no part of the team's template and stands beside it.
    """

    claim: Claim
    unit: str
    baseline: float | None
    post: float | None
    beyond: tuple[str, ...]
    delta: Estimate
    beside: bool = False


def _ratio(name: str, measure: str, statistic: str) -> Claim:
    return Claim(name, measure, statistic, Bound.RATIO_AT_MOST, 1.0)


def _difference(name: str, measure: str, above: float | None = None) -> Claim:
    statistic = "rate" if above is None else "share_above"
    return Claim(name, measure, statistic, Bound.RISE_AT_MOST, 0.0, above)


TEMPLATE: Final = (
    _ratio("planner p95", "planner_job_ms", "p95"),
    _ratio("planner p99", "planner_job_ms", "p99"),
    _ratio("average attempts per booking", "attempts_per_booking", "mean"),
    _ratio("attempts p95", "attempts_per_booking", "p95"),
    _difference("inline time-outs", "inline_timeout"),
    _ratio("background job p95", "job_ms", "p95"),
    _difference("cache hits of hard failures", "cache_hit_failures"),
    _difference("job success", "job_success"),
)
"""Planner: the first uncached call of each job, for repeats that are gone are no speed-up."""
BESIDE: Final = (
    _ratio("planner p50", "planner_job_ms", "p50"),
    _ratio("planner p95, inline", "planner_inline_ms", "p95"),
    _ratio("planner p95, all uncached calls", "planner_calls_ms", "p95"),
    _ratio("planner calls per booking", "calls_per_booking", "mean"),
    _ratio("inline p95", "inline_ms", "p95"),
    _difference("not succeeded within 30 s", "job_success_ms", SECONDS_30),
    _difference("not succeeded within 60 s", "job_success_ms", SECONDS_60),
)


def fill(
    post: Mapping[str, Sample], baseline: Mapping[str, Sample], *, correlation: float = DEFAULT_CORRELATION
) -> tuple[Line, ...]:
    """Fill the template in, and what stands beside it.

    Args:
        post: Samples by measure.
        baseline: Likewise.
        correlation: The plan's, within units.
    """
    return tuple(_line(claim, post, baseline, correlation, claim in BESIDE) for claim in (*TEMPLATE, *BESIDE))


def _line(
    claim: Claim, post: Mapping[str, Sample], baseline: Mapping[str, Sample], correlation: float, beside: bool
) -> Line:
    both = [side.get(claim.measure, _NOTHING) for side in (baseline, post)]
    values = [_value(claim, sample) for sample in both]
    return Line(
        claim=claim,
        unit="share" if claim.bound is Bound.RISE_AT_MOST else "ms" if claim.measure.endswith("_ms") else "",
        baseline=values[0][0],
        post=values[1][0],
        beyond=tuple(name for name, (_, beyond) in zip(("baseline", "post"), values, strict=True) if beyond),
        delta=estimate(claim, both[1], both[0], correlation=correlation),
        beside=beside,
    )


def _value(claim: Claim, sample: Sample) -> tuple[float | None, bool]:
    """One side's figure, and whether it is only known to be larger."""
    if not sample.rows:
        return None, False
    if claim.statistic not in QUANTILES:
        chosen = sample if claim.above is None else slower(sample, claim.above)
        return float(chosen.values.mean()), False
    at = QUANTILES[claim.statistic]
    endless = quantile(np.sort(np.where(sample.beyond, inf, sample.values)), at) == inf
    return quantile(np.sort(sample.values), at), endless


_NOTHING: Final = Sample.of([], bookings=[])
