"""There is no way in: whatever the reason is, rows wait, the log says why, and nothing needs a restart."""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.exporters.support import count, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.conftest import NewHost
    from tests.faults.proxy import Proxy
    from tests.faults.server import Server
    from tests.postgres import Connection

SECRET = "hunter2%secret"
GRACE = 0.3


@pytest.fixture
def guest(own_server: Server, own_dsn: str) -> Iterator[str]:
    """A role that must log in with a password over the loopback; the DSN, with that password."""
    with psycopg.connect(own_dsn, autocommit=True) as conn:
        conn.execute("CREATE ROLE guest LOGIN")
        conn.execute(f"ALTER ROLE guest PASSWORD '{SECRET}'".encode())
        (schema,) = conn.execute("SELECT current_schema()::text").fetchone() or ("",)
        conn.execute(f"GRANT USAGE ON SCHEMA {schema} TO guest".encode())
        conn.execute("GRANT INSERT ON observability_events TO guest")
    own_server.authenticate("host all guest 127.0.0.1/32 scram-sha-256\n")
    yield make_conninfo(own_dsn, host="127.0.0.1", user="guest", password=SECRET)
    own_server.authenticate("")
    with psycopg.connect(own_dsn, autocommit=True) as conn:
        conn.execute("DROP OWNED BY guest CASCADE")
        conn.execute("DROP ROLE guest")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings of ours."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.usefixtures("events_table")
def test_a_refused_connection_is_waited_for(
    conn: Connection, hosts: NewHost, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing listens: rows wait, said once however often it is tried, and are written when something listens again."""
    caplog.set_level(logging.INFO)
    proxy.refuse()
    host = hosts(proxy.dsn)
    host.give(20)
    for _ in range(5):
        assert not host.settles(0.1)
    assert [text.split(":")[0] for text in warnings(caplog)] == ["rows cannot be written now and wait"]
    assert "refused" in warnings(caplog)[0]
    proxy.accept()
    assert host.settles()
    assert count(conn) == 20
    assert caplog.text.count("rows are being written again") == 1


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("spool_bytes", [0, 10_000_000])
def test_a_long_absence_costs_only_what_nothing_could_hold(
    conn: Connection, hosts: NewHost, proxy: Proxy, spool_bytes: int
) -> None:
    """Down for much longer than the buffer lasts: what was accepted is written, once; with a spool, that is all."""
    host = hosts(proxy.dsn, buffer_size=300, batch_size=50, spool_bytes=spool_bytes)
    host.give(10)
    assert host.settles()
    proxy.refuse()
    host.give()
    if spool_bytes:
        until(lambda: not host.settles(0.02) and host.pipeline._writing.circuit.open)
    for _ in range(10):
        host.give(100)
        host.settles(0.02)
    dropped = host.pipeline.accounts().dropped
    assert dropped.keys() == (set() if spool_bytes else {"buffer_full"})
    assert host.waiting == 1001 - dropped.get("buffer_full", 0) > 300
    proxy.accept()
    assert host.settles()
    assert count(conn) == 1011 - dropped.get("buffer_full", 0)


@pytest.mark.usefixtures("events_table")
def test_a_name_that_does_not_resolve_is_waited_for(
    conn: Connection,
    hosts: NewHost,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """While the resolver knows nothing rows wait; when it knows the name again they are written."""
    known, working = socket.getaddrinfo, threading.Event()

    def resolve(host: Any, *args: Any, **more: Any) -> Any:
        if not working.is_set():
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return known("127.0.0.1", *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    host = hosts(make_conninfo(proxy.dsn, host="database.invalid"))
    host.give(5)
    assert not host.settles(0.2)
    assert "Temporary failure in name resolution" in "".join(warnings(caplog))
    working.set()
    assert host.settles()
    assert count(conn) == 5


@pytest.mark.usefixtures("events_table")
def test_a_resolver_that_hangs_holds_nobody_up(hosts: NewHost, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time-out of ours reaches into the system's resolver: hand-over, flush and shutdown do not wait for it."""
    asked, over = threading.Event(), threading.Event()

    def resolve(*args: Any, **more: Any) -> Any:
        asked.set()
        over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    host = hosts(make_conninfo(proxy.dsn, host="database.invalid"))
    host.give()
    assert asked.wait(10)
    began = time.monotonic()
    host.give(10)
    assert not host.settles(0.2)
    host.pipeline.shutdown(0.2)
    assert time.monotonic() - began < 0.4 + GRACE
    assert host.pipeline.accounts().handed_over == 11
    over.set()
    until(lambda: "otel-auto-assign-writer" not in {thread.name for thread in threading.enumerate()})


def test_a_wrong_password_is_waited_for_and_never_shown(
    own_hosts: NewHost, own_dsn: str, guest: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's words are logged without the password; once it is the right one rows are written."""
    caplog.set_level(logging.DEBUG)
    with psycopg.connect(own_dsn, autocommit=True) as conn:
        conn.execute("ALTER ROLE guest PASSWORD 'another'")
        host = own_hosts(guest)
        host.give(5)
        assert not host.settles(0.3)
        assert len(warnings(caplog)) == 1
        assert 'password authentication failed for user "guest"' in warnings(caplog)[0]
        conn.execute(f"ALTER ROLE guest PASSWORD '{SECRET}'".encode())
        assert host.settles()
        assert count(conn) == 5
    assert SECRET not in caplog.text


def test_too_many_connections_at_start_are_waited_for(
    own_hosts: NewHost, own_dsn: str, guest: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The application has used all connections up: rows wait until it lets one go."""
    with psycopg.connect(own_dsn, autocommit=True) as conn, ExitStack() as taken:
        with suppress(psycopg.OperationalError):
            while True:
                taken.enter_context(psycopg.connect(guest, application_name="host"))
        host = own_hosts(guest)
        host.give(5)
        assert not host.settles(0.3)
        assert "connection slots" in "".join(warnings(caplog))
        taken.close()
        assert host.settles()
        assert count(conn) == 5


def test_a_database_that_does_not_exist_yet_is_waited_for(
    own_server: Server, own_hosts: NewHost, own_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named in the log; when it is there, rows are written."""
    with psycopg.connect(make_conninfo(own_server.dsn, dbname="template1"), autocommit=True) as conn:
        conn.execute("ALTER DATABASE postgres RENAME TO earlier")
        host = own_hosts(own_dsn)
        host.give(5)
        assert not host.settles(0.3)
        assert 'database "postgres" does not exist' in "".join(warnings(caplog))
        conn.execute("ALTER DATABASE earlier RENAME TO postgres")
    assert host.settles()
