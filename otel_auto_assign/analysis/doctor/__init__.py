"""Is the telemetry complete enough to conclude anything from it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

import psycopg

from otel_auto_assign.analysis.doctor.arrivals import about_hours, about_types, about_writers
from otel_auto_assign.analysis.doctor.counted import about_jobs, about_rows, about_runs
from otel_auto_assign.analysis.doctor.drift import about_table
from otel_auto_assign.analysis.doctor.findings import Finding, Verdict, worst
from otel_auto_assign.analysis.doctor.looking import Family, Limits, Looking
from otel_auto_assign.analysis.events import EVERYTHING, EventsTable, Filters, snapshot
from otel_auto_assign.analysis.windows import Window

__all__ = ["FAMILIES", "Finding", "Limits", "Verdict", "examine", "worst"]

FAMILIES: Final[dict[str, Family]] = {
    "the table": about_table,
    "event types": about_types,
    "rows": about_rows,
    "jobs": about_jobs,
    "inline runs": about_runs,
    "arrivals": about_hours,
    "writers": about_writers,
}
"""What is looked at, in this order."""


def examine(
    conn: psycopg.Connection[Any],
    window: Window,
    *,
    now: datetime,
    table: str = "observability_events",
    filters: Filters = EVERYTHING,
    limits: Limits | None = None,
    others: Iterable[Finding] = (),
    asking: Callable[[str], object] = str,
) -> list[Finding]:
    """Look at everything that tells whether the rows of ``window`` can be relied on.

    Args:
        conn: A connection that may read the table; see `figures.report` for its transaction.
        window: Rows, and jobs and runs that began in it.
        now: The present, or what takes its place: what was silent for long before it does not run any more.
        table: The table's name as the settings have it.
        filters: Which rows count. By restaurant it would take rows away from jobs that learnt theirs late.
        limits: Beyond what something is odd.
        others: What is known from elsewhere: the exporter's spool and dead letters.
        asking: Called with what is looked at next.

    Raises:
        TableMissingError: if there is no such table.
        psycopg.Error: if it cannot be read.
    """
    with snapshot(conn):
        look = Looking(conn, EventsTable.find(conn, table), table, window, now, filters, limits or Limits())
        found: list[Finding] = []
        for about, family in FAMILIES.items():
            asking(about)
            found += family(look)
    return [*found, *others]
