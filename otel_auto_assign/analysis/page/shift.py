"""What a change did to each quantile of a duration: to the fast calls, the usual ones and the slow ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from otel_auto_assign.analysis.arrays import Floats
from otel_auto_assign.analysis.page import charts
from otel_auto_assign.analysis.page.curves import SHARES
from otel_auto_assign.analysis.page.distribution import legend
from otel_auto_assign.analysis.page.document import pair, said, section
from otel_auto_assign.analysis.page.markup import Html
from otel_auto_assign.analysis.page.scales import Scale, change_text, log_scale, ms_text
from otel_auto_assign.analysis.page.tables import notes, table
from otel_auto_assign.analysis.quantiles import needed, quantile, quantile_ratio
from otel_auto_assign.analysis.report_text import NOTHING
from otel_auto_assign.analysis.samples import Sample

_RATIOS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""Where the axis of ratios may have a mark."""
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


def shift_section(post: Sample, baseline: Sample) -> list[Html]:
    """Make the section; none where a side has no rows."""
    title = "What the change did to fast and to slow calls"
    points = shift(post, baseline)
    if not points:
        return []
    drawn = [point for point in points if point.ratio is not None]
    whys = list(dict.fromkeys(point.why for point in points if point.why))
    rows = [
        (
            f"p{point.at * 100:g}",
            ms_text(point.baseline) if point.ratio is not None else NOTHING,
            ms_text(point.post) if point.ratio is not None else NOTHING,
            NOTHING if point.ratio is None else change_text(point.ratio),
            NOTHING if point.interval is None else " to ".join(map(change_text, point.interval)),
        )
        for point in points
    ]
    few = f"{len(points) - len(drawn)} of {len(points)} quantiles are not drawn: they take more rows than there are."
    said_below = [f"No band where there is no interval: {why}." for why in whys[:2]]
    if len(drawn) < len(points):
        said_below.append(few)
    if not drawn:
        return [section(title, said("Nothing can be drawn."), notes(said_below))]
    numbers = table(
        "Each quantile: post side to baseline",
        ("quantile", "baseline", "post", "change", "95 % interval"),
        rows,
        numbers=4,
    )
    if any(point.interval for point in drawn):
        said_below.append("Each interval is 95 % by itself; the band as a whole is less sure than any one place in it.")
    lines = [("b", "change of the quantile"), ("fill band", "its 95 % interval")]
    return [
        section(
            title,
            said("Below the line the post side is faster. To the left are the fast calls, to the right the slow ones."),
            legend(*(lines if any(point.interval for point in drawn) else lines[:1])),
            pair(_shift_chart(drawn), numbers),
            notes(said_below),
        )
    ]


def _shift_chart(points: Sequence[Shifted]) -> Html:
    x = Scale(0, 1, charts.LEFT, charts.RIGHT)
    ratios = [point.ratio for point in points if point.ratio is not None and point.ratio > 0]
    low, high = min([*ratios, 1.0]), max([*ratios, 1.0])
    limits = [limit for point in points for limit in point.interval or () if low / 4 < limit < high * 4]
    y = log_scale([low / 1.1, high * 1.1, *limits], charts.BOTTOM, charts.TOP, least=1e-6)
    inside = [ratio for ratio in _RATIOS if y.low <= ratio <= y.high and abs(y(ratio) - y(1)) > 16 and ratio != 1]  # noqa: PLR2004 - the height of a word
    marks = inside[:: max(1, -(-len(inside) // 5))]
    bands: list[list[Shifted]] = [[]]
    for point in points:
        if point.interval is None:
            bands.append([])
        else:
            bands[-1].append(point)
    areas = [
        charts.curve(
            [(x(one.at), y(one.interval[1])) for one in band if one.interval]
            + [(x(one.at), y(one.interval[0])) for one in reversed(band) if one.interval],
            "band",
            closed=True,
        )
        for band in bands
        if band
    ]
    line = [(x(one.at), y(one.ratio)) for one in points if one.ratio is not None]
    sure = [place for place, one in zip(line, points, strict=True) if one.interval]
    unsure = [place for place, one in zip(line, points, strict=True) if not one.interval]
    told = "; ".join(f"p{one.at * 100:g} {change_text(one.ratio)}" for one in points[::5] if one.ratio is not None)
    return charts.frame(
        "shift",
        "The change of each quantile from the baseline to the post side, with its interval",
        told,
        charts.down([(y(ratio), change_text(ratio).replace(".0 ", " ")) for ratio in marks]),
        *areas,
        charts.level(y(1), "no change", "same"),
        charts.curve(line, "b"),
        charts.dots(sure, "b", 3.0),
        charts.dots(unsure, "b hollow", 3.0),
        charts.across([(x(at), f"p{at * 100:g}") for at in (0.05, 0.3, 0.5, 0.7, 0.95)]),
    )
