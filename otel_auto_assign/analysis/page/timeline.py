"""The chart of planner calls through time: p50 and p95 of each stretch, and when the flags were turned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from otel_auto_assign.analysis.page import charts
from otel_auto_assign.analysis.page.curves import ENOUGH_FOR_P50, ENOUGH_FOR_P95, Bucket, Change, Curves
from otel_auto_assign.analysis.page.distribution import legend
from otel_auto_assign.analysis.page.document import pair, said, section
from otel_auto_assign.analysis.page.markup import Html
from otel_auto_assign.analysis.page.scales import Scale, log_marks, log_scale, moment_text, ms_text, share_text
from otel_auto_assign.analysis.page.tables import notes, table
from otel_auto_assign.analysis.report_text import NOTHING
from otel_auto_assign.analysis.windows import Window

FLAGS: Final = {"policy": "retry_policy_v2", "cache": "planner_cache"}
MOST_CHANGES: Final = 4
"""More are a switchback, whose single days tell nothing here."""
_UNITS: Final = (("week", 604_800), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def timeline(curves: Curves, window: Window) -> Html:
    """Make the section: the chart, its table, and what it cannot show."""
    title = "Planner calls through time"
    buckets = [bucket for bucket in curves.buckets if bucket.p is not None]
    if not buckets:
        return section(title, said("There is no planner call with a duration in this window."))
    carrying = [bucket for bucket in buckets if bucket.calls >= ENOUGH_FOR_P95]
    drawable = [bucket for bucket in buckets if bucket.calls >= ENOUGH_FOR_P50]
    span = _span(curves.width)
    rows = [_row(bucket, curves.width) for bucket in curves.buckets]
    header = ("from (UTC)", "calls", "p50", "p95", *(f"{name} on" for name in FLAGS.values()))
    numbers = table(f"Each {span}: planner calls, cache hits left out", header, rows, numbers=5)
    remarks = notes(_remarks(curves, buckets, carrying))
    if not drawable:
        return section(title, said(f"Nothing is drawn: a p50 takes {ENOUGH_FOR_P50} calls."), numbers, remarks)
    told = f"p50 of {len(drawable)} stretches of {span}, and p95 of {len(carrying)} of them; the table has the numbers."
    chart = charts.frame(
        "timeline", f"{title}: p50 and p95, cache hits left out", told, *_drawn(curves, window, drawable)
    )
    lines = [("path b", "p95"), ("path b thin", "p50")] if carrying else [("path b thin", "p50")]
    return section(
        title,
        said("Without cache hits. How steady the planner is, and whether it changed when the flags did."),
        legend(*lines),
        pair(chart, numbers, wide=True),
        remarks,
    )


def _drawn(curves: Curves, window: Window, buckets: Sequence[Bucket]) -> list[Html]:
    changes = curves.changes if len(curves.changes) <= MOST_CHANGES else []
    x = Scale(window.start.timestamp(), window.end.timestamp(), charts.LEFT, charts.RIGHT)
    values = [(bucket.p or [0.0, 0.0])[: 2 if bucket.calls >= ENOUGH_FOR_P95 else 1] for bucket in buckets]
    y = log_scale((value for both in values for value in both), charts.BOTTOM - 14, charts.TOP + 8 + 12 * len(changes))

    def place(bucket: Bucket) -> float:
        middle = (bucket.start or window.start) + curves.width / 2
        return x(min(max(middle, window.start), window.end).timestamp())

    halves = (window.start, window.start + window.length / 2, window.end)
    words = [(x(at.timestamp()), moment_text(at, window.length.total_seconds() / 4)) for at in halves]
    drawn = [
        charts.down([(y(mark), ms_text(mark)) for mark in log_marks(y, charts.DOWN)]),
        charts.across(words, spread=True),
    ]
    drawn += [charts.upright(x(change.at.timestamp()), _words(change), row=row) for row, change in enumerate(changes)]
    for which, line, dot in ((0, "b thin", "b hollow"), (1, "b", "b")):
        points = [
            (place(bucket), y(p[which])) if which < len(p) else None for bucket, p in zip(buckets, values, strict=True)
        ]
        for run in _runs(points, [bucket.start for bucket in buckets], curves.width):
            drawn.append(charts.curve(run, line) if len(run) > 1 else Html())
        drawn.append(charts.dots([point for point in points if point], dot, 3.0))
    return drawn


def _runs(
    points: Sequence[tuple[float, float] | None], starts: Sequence[datetime | None], width: timedelta
) -> list[list[tuple[float, float]]]:
    """Points of stretches that follow each other: a line across a gap would show what nobody saw."""
    found: list[list[tuple[float, float]]] = [[]]
    before: datetime | None = None
    for point, start in zip(points, starts, strict=True):
        if point is None or (before is not None and start is not None and start - before > width):
            found.append([])
        if point is not None:
            found[-1].append(point)
        before = start
    return found


def _row(bucket: Bucket, width: timedelta) -> tuple[str, ...]:
    p50, p95 = (ms_text(value) for value in bucket.p) if bucket.p else (NOTHING, NOTHING)
    flags = (bucket.flag(name) for name in FLAGS)
    return (
        moment_text(bucket.start, width.total_seconds()) if bucket.start else NOTHING,
        f"{bucket.calls:,}",
        p50 if bucket.calls >= ENOUGH_FOR_P50 else NOTHING,
        p95 if bucket.calls >= ENOUGH_FOR_P95 else NOTHING,
        *(NOTHING if share is None else share_text(share) for share in flags),
    )


def _remarks(curves: Curves, buckets: Sequence[Bucket], carrying: Sequence[Bucket]) -> list[str]:
    said = []
    few = len(buckets) - len(carrying)
    if few:
        which = "No p95 is" if not carrying else f"The p95 of {few} of {len(buckets)} stretches is not"
        said.append(
            f"{which} drawn: with fewer than {ENOUGH_FOR_P95} calls a p95 has no upper limit, and says "
            "what the slowest call happened to take."
        )
    if carrying:
        said.append(
            "Calls of one booking and of one day resemble each other: a point is less sure than its n suggests."
        )
    changes = curves.changes
    unknown = [name for flag, name in FLAGS.items() if all(bucket.flag(flag) is None for bucket in curves.buckets)]
    if unknown:
        said.append(f"Nobody says whether {' and '.join(unknown)} was on: unset is not off.")
    if len(changes) > MOST_CHANGES:
        said.append(
            f"The flags were turned {len(changes)} times and the single changes are not marked: what they do is for "
            "`otel-auto-assign compare` to say."
        )
    elif changes:
        listed = "; ".join(
            f"{_words(change)} from {moment_text(change.at, curves.width.total_seconds())} UTC" for change in changes
        )
        said.append(f"Most calls were with {listed}, to within {_span(curves.width, one='one ')}.")
    elif not unknown:
        said.append("The flags of most calls did not change in this window.")
    if any(0 < share < 1 for bucket in curves.buckets for flag in FLAGS if (share := bucket.flag(flag)) is not None):
        said.append("In some stretches there are calls with a flag on and with it off: their figures mix the two.")
    return said


def _words(change: Change) -> str:
    return f"{FLAGS[change.flag]} {'on' if change.on else 'off'}"


def _span(width: timedelta, one: str = "") -> str:
    seconds = int(width.total_seconds())
    noun, size = next((noun, size) for noun, size in _UNITS if seconds % size == 0)
    return f"{one}{noun}" if seconds == size else f"{seconds // size} {noun}s"
