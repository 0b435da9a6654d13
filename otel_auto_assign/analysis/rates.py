"""Shares of rows, and the difference of two: exact limits of one, Newcombe's of two, at the rows' effective number."""

from __future__ import annotations

from math import hypot, inf, sqrt
from typing import Final

import numpy as np
from scipy.special import betaincinv

from otel_auto_assign.analysis.days import DEFAULT_CORRELATION
from otel_auto_assign.analysis.estimates import LEVEL, TWO_SIDED, Estimate, Size, scarcity, student
from otel_auto_assign.analysis.samples import Sample

Limits = tuple[float, float]

FEW_EVENTS: Final = 20
"""Below so many of either outcome the data cannot tell how these gather: a correlation known beforehand counts, too."""


def slower(sample: Sample, limit: float) -> Sample:
    """Which rows took longer than ``limit``, as 0 and 1; one whose end is not known counts as one that did."""
    return sample.replaced(((sample.values > limit) | sample.beyond).astype(np.float64))


def clopper_pearson(events: float, rows: float, level: float = LEVEL) -> Limits:
    """One-sided exact limits of a share, each of ``level``; neither number need be whole.

    Clopper and Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial (1934); with
    effective rows: Korn and Graubard (1998).

    >>> [round(limit, 4) for limit in clopper_pearson(0, 59)]
    [0.0, 0.0495]
    """
    if rows <= 0:
        return 0.0, 1.0
    lower = float(betaincinv(events, rows - events + 1, 1 - level)) if events > 0 else 0.0
    upper = float(betaincinv(events + 1, rows - events, level)) if events < rows else 1.0
    return lower, upper


def wilson(share: float, rows: float, quantile: float) -> Limits:
    """The score limits of a share: Wilson, Probable inference, the law of succession, and statistical inference (1927).

    Args:
        share: Between 0 and 1.
        rows: What it is a share of.
        quantile: Of the normal, or of Student's t.
    """
    square = quantile**2
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    reach = quantile * sqrt(share * (1 - share) / rows + square / (4 * rows**2)) / (1 + square / rows)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def intra_class_correlation(sample: Sample) -> float | None:
    """How alike the rows of one restaurant's day are, from 0 to 1; None where there are too few events to tell.

    The inverse of Kish's 1 + (size - 1) * correlation (Survey Sampling, 1965, 5.4).
    """
    if _few_events(sample):
        return None
    residuals = sample.values - sample.values.mean()
    effect = sample.occasions.variance(residuals) / float((residuals**2).sum())
    reach = sample.planned_effect(1.0, alone=True) - 1
    return min(1.0, max(0.0, (effect - 1) / reach)) if reach > 0 else 0.0


def rate(sample: Sample, *, correlation: float = DEFAULT_CORRELATION, baseline: Sample | None = None) -> Estimate:
    """The share of 1 among rows of 0 and 1, by exact limits at the effective rows.

    Args:
        sample: Rows of 0 and 1.
        correlation: Within units, as planned; it counts where the sample has too few events to tell.
        baseline: The same figure before the change: its correlation goes before the planned one, if it can be told.
    """
    size = _size(sample, correlation, baseline, alone=True)
    few = scarcity(("post side", size))
    share = float(sample.values.mean()) if sample.rows else None
    estimate = Estimate(
        value=share,
        lower=_exact(share, size, LEVEL)[0],
        upper=_exact(share, size, LEVEL)[1],
        interval=_exact(share, size, TWO_SIDED),
        post=size,
        shortage=few,
    )
    return estimate.refused() if few else estimate


def rate_difference(
    post: Sample, baseline: Sample, *, correlation: float = DEFAULT_CORRELATION, falls: bool = False
) -> Estimate:
    """The share after the change less the share before it, from -1 to 1.

    Method 10 of Newcombe, Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17 (1998), on rows / design effect with Student's t. Without the two it covers 80 to 86 % at nominal 95.

    A difference of shares is another on other days, though both sides have the same. Where units are smaller than days
    the limit that must be kept allows for that; the one by which harm is seen does not, so that it is seen early.

    Args:
        post: Rows of 0 and 1 after the change.
        baseline: Rows of 0 and 1 before it.
        correlation: Within units, as planned.
        falls: Whether harm is a fall, so that the lower limit is to be kept; else the upper.
    """
    kept = _size(post, correlation, baseline, days=True), _size(baseline, correlation, None, days=True)
    seen = _size(post, correlation, baseline), _size(baseline, correlation, None)
    few = scarcity(("post side", kept[0]), ("baseline", kept[1]))
    shares = (float(post.values.mean()), float(baseline.values.mean())) if post.rows and baseline.rows else None
    lower, upper = (_newcombe(shares, *sizes, LEVEL) for sizes in ((kept, seen) if falls else (seen, kept)))
    estimate = Estimate(
        value=None if shares is None else shares[0] - shares[1],
        lower=lower[0],
        upper=upper[1],
        interval=_newcombe(shares, *kept, TWO_SIDED),
        post=kept[0],
        baseline=kept[1],
        shortage=few,
    )
    return estimate.refused() if few else estimate


def _size(
    sample: Sample, correlation: float, baseline: Sample | None, *, alone: bool = False, days: bool = False
) -> Size:
    residuals = sample.values - sample.values.mean() if sample.rows else sample.values
    if not _few_events(sample):
        return sample.size(residuals, alone=alone, days=days)
    known = None if baseline is None else intra_class_correlation(baseline)
    return sample.size(residuals, correlation=correlation if known is None else known, alone=alone, days=days)


def _few_events(sample: Sample) -> bool:
    events = float(sample.values.sum())
    return min(events, sample.rows - events) < FEW_EVENTS


def _exact(share: float | None, size: Size, level: float) -> Limits:
    rows = size.effective_at(level)
    return (-inf, inf) if share is None else clopper_pearson(share * rows, rows, level)


def _newcombe(shares: Limits | None, after: Size, before: Size, level: float) -> Limits:
    if shares is None or min(after.degrees, before.degrees) < 1:
        return -inf, inf
    post, baseline = shares
    (low_post, high_post), (low_before, high_before) = (
        wilson(share, size.rows / size.effect, student(level, size.degrees))
        for share, size in ((post, after), (baseline, before))
    )
    difference = post - baseline
    return (
        max(-1.0, difference - hypot(post - low_post, high_before - baseline)),
        min(1.0, difference + hypot(high_post - post, baseline - low_before)),
    )
