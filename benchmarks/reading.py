"""The report on five million rows, against one hand-written percentile query over the same rows."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.measure import Side, Spread, interleaved
from benchmarks.report import Goal, Result, show_source
from benchmarks.stage import Database
from otel_auto_assign.analysis.figures import report
from otel_auto_assign.analysis.windows import Window

ROWS: Final = 5_000_000
ROWS_A_BOOKING: Final = 11.6
ROUNDS: Final = 5
TABLE: Final = "many_events"
WINDOW: Final = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
BY_HAND: Final = f"""
SELECT percentile_cont(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY (context->>'planner_duration_ms')::float8)
FROM {TABLE}
WHERE event_type = 'auto_assign.quote' AND created_at >= %s AND created_at < %s
"""
ALONE: Final = """
import sys, resource, psycopg
from benchmarks.reading import TABLE, WINDOW, report
with psycopg.connect(sys.argv[1]) as conn:
    report(conn, WINDOW, table=TABLE)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def by_hand(conn: psycopg.Connection[Any]) -> None:
    """Four percentiles of one kind of row."""
    conn.execute(BY_HAND.encode(), (WINDOW.start, WINDOW.end)).fetchall()


def all_metrics(conn: psycopg.Connection[Any]) -> None:
    """Every figure of the contract's §7, and what could not be read."""
    report(conn, WINDOW, table=TABLE)


def run(db: Database) -> Iterator[Result]:
    """Measure, and give the lines of the table."""
    show_source("every figure of §7 on five million rows", by_hand, all_metrics)
    with db.connect() as conn:
        fill(conn, ROWS)

        def timed(work: Any) -> float:
            before = time.perf_counter_ns()
            work(conn)
            return float(time.perf_counter_ns() - before)

        measured = interleaved(
            Side("hand", lambda: timed(by_hand)), Side("report", lambda: timed(all_metrics)), rounds=ROUNDS
        )
        ours, theirs = measured.spread("report"), measured.spread("hand")
        yield Result(
            f"all figures of a window, {ROWS:,} rows",
            "one hand-written query, four percentiles",
            measured.ratio("report", "hand"),
            f"{ours.median / 1e9:.1f} against {theirs.median / 1e9:.1f} s",
            Goal(3),
        )
        peak = int(subprocess.run([sys.executable, "-c", ALONE, db.dsn], check=True, capture_output=True).stdout)
        share = peak / 1024 / 300
        yield Result(
            "peak memory of the process that reports",
            "300 MB",
            Spread(share, share, share),
            f"{peak // 1024} MB",
            Goal(1),
        )
        conn.execute(f"DROP TABLE {TABLE}".encode())


def fill(conn: psycopg.Connection[Any], rows: int) -> None:
    """Make a table of so many rows, indexed and analysed as a host's would be."""
    conn.execute(f"CREATE TABLE {TABLE} (LIKE observability_events INCLUDING DEFAULTS)".encode())
    text = Path(__file__).with_name("rows.sql").read_text(encoding="utf-8")
    runs = str(int(rows / ROWS_A_BOOKING) + 1)
    filled = text.replace("{runs}", runs).replace("{rows}", str(rows)).replace("{table}", TABLE)
    conn.execute(filled.encode())
    for column in ("created_at DESC", "source", "booking_id"):
        conn.execute(f"CREATE INDEX ON {TABLE} ({column})".encode())
    conn.execute(f"VACUUM ANALYZE {TABLE}".encode())
