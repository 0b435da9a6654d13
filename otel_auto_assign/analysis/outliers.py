"""Outliers, by a rule that is fixed before the data: they are listed and counted, and never left out of a headline."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log
from typing import Final

import numpy as np

from otel_auto_assign.analysis.samples import Sample

FENCE: Final = 3.0
"""Tukey's "far out": three interquartile ranges above the upper quartile (Exploratory Data Analysis, 1977, 2D), on the
log scale, where durations are nearer to symmetric. Of a lognormal one value in a million lies beyond it."""


@dataclass(frozen=True)
class Outliers:
    """What lies beyond the fence.

    Attributes:
        fence: In the measure's unit; endless where half of the values are alike, or none is.
        post: Positions in the post side's sample.
        baseline: Positions in the baseline's.
    """

    fence: float
    post: tuple[int, ...]
    baseline: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.post or self.baseline)

    def without(self, sample: Sample) -> Sample:
        """The rows of a sample that are within the fence; what only timed out is no outlier."""
        return sample.where((sample.values <= self.fence) | sample.beyond)


def outliers(post: Sample, baseline: Sample) -> Outliers:
    """Find the outliers of both sides by the baseline's fence, which the change cannot move.

    >>> times = [900.0, 1000.0, 1100.0, 1200.0] * 5
    >>> spread = Sample.of([*times, 2_576_035.0], bookings=range(21))
    >>> outliers(spread, spread).post
    (20,)
    """
    fence = _fence(baseline)
    return Outliers(
        fence, *(tuple(np.flatnonzero((one.values > fence) & ~one.beyond).tolist()) for one in (post, baseline))
    )


def _fence(sample: Sample) -> float:
    positive = sample.values[sample.values > 0]
    if not len(positive):
        return inf
    low, high = (log(float(value)) for value in np.quantile(positive, [0.25, 0.75]))
    return exp(high + FENCE * (high - low)) if high > low else inf
