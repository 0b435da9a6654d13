"""Rows from ended spans to the COMMIT, against what the database can take at best and against one INSERT a row."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psycopg
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from psycopg.types.json import Jsonb

from benchmarks.measure import Side, Spread, interleaved, wall
from benchmarks.report import Goal, Result, show_source
from benchmarks.stage import ANSWER, BOOKINGS, RESTAURANT, Database, provider, rows_processor, use
from otel_auto_assign import traced_quote

ROWS: Final = 10_000
SINGLE_ROWS: Final = 300
ROUNDS: Final = 7
WHAT: Final = "rows a second, ended span to COMMIT"
COLUMNS: Final = "id, created_at, source, event_type, severity, context, restaurant_id, booking_id"


@traced_quote
def quote(booking_id: str, restaurant_id: str) -> object:
    """One quote, one row."""
    return ANSWER


def ended_spans(count: int) -> list[ReadableSpan]:
    """Give spans of quotes that have ended, one row each."""
    recorder = InMemorySpanExporter()
    used = provider(SimpleSpanProcessor(recorder))
    use(used)
    for booking in itertools.islice(itertools.cycle(BOOKINGS), count):
        quote(booking, RESTAURANT)
    use(None)
    used.shutdown()
    return list(recorder.get_finished_spans())


def copy_from(conn: psycopg.Connection, file: str) -> None:
    """Load all rows by the server itself, from a file on its own disk, in one transaction."""
    conn.execute(f"COPY observability_events ({COLUMNS}) FROM '{file}'".encode())


def insert_each(conn: psycopg.Connection, rows: list[tuple[object, ...]]) -> None:
    """Insert each row by an autocommitted statement of its own."""
    for row in rows:
        conn.execute(
            f"INSERT INTO observability_events ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)".encode(), row
        )


def run(db: Database) -> Iterator[Result]:
    """Measure, and give the lines of the table."""
    show_source("Rows a second", quote, copy_from, insert_each)
    spans = ended_spans(ROWS)
    processor = rows_processor(db, buffer_size=2 * ROWS)

    def pipeline() -> None:
        for span in spans:
            processor.on_end(span)
        assert processor.force_flush()

    with db.connect() as conn:
        db.empty()
        pipeline()
        assert db.count() == ROWS
        rows = [
            (*row[:5], Jsonb(row[5]), *row[6:])
            for row in conn.execute(f"SELECT {COLUMNS} FROM observability_events LIMIT {SINGLE_ROWS}".encode())
        ]
        file = str(Path(db.data_directory) / "rows.copy")
        conn.execute(f"COPY (SELECT {COLUMNS} FROM observability_events) TO '{file}'".encode())

        def turn(name: str, work: Callable[[], None], units: int) -> Side:
            def once() -> float:
                db.empty()
                return wall(work, units)

            return Side(name, once)

        measured = interleaved(
            turn("pipeline", pipeline, ROWS),
            turn("COPY", lambda: copy_from(conn, file), ROWS),
            turn("INSERT", lambda: insert_each(conn, rows), SINGLE_ROWS),
            rounds=ROUNDS,
        )
        db.empty()
    processor.shutdown()
    copied, single = "COPY FROM a file on the server, the same rows", "one autocommitted INSERT a row"
    for what, ours, against, theirs, goal in (
        (WHAT, "pipeline", copied, "COPY", Goal(0.8, at_least=True)),
        (WHAT, "pipeline", single, "INSERT", Goal(15, at_least=True)),
        ("what could be reached: " + copied, "COPY", single, "INSERT", None),
    ):
        numbers = f"{rate(measured.spread(ours))} against {rate(measured.spread(theirs))} rows/s"
        yield Result(what, against, measured.ratio(theirs, ours), numbers, goal)


def rate(nanoseconds: Spread) -> str:
    """Write a cost in nanoseconds a row as rows a second."""
    return f"{1e9 / nanoseconds.median:,.0f}"
