"""An abandoned summary and the real one, whichever comes first."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from typer.testing import CliRunner

from observability_events import ObservabilityEventsProcessor
from observability_events import reconcile as reconciling
from observability_events.postgres import PostgresWriter
from observability_events.reconcile import Report, reconcile
from otel_auto_assign import configure, semconv, traced_job, traced_quote
from otel_auto_assign.cli import app
from tests.exporters.dead_jobs import Job, summarised
from tests.exporters.support import settings
from tests.postgres import create_events_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Connection

NOW = timedelta(0)


class Ending:
    """A real job that asks, waits until it is told to end, and then ends."""

    def __init__(self, dsn: str) -> None:
        provider = TracerProvider(shutdown_on_exit=False)
        self._processor = ObservabilityEventsProcessor(settings(dsn))
        provider.add_span_processor(self._processor)
        configure(tracer_provider=provider)

        @traced_quote
        def quote() -> dict[str, str]:
            return {"reason": "No capacity"}

        @traced_job(trigger="test")
        def job(booking_id: str) -> Iterator[None]:
            quote()
            yield

        self._job = job("b-17")
        next(self._job)
        self.flush()

    def flush(self) -> None:
        """Have all rows that there are written."""
        assert self._processor.force_flush()

    def end(self) -> None:
        """End the job, and have its summary written."""
        assert list(self._job) == []
        self.flush()
        self._processor.shutdown()


def twins(dsn: str) -> int:
    """Give in how many jobs doctor sees an abandoned pair, or summary, beside the job's own."""
    return len(said_of_twins(dsn)["examples"])


def said_of_twins(dsn: str) -> dict[str, Any]:
    """Give what doctor says of them."""
    done = CliRunner().invoke(app, ["doctor", "--dsn", dsn, "--since", "1d", "--json"])
    (found,) = [finding for finding in json.loads(done.stdout)["findings"] if finding["check"] == "twins"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("partitioned", [False, True])
@pytest.mark.parametrize("precision", ["", "(3)"])
def test_the_real_summary_comes_first(dsn: str, conn: Connection, *, partitioned: bool, precision: str) -> None:
    """Then nothing is abandoned."""
    create_events_table(conn, partitioned=partitioned)
    if not partitioned:
        conn.execute(f"ALTER TABLE observability_events ALTER created_at TYPE timestamptz{precision}".encode())
    Ending(dsn).end()
    assert reconcile(settings(dsn), older_than=NOW).abandoned == 0
    assert summarised(conn) == 1


@pytest.mark.parametrize("precision", ["", "(3)", "(0)"])
def test_the_real_summary_comes_later(dsn: str, conn: Connection, events_table: str, precision: str) -> None:
    """Then it is superseded: there is one row, and the first one stays. The column's precision does not matter."""
    conn.execute(f"ALTER TABLE observability_events ALTER created_at TYPE timestamptz{precision}".encode())
    job = Ending(dsn)
    assert reconcile(settings(dsn), older_than=timedelta(seconds=-60)).written == 1
    job.end()
    found = conn.execute("SELECT context->>'result' FROM observability_events WHERE event_type = 'auto_assign.summary'")
    assert found.fetchall() == [("abandoned",)]


@pytest.mark.parametrize("unique", [False, True])
def test_the_real_summary_comes_later_into_partitions(dsn: str, conn: Connection, *, unique: bool) -> None:
    """Their key has the time beside the id, and the real one's is its end: it stands beside the first; doctor lists it.

    A unique index on the id alone, in the partition that has both, makes them one.
    """
    create_events_table(conn, partitioned=True)
    if unique:
        parts = conn.execute("SELECT relid::regclass::text FROM pg_partition_tree('observability_events') WHERE isleaf")
        for (part,) in parts.fetchall():
            conn.execute(f"CREATE UNIQUE INDEX ON {part} (id)".encode())
    job = Ending(dsn)
    assert reconcile(settings(dsn), older_than=timedelta(seconds=-60)).written == 1
    job.end()
    assert summarised(conn) == (1 if unique else 2)
    assert reconcile(settings(dsn), older_than=timedelta(seconds=-60)).abandoned == 0
    assert twins(dsn) == (0 if unique else 1)


def test_a_real_pair_that_comes_later_is_listed(dsn: str, conn: Connection, events_table: str) -> None:
    """Where the start was missing, the pair stands beside the real one for good; doctor says of which job."""
    job = Job(conn).put(semconv.EVENT_ATTEMPT, 7)
    assert reconcile(settings(dsn)).written == 2
    assert twins(dsn) == 0
    job.put().put(semconv.EVENT_SUMMARY, 9, result="exhausted", attemptsUsed=1)
    assert twins(dsn) == 1

    remedy = "delete their summary with result = 'abandoned' and, of two started rows, the later one"
    assert said_of_twins(dsn)["remedy"].startswith(remedy)
    table = "DELETE FROM observability_events"
    conn.execute(f"{table} WHERE context->>'result' = 'abandoned'".encode())
    later = "SELECT max(created_at) FROM observability_events WHERE event_type = 'auto_assign.started'"
    conn.execute(f"{table} WHERE event_type = 'auto_assign.started' AND created_at = ({later})".encode())
    assert twins(dsn) == 0
    left = conn.execute("SELECT event_type, context->>'result' FROM observability_events ORDER BY created_at")
    assert left.fetchall() == [
        (semconv.EVENT_STARTED, None),
        (semconv.EVENT_ATTEMPT, None),
        (semconv.EVENT_SUMMARY, "exhausted"),
    ]


@pytest.mark.parametrize("partitioned", [False, True])
def test_two_runs_that_saw_different_rows_write_it_once(dsn: str, conn: Connection, *, partitioned: bool) -> None:
    """Even without the lock: the summary of the one that saw fewer rows is the other's, in partitions, too."""
    create_events_table(conn, partitioned=partitioned)
    job = Job(conn).put()
    seen_before = reconcile(settings(dsn), dry_run=True).jobs
    job.put(semconv.EVENT_ATTEMPT, 60)
    assert reconcile(settings(dsn)).written == 1

    writer, report = PostgresWriter(settings(dsn)), Report()
    reconciling._write(writer, seen_before, report)
    writer.disconnect()
    assert (report.written, report.already_present, summarised(conn)) == (0, 1, 1)
