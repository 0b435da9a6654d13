"""What a report's charts show, read where the rows are: a few hundred numbers, however many rows there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import class_row, dict_row

from otel_auto_assign.analysis.events import EVERYTHING, EventsTable, Filters, parameters, snapshot, statement
from otel_auto_assign.analysis.quantiles import needed
from otel_auto_assign.analysis.windows import Window

SHARES: Final = tuple(step / 200 for step in range(201))
"""Where a distribution is looked at: every half percent. With 200 rows or fewer that is each of them."""
MOST_BUCKETS: Final = 30
FEWEST_BUCKETS: Final = 3
MANY_ATTEMPTS: Final = 12
"""Bookings with so many attempts, or more, are counted together."""
ENOUGH_FOR_P50: Final = needed(0.5)
ENOUGH_FOR_P95: Final = needed(0.95)
"""With fewer rows such a quantile has no upper limit, however they fall."""
WIDTHS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        1, 5, 15, 60, 300, 900, 3600, 10_800, 21_600, 43_200, 86_400, 7 * 86_400, 28 * 86_400, 364 * 86_400,
        3640 * 86_400,
    )
)  # fmt: skip
_ORIGIN: Final = datetime(2001, 1, 1, tzinfo=UTC)
"""A midnight, and a Monday: as page_calls.sql has it."""


@dataclass(frozen=True)
class Bucket:
    """A stretch of time: its planner calls without cache hits, and the flags of all.

    Attributes:
        start: Of the stretch.
        calls: How many.
        p: Their p50 and p95 in ms; None without calls.
        curve: See page_calls.sql; of the whole window only.
        policy_on: Calls under retry policy v2.
        policy_said: Calls of which it is known.
        cache_on: Calls under the planner cache.
        cache_said: Calls of which it is known.
    """

    start: datetime | None
    calls: int
    p: list[float] | None
    curve: list[float] | None
    policy_on: int
    policy_said: int
    cache_on: int
    cache_said: int

    def flag(self, name: str) -> float | None:
        """The share of calls under the flag, None where nobody knows."""
        on, said = (getattr(self, f"{name}_{what}") for what in ("on", "said"))
        return on / said if said else None


@dataclass(frozen=True)
class Change:
    """When a flag was turned, to within the length of a bucket."""

    at: datetime
    flag: str
    on: bool


@dataclass(frozen=True)
class Curves:
    """What is drawn of a window.

    Attributes:
        whole: All of its calls.
        buckets: In their order; those without rows are left out.
        width: How long each is.
        attempts: Bookings by their number of attempts, `MANY_ATTEMPTS` standing for more as well.
    """

    whole: Bucket
    buckets: list[Bucket]
    width: timedelta
    attempts: dict[int, int]

    @property
    def changes(self) -> list[Change]:
        """When most calls began to be under a flag, or ceased to."""
        found = []
        for flag in ("policy", "cache"):
            before: bool | None = None
            for bucket in self.buckets:
                share = bucket.flag(flag)
                if share is None or bucket.start is None:
                    continue
                now = share >= 1 / 2
                if before is not None and now != before:
                    found.append(Change(bucket.start, flag, now))
                before = now
        return sorted(found, key=lambda change: change.at)


def read_curves(
    conn: psycopg.Connection[Any],
    window: Window,
    *,
    table: str = "observability_events",
    filters: Filters = EVERYTHING,
    asking: Callable[[str], object] = str,
) -> Curves:
    """Read what a report's charts show; its arguments are those of `figures.report`.

    Buckets are as short as may be, and so long that most of them can have a p95, if that is possible at all.
    """
    given = parameters(window, filters) | {"shares": list(SHARES), "most": MANY_ATTEMPTS}
    with snapshot(conn), conn.cursor(row_factory=class_row(Bucket)) as cursor:
        events = EventsTable.find(conn, table)

        def calls(width: timedelta) -> list[Bucket]:
            asking("planner calls through time")
            question = events.ask(statement("page_calls"), filters)
            return cursor.execute(question, given | {"width": width}).fetchall()

        width = next((one for one in WIDTHS if window.length / one <= MOST_BUCKETS), WIDTHS[-1])
        found = calls(width)
        better = _wide_enough(found[1:], width, window)
        if better != width:
            width, found = better, calls(better)
        asking("attempts of each booking")
        with conn.cursor(row_factory=dict_row) as asked:
            counted = asked.execute(events.ask(statement("page_attempts"), filters), given).fetchall()
    return Curves(found[0], found[1:], width, {row["attempts"]: row["bookings"] for row in counted})


def _wide_enough(buckets: Sequence[Bucket], width: timedelta, window: Window) -> timedelta:
    """The shortest width with which half of the buckets have rows for a p95, else the one that there is."""
    for one in WIDTHS[WIDTHS.index(width) :]:
        if one != width and window.length / one < FEWEST_BUCKETS:
            break
        calls: Counter[int] = Counter()
        for bucket in buckets:
            calls[((bucket.start or _ORIGIN) - _ORIGIN) // one] += bucket.calls
        if sum(count >= ENOUGH_FOR_P95 for count in calls.values()) * 2 >= max(1, len(calls)):
            return one
    return width
