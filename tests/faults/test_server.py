"""The server stops, restarts, crashes or turns read-only: rows wait and are written once, and nobody waits for them."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.exporters.support import count, stopped_writers, until
from tests.faults.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.conftest import NewHost
    from tests.postgres import Connection

GRACE = 0.3
OURS = "FROM pg_stat_activity WHERE application_name = 'otel-auto-assign'"


def written(dsn: str) -> int:
    """How many rows are in the table."""
    with psycopg.connect(dsn) as conn:
        return count(conn)


@pytest.mark.usefixtures("events_table")
def test_the_clients_deadline_holds_when_the_servers_process_has_stopped(
    conn: Connection, dsn: str, hosts: NewHost
) -> None:
    """No time-out of the server's ends that wait: ours does, and the same rows go through another connection."""
    host = hosts(dsn, statement_timeout=0.3)
    host.give()
    assert host.settles()
    with stopped_writers(conn):
        host.give(10)
        assert host.settles(5)
        assert count(conn) == 11


@pytest.mark.usefixtures("events_table")
def test_flush_and_shutdown_are_in_time_when_the_servers_process_has_stopped(
    conn: Connection, dsn: str, hosts: NewHost
) -> None:
    """Long before the statement's own deadline."""
    host = hosts(dsn, statement_timeout=30.0)
    host.give()
    assert host.settles()
    with stopped_writers(conn):
        host.give(3)
        began = time.monotonic()
        assert not host.settles(0.3)
        host.pipeline.shutdown(0.3)
        assert time.monotonic() - began < 0.6 + GRACE
    assert host.pipeline.accounts().handed_over == 3


def test_a_machine_that_hangs_is_waited_for(own_server: Server, own_dsn: str, own_hosts: NewHost) -> None:
    """All of the server is stopped: the statement is given up, connecting too; when it goes on rows are written."""
    host = own_hosts(own_dsn, statement_timeout=0.3, connect_timeout=2.0)
    host.give()
    assert host.settles()
    with own_server.stopped():
        host.give(10)
        began = time.monotonic()
        assert not host.settles(1.0)
        assert time.monotonic() - began < 1.0 + GRACE
        assert host.waiting == 10
    assert host.settles()
    assert written(own_dsn) == 11


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["57P01", "57P02"])
def test_a_restart_loses_nothing(own_server: Server, own_dsn: str, own_hosts: NewHost, number: signal.Signals) -> None:
    """Stopped with rows in hand, fast or at once, absent for a while, started again: every row is written, once."""
    host = own_hosts(own_dsn, batch_size=20)
    host.give(30)
    assert host.settles()
    own_server.stop(number)
    host.give(100)
    assert not host.settles(0.3)
    own_server.start()
    assert host.settles()
    assert written(own_dsn) == 130


def test_a_restart_in_the_middle_of_the_stream_writes_no_row_twice(
    own_server: Server, own_dsn: str, own_hosts: NewHost
) -> None:
    """Rows are on their way at the very moment."""
    host = own_hosts(own_dsn, batch_size=5)
    host.give(3000)
    until(lambda: written(own_dsn) > 0)
    own_server.stop()
    assert host.waiting > 0
    own_server.start()
    assert host.settles(20)
    assert written(own_dsn) == 3000


def test_the_crash_of_one_server_process_loses_nothing(own_server: Server, own_dsn: str, own_hosts: NewHost) -> None:
    """A killed process makes the server reset all sessions and recover: ours comes back by itself."""
    host = own_hosts(own_dsn)
    host.give(10)
    assert host.settles()
    with psycopg.connect(own_dsn) as conn:
        ((pid,),) = conn.execute(f"SELECT pid {OURS}".encode()).fetchall()
    os.kill(int(str(pid)), signal.SIGKILL)
    host.give(10)
    assert host.settles()
    assert written(own_dsn) == 20


def test_a_session_that_the_server_finds_idle_is_opened_again(
    own_server: Server, own_dsn: str, own_hosts: NewHost
) -> None:
    """With an idle_session_timeout (57P05) each batch may need a connection of its own: it costs a retry."""
    own_server.set(idle_session_timeout="50ms")
    host = own_hosts(own_dsn)
    for batch in range(3):
        host.give(5)
        assert host.settles()
        until(lambda: not _sessions(own_server))
        assert written(own_dsn) == 5 * (batch + 1)


def test_a_database_that_is_read_only_for_now_loses_nothing(
    own_server: Server, own_dsn: str, own_hosts: NewHost, caplog: pytest.LogCaptureFixture
) -> None:
    """default_transaction_read_only, which hosts set on a full disk: rows wait (25006) until it is taken off."""
    own_server.set(default_transaction_read_only="on")
    host = own_hosts(own_dsn, batch_size=5)
    host.give(100)
    assert not host.settles(0.5)
    assert "read-only transaction (SQLSTATE 25006)" in caplog.text
    with psycopg.connect(own_server.dsn, autocommit=True) as conn:
        conn.execute("SET default_transaction_read_only = off")
        conn.execute("ALTER SYSTEM RESET default_transaction_read_only")
    own_server.reload()
    assert host.settles()
    assert written(own_dsn) == 100


@pytest.fixture
def standby(own_server: Server, own_dsn: str) -> Iterator[Server]:
    """A hot standby of the server."""
    made = Server()
    try:
        made.program("pg_basebackup", *("-D", str(made.data), "-d", own_server.dsn, "-R", "-c", "fast"))
        made.start()
        yield made
    finally:
        made.__exit__(None, None, None)


def test_a_standby_is_waited_for_until_it_is_promoted(
    standby: Server, own_dsn: str, own_hosts: NewHost, caplog: pytest.LogCaptureFixture
) -> None:
    """A fail-over: the DSN leads to a real standby (25006); once that is the primary, rows are written to it."""
    promoted = make_conninfo(own_dsn, host=str(standby.folder), port=standby.port)
    host = own_hosts(promoted, seen_by=promoted, batch_size=5)
    host.give(100)
    assert not host.settles(0.5)
    assert "read-only transaction (SQLSTATE 25006)" in caplog.text
    standby.program("pg_ctl", "promote", "-D", str(standby.data))
    assert host.settles()


def _sessions(server: Server) -> list[tuple[object, ...]]:
    with psycopg.connect(server.dsn, autocommit=True) as conn:
        return conn.execute(f"SELECT pid {OURS}".encode()).fetchall()
