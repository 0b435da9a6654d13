"""Means of counts, and the ratio of two: the delta method on the log scale, with clusters and Student's t."""

from __future__ import annotations

from math import exp, hypot, inf, log, sqrt

from otel_auto_assign.analysis.estimates import LEVEL, TWO_SIDED, Estimate, scarcity, student
from otel_auto_assign.analysis.samples import Sample

Limits = tuple[float, float]


class _Side:
    """The mean of one side and the relative error of it."""

    def __init__(self, sample: Sample, *, alone: bool = False) -> None:
        self.mean = float(sample.values.mean()) if sample.rows else 0.0
        residuals = sample.values - self.mean
        self.size = sample.size(residuals, alone=alone, days=True)
        variance = float((residuals**2).sum()) * self.size.effect / max(1, sample.rows) ** 2
        self.error = sqrt(variance) / self.mean if self.mean > 0 else inf


def mean(sample: Sample) -> Estimate:
    """The mean of what is never negative, with limits on the log scale, on which they are nearer to symmetric.

    The logarithm of a mean is too small on average, by half of its variance; the limits lie around what is not.

    Särndal, Swensson and Wretman, Model Assisted Survey Sampling (1992), 5.6 (the variance of a ratio) and 5.5 (the
    delta method).
    """
    side = _Side(sample, alone=True)
    few = scarcity(("post side", side.size))
    value = side.mean if sample.rows else None
    middle = side.mean * exp(side.error**2 / 2) if side.error < inf else None
    estimate = Estimate(
        value=value,
        lower=_around(middle, side.error, side.size.degrees, LEVEL)[0],
        upper=_around(middle, side.error, side.size.degrees, LEVEL)[1],
        interval=_around(middle, side.error, side.size.degrees, TWO_SIDED),
        post=side.size,
        shortage=few,
        obstacle="" if side.mean > 0 or few else "nothing was counted: a mean of 0 has no limits on the log scale",
    )
    return estimate.refused() if few else estimate


def mean_ratio(post: Sample, baseline: Sample) -> Estimate:
    """The mean after the change as a share of the one before it.

    The difference of the logs, its variance by the delta method (Särndal, Swensson and Wretman 1992, 5.5), Student's t
    with the degrees of freedom of the smaller side: Welch's lie between these and the sum, and with 7 to 56 skewed
    clusters a side they were measured to be too many.
    """
    after, before = _Side(post), _Side(baseline)
    few = scarcity(("post side", after.size), ("baseline", before.size))
    value = after.mean / before.mean if before.mean > 0 and post.rows else None
    error, degrees = hypot(after.error, before.error), min(after.size.degrees, before.size.degrees)
    lower, upper = _around(value, error, degrees, LEVEL)
    estimate = Estimate(
        value=value,
        lower=lower,
        upper=upper,
        interval=_around(value, error, degrees, TWO_SIDED),
        post=after.size,
        baseline=before.size,
        shortage=few,
        obstacle="" if few else _nothing_counted(after, before),
    )
    return estimate.refused() if few else estimate


def _around(value: float | None, error: float, degrees: float, level: float) -> Limits:
    if value is None or not value > 0 or error == inf or degrees < 1:
        return -inf, inf
    reach = student(level, degrees) * error
    return exp(log(value) - reach), exp(log(value) + reach)


def _nothing_counted(after: _Side, before: _Side) -> str:
    for name, side in (("post side", after), ("baseline", before)):
        if side.mean <= 0:
            return f"nothing was counted on the {name}: there is no ratio"
    return ""
