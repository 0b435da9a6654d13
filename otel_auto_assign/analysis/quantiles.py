"""Quantiles and their ratios: limits by order statistics, which need no shape of the distribution.

A plain bootstrap of a p95 covers about 80 % at nominal 95 with the few, clustered, heavy-tailed rows that there are.
"""

from __future__ import annotations

from math import ceil, exp, hypot, inf, isfinite, log

import numpy as np
from scipy.special import betainc

from otel_auto_assign.analysis.arrays import Floats
from otel_auto_assign.analysis.estimates import LEVEL, TWO_SIDED, Estimate, Size, scarcity
from otel_auto_assign.analysis.samples import Sample


def needed(quantile: float, *, level: float = LEVEL) -> int:
    """How many independent rows the upper limit of a quantile needs to exist: quantile ** n ≤ 1 - level.

    Wilks, Determination of sample sizes for setting tolerance limits (1941).

    >>> needed(0.95), needed(0.99), needed(0.95, level=0.975), needed(0.99, level=0.975)
    (59, 299, 72, 368)
    """
    return ceil(log(1 - level) / log(quantile) - 1e-9)


def upper_rank(rows: int, quantile: float, effective: float, level: float = LEVEL) -> int | None:
    """The rank, from 1, of the observation that is the upper limit of a quantile; None where there is none.

    The smallest r for which, of n rows, P(at least r below the quantile) ≤ 1 - level, exactly binomial: David and
    Nagaraja, Order Statistics (2003), 7.1. Rows and rank are scaled to the effective rows as Dean and Pagano do
    (Evaluating confidence interval methods for binomial proportions in clustered surveys, 2015), after Woodruff (1952).

    >>> upper_rank(59, 0.95, 59.0), upper_rank(58, 0.95, 58.0)
    (59, None)
    """
    scale = effective / rows if rows else 0.0

    def holds(rank: int) -> bool:
        return float(betainc(rank * scale, effective - rank * scale + 1, quantile)) <= 1 - level

    if scale <= 0 or not holds(rows):
        return None
    low, high = 0, rows  # the limit is above low, and high is enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def lower_rank(rows: int, quantile: float, effective: float, level: float = LEVEL) -> int | None:
    """The rank of the lower limit: the upper limit seen from the other end."""
    rank = upper_rank(rows, 1 - quantile, effective, level)
    return None if rank is None else rows - rank + 1


def quantile_ratio(post: Sample, baseline: Sample, quantile: float) -> Estimate:
    """Compare a quantile after the change with the one before: their ratio, below 1 where it became faster.

    The limits of both sides are put together on the log scale by MOVER (Zou and Donner, Construction of confidence
    limits about effect measures, Statistics in Medicine 27, 2008). What is only known to be larger counts as its bound
    before the change and as endless after it, so that it can hide an improvement and never make one.

    Args:
        post: After the change.
        baseline: Before it. Where time-outs differ both sides are cut at the smaller.
        quantile: Between 0 and 1.
    """
    post, baseline = _alike(post, baseline)
    after = _Side(post, np.where(post.beyond, inf, post.values), quantile)
    before = _Side(baseline, baseline.values, quantile)
    few = scarcity(("post side", after.size), ("baseline", before.size))
    lower, upper = _mover(after, before, LEVEL)
    estimate = Estimate(
        value=after.value / before.value if before.value > 0 and post.rows and isfinite(after.value) else None,
        lower=lower,
        upper=upper,
        interval=_mover(after, before, TWO_SIDED),
        post=after.size,
        baseline=before.size,
        needed=needed(quantile),
        shortage=few or _too_few(after.size, quantile),
        obstacle=_obstacle(after, before),
    )
    return estimate.refused() if few else estimate


def quantile_floor(sample: Sample, at: float) -> float:
    """The one-sided 95 % lower limit of a quantile, by order statistics; 0 where there is none."""
    return _Side(sample, sample.values, at).limits(LEVEL)[0] if sample.rows else 0.0


def quantile(values: Floats, at: float) -> float:
    """The quantile of sorted values as PostgreSQL's ``percentile_cont`` has it; endless where an endless one is part.

    Type 7 of Hyndman and Fan, Sample quantiles in statistical packages (1996).

    >>> quantile(np.array([1.0, 2.0, 4.0]), 0.75)
    3.0
    """
    place = (len(values) - 1) * at
    low = int(place)
    share = place - low
    return float(values[low] if share == 0 else values[low] * (1 - share) + values[low + 1] * share)


class _Side:
    """A quantile of one side, and its limits. ``values`` stand for the sample's."""

    def __init__(self, sample: Sample, values: Floats, at: float) -> None:
        self.at = at
        self.ordered = np.sort(values)
        self.value = quantile(self.ordered, at) if sample.rows else 0.0
        below = (values <= self.value).astype(np.float64)
        self.size = sample.size(below - below.mean() if sample.rows else below)
        self.known = float(values[sample.beyond].min()) if sample.beyond.any() else inf
        """From here on a value may stand for a larger one."""

    def limits(self, level: float) -> tuple[float, float]:
        """From 0, where there is no lower limit, to endless, where there is no upper one."""
        rows, effective = self.size.rows, self.size.effective_at(level)
        low = lower_rank(rows, self.at, effective, level)
        high = upper_rank(rows, self.at, effective, level)
        lower = 0.0 if low is None else float(self.ordered[low - 1])
        upper = inf if high is None else float(self.ordered[high - 1])
        return min(lower, self.value), max(upper, self.value) if upper < self.known else inf


def _alike(post: Sample, baseline: Sample) -> tuple[Sample, Sample]:
    """Both cut at the smaller time-out, if they differ; a side without one has it nowhere."""
    if post.limit == baseline.limit:
        return post, baseline
    limit = min(one.limit for one in (post, baseline) if one.limit is not None)
    return post.cut(limit), baseline.cut(limit)


def _mover(after: _Side, before: _Side, level: float) -> tuple[float, float]:
    """Limits of the ratio of the two, each of ``level``; from 0 to endless."""
    if not (before.value > 0 and after.value > 0):
        return 0.0, inf
    (lower_after, upper_after), (lower_before, upper_before) = after.limits(level), before.limits(level)
    if not isfinite(after.value):  # no distance from it to a limit: the quotient of the limits is wider than MOVER's
        return lower_after / upper_before if isfinite(upper_before) else 0.0, inf
    value = log(after.value / before.value)
    lower, upper = 0.0, inf
    if isfinite(upper_after) and lower_before > 0:
        upper = exp(value + hypot(log(upper_after / after.value), log(before.value / lower_before)))
    if isfinite(upper_before) and lower_after > 0:
        lower = exp(value - hypot(log(after.value / lower_after), log(upper_before / before.value)))
    return lower, upper


def _too_few(after: Size, at: float) -> str:
    if after.effective >= needed(at):
        return ""
    return (
        f"a limit of p{at * 100:g} needs {needed(at)} independent rows, "
        f"and the post side's {after.rows} are worth {int(after.effective)}"
    )


def _obstacle(after: _Side, before: _Side) -> str:
    if after.size.rows and not isfinite(after.value):
        return "the post side's quantile is beyond the time-out: it can be missed, never met"
    if before.size.rows and before.value <= 0:
        return "the baseline's quantile is 0: there is no ratio to it"
    return ""
