"""What a change did to each quantile of a duration: to the fast calls, the usual ones and the slow ones."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from otel_auto_assign.analysis.arrays import Floats
from otel_auto_assign.analysis.page.curves import SHARES
from otel_auto_assign.analysis.quantiles import needed, quantile, quantile_ratio
from otel_auto_assign.analysis.samples import Sample

AT: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""The quantiles that are compared."""


@dataclass(frozen=True)
class Shifted:
    """A quantile of both sides.

    Attributes:
        at: Which.
        baseline: Of it, in the measure's unit.
        post: Likewise.
        ratio: Post to baseline; None where too few rows carry such a quantile, or it is not known.
        interval: Of the ratio, two-sided 95 %; None where either limit does not exist.
        why: Why there is none, in a sentence; else empty.
    """

    at: float
    baseline: float
    post: float
    ratio: float | None
    interval: tuple[float, float] | None
    why: str


def shift(post: Sample, baseline: Sample) -> list[Shifted]:
    """Compare the sides quantile by quantile; nothing where one of them has no rows.

    Each has an interval of its own: where the band as a whole lies is less sure than any one of its places.
    """
    if not (post.rows and baseline.rows):
        return []
    ordered = [np.sort(one.values) for one in (baseline, post)]
    found = []
    for at in AT:
        estimate = quantile_ratio(post, baseline, at)
        before, after = (quantile(values, at) for values in ordered)
        lower, upper = estimate.interval
        known = lower > 0 and isfinite(upper)
        enough = min(post.rows, baseline.rows) >= needed(max(at, 1 - at))
        why = "" if known else estimate.shortage or estimate.obstacle or f"a limit of p{at * 100:g} does not exist"
        found.append(
            Shifted(at, before, after, estimate.value if enough else None, (lower, upper) if known else None, why)
        )
    return found


def spread(values: Floats) -> list[float]:
    """The values that each half percent does not exceed, as PostgreSQL's ``percentile_disc`` has them.

    >>> spread(np.array([3.0, 1.0, 2.0]))[100]
    2.0
    """
    found: list[float] = np.quantile(values, SHARES, method="inverted_cdf").tolist() if len(values) else []
    return found
