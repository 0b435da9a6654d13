"""The SQL to paste: executed on a real server, it gives roles that can do their work, and nothing else."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from observability_events import wire
from observability_events.checkup import at_database, speaking
from observability_events.findings import Finding, Verdict
from observability_events.postgres import PostgresWriter
from observability_events.probe import look
from observability_events.reconcile import reconcile
from observability_events.roles import place, roles_sql
from tests.exporters.dead_jobs import Job
from tests.exporters.support import add_parent, count, row, settings
from tests.postgres import TABLE, Connection, create_events_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROLES = ("writer", "reader", "reconciler")
PASSWORD = "of-the-test"


@contextmanager
def pasted(conn: Connection, dsn: str, schema: str) -> Iterator[Callable[[str], str]]:
    """Make the roles, under names of the test's own; give what makes the DSN by which one of them logs in."""
    prefix = f"t{uuid.uuid4().hex[:8]}_"
    with speaking(settings(dsn)) as connection:
        table = look(connection, TABLE)
        assert not isinstance(table, Finding)
        printed = roles_sql(place(connection, table), settings(dsn))
    names = [sql.Identifier(f"{prefix}{role}") for role in ROLES]
    try:
        conn.execute(printed.replace("auto_assign_", prefix).encode())
        for name in names:
            conn.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(PASSWORD)))
        yield lambda role: make_conninfo(
            dsn, user=f"{prefix}{role}", password=PASSWORD, options=f"-csearch_path={schema},public"
        )
    finally:
        for name in names:
            conn.execute(sql.SQL("DROP OWNED BY {}").format(name))
            conn.execute(sql.SQL("DROP ROLE {}").format(name))


SHAPES: dict[str, dict[str, Any]] = {
    "production": {},
    "without severity": {"missing": ("severity",)},
    "a serial column of the host's": {"extra": "n bigserial"},
    "partitioned": {"partitioned": True},
}


@pytest.mark.parametrize("row_security", [True, False])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_writer_writes_rows_and_nothing_else(
    conn: Connection, dsn: str, schema: str, shape: dict[str, Any], row_security: bool
) -> None:
    """It logs in, `check` has nothing to say of it but of what the table lacks, and rows go in, twice as once."""
    create_events_table(conn, **shape)
    if row_security:
        conn.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    booking = add_parent(conn)
    with pasted(conn, dsn, schema) as login:
        findings = list(at_database(settings(login("writer")), trial=True))
        said = [str(one) for one in findings if one.verdict is not Verdict.OK]
        assert ["has no column severity" in one for one in said] == ([True] if "missing" in shape else [])

        writer = PostgresWriter(settings(login("writer")))
        rows = [wire.encode(row(booking_id=booking)), wire.encode(row())]
        assert (writer.insert(rows), writer.insert(rows)) == (2, 0)
        writer.disconnect()
        with psycopg.connect(login("writer"), autocommit=True) as connection:
            for refused in (f"SELECT id FROM {TABLE}", f"DELETE FROM {TABLE}", "SELECT FROM bookings"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(refused.encode())
            assert connection.execute("SHOW statement_timeout").fetchone() == ("10s",)
    assert count(conn) == 2


@pytest.mark.parametrize("row_security", [True, False])
def test_the_reader_reads_and_the_reconciler_does_both(
    conn: Connection, dsn: str, schema: str, row_security: bool
) -> None:
    """Every row is seen by both, under row security, too; only one of them writes."""
    create_events_table(conn)
    if row_security:
        conn.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    conn.execute(f"INSERT INTO {TABLE} (source, event_type) VALUES ('host', 'booking.made')")
    with pasted(conn, dsn, schema) as login:
        for role in ("reader", "reconciler"):
            with psycopg.connect(login(role), autocommit=True) as connection:
                assert connection.execute(f"SELECT source FROM {TABLE}".encode()).fetchall() == [("host",)]
                with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                    connection.execute(f"UPDATE {TABLE} SET source = 'x'".encode())
        writer = PostgresWriter(settings(login("reconciler")))
        assert writer.insert([wire.encode(row())]) == 1
        writer.disconnect()
    assert count(conn) == 2


@pytest.mark.parametrize("row_security", [True, False])
def test_reconcile_works_as_the_reconciler(conn: Connection, dsn: str, schema: str, row_security: bool) -> None:
    """No row is hidden from it, and the summary is written."""
    create_events_table(conn)
    if row_security:
        conn.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    job = Job(conn).put()
    with pasted(conn, dsn, schema) as login:
        report = reconcile(settings(login("reconciler")))
    assert (report.written, list(report.hidden_by)) == (1, [])
    assert len(job.rows()) == 1


def test_without_row_security_no_policy_is_made(conn: Connection, dsn: str, schema: str) -> None:
    """One that waits in silence would let rows in when somebody turns it on."""
    create_events_table(conn)
    with pasted(conn, dsn, schema):
        assert conn.execute("SELECT count(*) FROM pg_policy WHERE polrelid = %s::regclass", (TABLE,)).fetchone() == (0,)
