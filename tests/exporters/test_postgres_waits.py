"""The writer waits for nobody beyond its deadline, and nobody of the host's waits for it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from observability_events import connection as connections
from observability_events.failures import Action, DeadlineError, action
from tests.exporters.support import add_parent, count, locked, row, settings, stopped_writers, until
from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from otel_auto_assign.settings import Settings
    from tests.postgres import Connection

from tests.exporters.table_writer import Writer

WAITING = b"""
    SELECT count(*) FROM pg_stat_activity WHERE application_name = 'otel-auto-assign' AND wait_event_type = 'Lock'
"""


@pytest.mark.usefixtures("events_table")
def test_a_stopped_server_process_costs_the_deadline_and_no_more(conn: Connection, dsn: str) -> None:
    """A statement whose server process has stopped is given up in time; the next one has a new connection."""
    writer = Writer(settings(dsn, statement_timeout=0.3))
    writer.write(row())
    with stopped_writers(conn):
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            writer.write(row())
        assert 0.3 <= time.monotonic() - began < 0.5
        writer.disconnect()
        assert writer.write(row()) == 1
    writer.disconnect()


@pytest.mark.usefixtures("events_table")
def test_a_silent_network_costs_the_deadline_and_no_more(dsn: str) -> None:
    """A batch larger than every buffer on the way, sent into a black hole, is given up in time."""
    rows = [row(context={"text": "x" * 100_000}) for _ in range(200)]
    with Proxy(dsn) as proxy:
        writer = Writer(settings(proxy.dsn, statement_timeout=0.5))
        writer.write(row())
        proxy.blackhole()
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            writer.write(*rows)
        assert time.monotonic() - began < 0.7
        writer.disconnect()
        assert time.monotonic() - began < 2.0  # the server is asked to end the statement, for a second at most


@pytest.mark.usefixtures("events_table")
def test_a_statement_given_up_is_ended_on_the_server(conn: Connection, dsn: str) -> None:
    """A statement that a trigger of the host's keeps does not stay behind, to run beside the next one."""
    running = b"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'otel-auto-assign' AND state = 'active'"
    writer = Writer(settings(dsn, statement_timeout=0.3))
    writer.write(row())
    body = "BEGIN PERFORM pg_sleep(60); RETURN NEW; END"
    conn.execute(f"CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$".encode())
    conn.execute("CREATE TRIGGER t BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION sleep()")
    with pytest.raises(DeadlineError):
        writer.write(row())
    assert conn.execute(running).fetchone() == (1,)
    writer.disconnect()
    until(lambda: conn.execute(running).fetchone() == (0,), 2)
    assert count(conn) == 1


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("pipelines", [True, False], ids=["", "libpq before 14"])
def test_gives_way_to_a_lock_of_the_whole_table(dsn: str, monkeypatch: pytest.MonkeyPatch, *, pipelines: bool) -> None:
    """Such a lock is taken before a statement runs, and yet waited for no longer than any other; then we go on."""
    made: list[connections.Connection] = []

    def connect(given: Settings) -> connections.Connection:
        made.append(connections.connect(given))
        return made[-1]

    monkeypatch.setattr(psycopg.capabilities, "has_pipeline", lambda: pipelines)
    writer = Writer(settings(dsn, statement_timeout=60.0), connect=connect)
    assert writer.write(row()) == 1
    with locked(dsn, "LOCK TABLE observability_events"), pytest.raises(psycopg.errors.LockNotAvailable) as caught:
        writer.write(row())
    assert action(caught.value) is Action.BACK_OFF
    assert writer.write(row(), row()) == 2
    assert made[0].execute("SHOW lock_timeout").fetchone() == ("0",)
    assert len(made) == 1
    writer.disconnect()


@pytest.mark.usefixtures("events_table")
def test_abort_ends_the_statement_that_runs(conn: Connection, dsn: str) -> None:
    """Another thread ends a statement at once, and none begins afterwards."""
    booking = add_parent(conn)
    writer = Writer(settings(dsn))
    writer.write(row())
    with stopped_writers(conn):
        timer = threading.Timer(0.2, writer.abort)
        timer.start()
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            writer.write(row(booking_id=booking))
        assert time.monotonic() - began < 0.4
        timer.join()
        writer.disconnect()
        with pytest.raises(DeadlineError):
            writer.write(row())
        writer.disconnect()


@pytest.mark.usefixtures("events_table")
def test_gives_way_to_the_hosts_lock(conn: Connection, dsn: str, writer: Writer) -> None:
    """A row whose booking the host has locked is given up before the server's deadlock check would run."""
    booking = add_parent(conn)
    writer.write(row())
    with locked(dsn, "SELECT FROM bookings WHERE id = %s FOR UPDATE", booking):
        began = time.monotonic()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            writer.write(row(booking_id=booking))
        assert time.monotonic() - began < 0.9  # deadlock_timeout is a second


@pytest.mark.usefixtures("events_table")
def test_the_host_is_never_the_deadlocks_victim(conn: Connection, dsn: str, writer: Writer) -> None:
    """When host and writer take two bookings in opposite order, the writer lets go and the host commits."""
    first, second = sorted(add_parent(conn) for _ in range(2))
    writer.write(row())
    outcome: list[BaseException | int] = []

    def write() -> None:
        try:
            outcome.append(writer.write(row(booking_id=first), row(booking_id=second)))
        except psycopg.Error as error:
            outcome.append(error)

    with psycopg.connect(dsn, application_name="host") as host:
        host.execute("SELECT FROM bookings WHERE id = %s FOR UPDATE", (second,))
        thread = threading.Thread(target=write)
        thread.start()
        until(lambda: conn.execute(WAITING).fetchone() == (1,))
        host.execute("SELECT FROM bookings WHERE id = %s FOR UPDATE", (first,))  # closes the circle
        host.commit()
        thread.join()
    assert isinstance(outcome[0], psycopg.errors.LockNotAvailable)


@pytest.mark.usefixtures("events_table")
def test_survives_a_cut_connection(dsn: str, conn: Connection) -> None:
    """After the line broke, the writer says so without an SQLSTATE and the next batch has a new connection."""
    with Proxy(dsn) as proxy:
        writer = Writer(settings(proxy.dsn))
        writer.write(row())
        proxy.cut()
        with pytest.raises(psycopg.OperationalError) as caught:
            writer.write(row())
        assert caught.value.sqlstate is None
        writer.disconnect()
        assert writer.write(row()) == 1
        writer.disconnect()
    assert count(conn) == 2
