"""What every family of checks is given: where to look, what counts, and the limits that are held to be safe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from otel_auto_assign import semconv
from otel_auto_assign.analysis.doctor.findings import Finding
from otel_auto_assign.analysis.events import EventsTable, Filters, parameters, statement
from otel_auto_assign.analysis.windows import Window


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Beyond what something is odd.

    Attributes:
        job: The longest that a job may take.
        silence: A run whose last row is older does not run any more.
        safe_hour: Rows an hour that the table is known to take; the pilot ran with 100 to 750.
        drift: How far a job's duration may be from the time between its first and its last row.
    """

    job: timedelta = timedelta(minutes=30)
    silence: timedelta = timedelta(hours=2)
    safe_hour: int = 750
    drift: timedelta = timedelta(seconds=2)


@dataclass(frozen=True)
class Looking:
    """One look at a window."""

    conn: psycopg.Connection[Any]
    events: EventsTable
    table: str
    window: Window
    now: datetime
    filters: Filters
    limits: Limits

    def ask(self, question: str, *, before: timedelta = timedelta(), after: timedelta = timedelta()) -> list[Any]:
        """Ask a file of ``sql/``; rows are read from ``before`` the window to ``after`` it, but none later than now.

        Raises:
            psycopg.Error: if it cannot be answered.
        """
        read = Window(self.window.start - before, min(self.window.end + after, max(self.now, self.window.end)))
        given = parameters(read, self.filters) | {
            "first": self.window.start,
            "last": self.window.end,
            "now": self.now,
            "silent": self.now - self.limits.silence,
            "limit_ms": self.limits.job.total_seconds() * 1000,
            "drift_ms": self.limits.drift.total_seconds() * 1000,
            "safe": self.limits.safe_hour,
            "events": sorted(semconv.EVENTS),
            "results": sorted(semconv.RESULTS),
            "terminals": sorted(semconv.INLINE_TERMINALS),
            "programs": [PROGRAM, SINK],
            "name": self.events.name.as_string(),
        }
        with self.conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(self.events.ask(statement(question), self.filters), given).fetchall()


PROGRAM = "otel-auto-assign"
SINK = "otel-auto-assign-sink"
"""The names by which the server knows connections that write rows: in the application's process, behind a collector."""

Family = Callable[[Looking], Iterable[Finding]]
