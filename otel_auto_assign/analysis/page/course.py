"""The chart of both sides through time: p50 and p95 of each stretch of days, and when the flags were first on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from otel_auto_assign.analysis.page import charts
from otel_auto_assign.analysis.page.curves import ENOUGH_FOR_P50, ENOUGH_FOR_P95, MOST_BUCKETS
from otel_auto_assign.analysis.page.distribution import legend
from otel_auto_assign.analysis.page.document import pair, said, section
from otel_auto_assign.analysis.page.markup import Html
from otel_auto_assign.analysis.page.scales import Scale, log_marks, log_scale, moment_text, ms_text
from otel_auto_assign.analysis.page.tables import notes, table
from otel_auto_assign.analysis.quantiles import quantile
from otel_auto_assign.analysis.report_text import NOTHING
from otel_auto_assign.analysis.samples import Sample

TITLE: Final = "First planner calls through time"
WIDTHS: Final = (1, 7, 14, 28, 91, 364, 3640)
"""Days that a stretch may have."""
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True)
class Stretch:
    """Some days of one side: their number, counted from the first, how many calls, and their p50 and p95 in ms."""

    number: int
    calls: int
    p50: float
    p95: float


@dataclass(frozen=True)
class Course:
    """Both sides through time.

    Attributes:
        first: The first day's number.
        width: The days of a stretch.
        sides: Stretches with calls, by the side's name.
    """

    first: int
    width: int
    sides: Mapping[str, Sequence[Stretch]]

    @property
    def length(self) -> int:
        """How many stretches there are, those without calls included."""
        return max(one.number for stretches in self.sides.values() for one in stretches) + 1

    def start(self, number: int) -> datetime:
        """When a stretch begins."""
        return datetime(1, 1, 1, tzinfo=UTC) + timedelta(days=self.first + number * self.width - 1)


def course(samples: Mapping[str, Sample]) -> Course | None:
    """Give the stretches of the sides, by their names; None where nobody said the days.

    They are as short as may be, and so long that half of them can have a p95, or else a p50.
    """
    days = {name: sample.days for name, sample in samples.items() if sample.days is not None and sample.rows}
    if not days:
        return None
    first, last = min(int(one.min()) for one in days.values()), max(int(one.max()) for one in days.values())
    possible = [width for width in WIDTHS if (last - first) // width < MOST_BUCKETS] or [WIDTHS[-1]]
    useful = [width for width in possible if last - first >= width] or possible[:1]

    def enough(width: int, wanted: int) -> bool:
        counts = np.concatenate([np.bincount((one - first) // width) for one in days.values()])
        return bool((counts >= wanted).sum() * 2 >= (counts > 0).sum())

    width = next((one for wanted in (ENOUGH_FOR_P95, ENOUGH_FOR_P50) for one in useful if enough(one, wanted)), None)
    width = useful[-1] if width is None else width
    return Course(first, width, {name: _stretches(samples[name], (days[name] - first) // width) for name in days})


def _stretches(sample: Sample, numbers: NDArray[np.int64]) -> list[Stretch]:
    found = []
    for number in np.unique(numbers):
        values = np.sort(sample.values[numbers == number])
        found.append(Stretch(int(number), len(values), quantile(values, 0.5), quantile(values, 0.95)))
    return found


def course_section(sides: Sequence[tuple[str, str, str]], found: Course | None, since: datetime | None) -> Html:
    """Make the section: the chart, its table, and what it cannot show.

    Args:
        sides: Name, style and words of each side that has rows.
        found: Its stretches.
        since: When the flags were first on.
    """
    if found is None:
        return section(TITLE, said("There is no planner call of a job on either side."))
    steps = "Day by day" if found.width == 1 else f"{found.width} days at a time"
    carrying = {name: [one for one in of if one.calls >= ENOUGH_FOR_P95] for name, of in found.sides.items()}
    drawable = {name: [one for one in of if one.calls >= ENOUGH_FOR_P50] for name, of in found.sides.items()}
    header = ("from", *(f"{name} {what}" for name, *_ in sides for what in ("n", "p50", "p95")))
    rows = [_row(found, number, [name for name, *_ in sides]) for number in range(found.length)]
    numbers = table(f"{steps}: first planner call of each job", header, rows, numbers=len(header) - 1)
    few = sum(len(of) for of in found.sides.values()) - sum(len(of) for of in carrying.values())
    remarks = []
    if few:
        remarks.append(
            f"{few} {'stretch has' if few == 1 else 'stretches have'} fewer than {ENOUGH_FOR_P95} calls, and no p95: "
            "it would say what the slowest call happened to take."
        )
    remarks.append("A point is less sure than its n suggests: calls of one day resemble each other.")
    if not any(drawable.values()):
        nothing = said(f"Nothing is drawn: a p50 takes {ENOUGH_FOR_P50} calls.")
        return section(TITLE, nothing, numbers, notes(remarks))
    words = [f"{name}: p50 of {len(drawable[name])} stretches, p95 of {len(carrying[name])}" for name, *_ in sides]
    chart = charts.frame(
        "course", f"{TITLE}: p50 and p95 of both sides, on a logarithmic axis", f"{'; '.join(words)}.",
        *_drawn(found, sides, since),
    )  # fmt: skip
    return section(
        TITLE,
        said(f"{steps}, with the flags on and off: whether they differ all along, or on some days."),
        legend(*((f"path {style}", f"p95, {word}") for name, style, word in sides if carrying[name]),
               *((f"path {style} thin", f"p50, {word}") for _, style, word in sides)),
        pair(chart, numbers, wide=True),
        notes(remarks),
    )  # fmt: skip


def _drawn(found: Course, sides: Sequence[tuple[str, str, str]], since: datetime | None) -> list[Html]:
    lines = [
        (f"{style} thin" if thin else style, f"{style} hollow" if thin else style,
         [(one.number, one.p50 if thin else one.p95) for one in found.sides[name]
          if one.calls >= (ENOUGH_FOR_P50 if thin else ENOUGH_FOR_P95)])
        for name, style, _ in sides for thin in (True, False)
    ]  # fmt: skip
    x = Scale(0, found.length, charts.LEFT, charts.RIGHT)
    y = log_scale((value for *_, points in lines for _, value in points), charts.BOTTOM - 14, charts.TOP + 20)
    marks = [(x(at), moment_text(found.start(0) + timedelta(days=at * found.width), _DAY_SECONDS))
             for at in (0, found.length / 2, found.length)]  # fmt: skip
    drawn = [
        charts.down([(y(mark), ms_text(mark)) for mark in log_marks(y, charts.DOWN)]),
        charts.across(marks, spread=True),
    ]
    if since is not None:
        drawn.append(charts.upright(x((since - found.start(0)) / timedelta(days=found.width)), "flags first on"))
    for line, dot, points in lines:
        for run in _runs(points):
            placed = [(x(number + 0.5), y(value)) for number, value in run]
            drawn += [charts.curve(placed, line)] if len(placed) > 1 else []
            drawn.append(charts.dots(placed, dot, 3.0))
    return drawn


def _runs(points: Sequence[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """Points of stretches that follow each other: a line across a gap would show what nobody saw."""
    found: list[list[tuple[int, float]]] = []
    for point in points:
        if found and point[0] == found[-1][-1][0] + 1:
            found[-1].append(point)
        else:
            found.append([point])
    return found


def _row(found: Course, number: int, names: Sequence[str]) -> tuple[str, ...]:
    cells = [moment_text(found.start(number), _DAY_SECONDS)]
    for name in names:
        one = next((one for one in found.sides[name] if one.number == number), None)
        calls = one.calls if one else 0
        cells += [
            f"{calls:,}",
            ms_text(one.p50) if one and calls >= ENOUGH_FOR_P50 else NOTHING,
            ms_text(one.p95) if one and calls >= ENOUGH_FOR_P95 else NOTHING,
        ]
    return tuple(cells)
