"""What stands in the way of reconcile: another run, locks, refusals, bookings that are gone."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from observability_events.connection import connect
from observability_events.postgres import PostgresWriter
from observability_events.probe import probe
from observability_events.reconcile import HeldError, Report, reconcile
from observability_events.unfinished import UnfinishedJobs
from otel_auto_assign import semconv
from tests.exporters.dead_jobs import Job, reconciler_role
from tests.exporters.support import add_parent, locked, settings
from tests.postgres import create_events_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from observability_events.wire import EncodedRow
    from tests.postgres import Connection


def test_a_run_at_a_time(dsn: str, conn: Connection, events_table: str) -> None:
    """Another run on the same table refuses, one on another table does not, and none after the end of the first."""
    create_events_table(conn, name="other")
    Job(conn).put()
    with connect(settings(dsn)) as first, first.transaction():
        assert UnfinishedJobs(first, "observability_events", probe(first, "observability_events")).lock()
        with pytest.raises(HeldError, match="another reconcile is at work on observability_events"):
            reconcile(settings(dsn))
        assert reconcile(settings(dsn), dry_run=True).abandoned == 1
        assert reconcile(settings(dsn, table="other")) == Report()
    assert reconcile(settings(dsn)).written == 1


def test_a_hosts_lock_keeps_one_job_out(dsn: str, conn: Connection, events_table: str) -> None:
    """The others are written; the next run writes what was left."""
    jobs = [Job(conn) for _ in range(5)]
    for job in jobs:
        job.booking_id = add_parent(conn)
        job.put()
    with locked(dsn, "SELECT FROM bookings WHERE id = %s FOR UPDATE", jobs[2].booking_id):
        report = reconcile(settings(dsn))
        assert (report.abandoned, report.written, report.left) == (5, 4, 1)
        assert jobs[2].rows() == []
    assert reconcile(settings(dsn)).written == 1


def test_a_locked_table_is_left_to_the_next_run(
    dsn: str, conn: Connection, events_table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody alters it: it is tried once, not once for each job, and the jobs are counted as left."""
    for _ in range(5):
        Job(conn).put()
    tries: list[int] = []
    insert = PostgresWriter.insert

    def counted(writer: PostgresWriter, rows: Sequence[EncodedRow]) -> int:
        tries.append(len(rows))
        return insert(writer, rows)

    monkeypatch.setattr(PostgresWriter, "insert", counted)
    with locked(dsn, "LOCK TABLE observability_events IN SHARE MODE"):
        report = reconcile(settings(dsn))
    assert (report.abandoned, report.written, report.left, tries) == (5, 0, 5, [5])
    assert reconcile(settings(dsn)).written == 5


def test_a_row_that_the_database_refuses_is_told(dsn: str, conn: Connection, events_table: str) -> None:
    """The others are written."""
    bad, good = Job(conn).put(semconv.EVENT_QUOTE, service="bad"), Job(conn).put()
    check = "CHECK (event_type <> 'auto_assign.summary' OR context->>'service' <> 'bad')"
    conn.execute(f"ALTER TABLE observability_events ADD {check}".encode())
    report = reconcile(settings(dsn))
    assert (report.written, report.refused, len(good.rows()), len(bad.rows())) == (1, 1, 1, 0)
    assert "violates check constraint" in report.refusal


@pytest.mark.parametrize("sees_parents", [False, True])
def test_a_booking_that_is_gone(dsn: str, schema: str, conn: Connection, *, sees_parents: bool) -> None:
    """The summary is written without it, and the id is kept in its context, whether we may look for it or not."""
    create_events_table(conn, foreign_keys=False)
    gone, there = Job(conn), Job(conn)
    gone.booking_id, there.booking_id = uuid.uuid4(), add_parent(conn)
    gone.put(), there.put()
    conn.execute("ALTER TABLE observability_events ADD FOREIGN KEY (booking_id) REFERENCES bookings (id) NOT VALID")
    with reconciler_role(dsn, schema) as (role_dsn, role):
        if sees_parents:
            conn.execute(f"GRANT SELECT ON bookings TO {role}".encode())
        assert reconcile(settings(role_dsn)).written == 2
    found = conn.execute(
        "SELECT booking_id, context->>'booking_ref' FROM observability_events WHERE event_type = 'auto_assign.summary'"
    )
    assert set(found.fetchall()) == {(None, str(gone.booking_id)), (there.booking_id, None)}


def test_a_reference_that_is_blamed_without_cause(dsn: str, conn: Connection, events_table: str) -> None:
    """A trigger that blames a column which is empty already does not keep us at it: the job is refused, and told."""
    conn.execute("""
        CREATE FUNCTION blame() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE foreign_key_violation USING CONSTRAINT = 'observability_events_booking_id_fkey', MESSAGE = 'no such';
        END $$
    """)
    job = Job(conn).put()
    conn.execute("CREATE TRIGGER blames BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION blame()")
    report = reconcile(settings(dsn))
    assert (report.abandoned, report.written, report.refused) == (1, 0, 1)
    assert "no such" in report.refusal
    assert job.rows() == []


def test_a_server_that_answers_no_more(dsn: str, conn: Connection, events_table: str, monkeypatch: Any) -> None:
    """Reading ends at its deadline, whatever the server does."""
    monkeypatch.setattr("observability_events.reconcile.DEADLINE_SECONDS", 0.5)
    with locked(dsn, "LOCK TABLE observability_events"), pytest.raises(psycopg.Error, match="did not answer in time"):
        reconcile(settings(dsn, statement_timeout=3600.0))


def test_references_of_the_jobs_rows_are_kept(dsn: str, conn: Connection, events_table: str) -> None:
    """An id that was dangling when the job's rows were written is none for the column now."""
    ref = str(uuid.uuid4())
    job = Job(conn).put(booking_ref=ref, restaurant_ref="r-1")
    reconcile(settings(dsn))
    assert [(row[2]["booking_ref"], row[2]["restaurant_ref"]) for row in job.rows()] == [(ref, "r-1")]
