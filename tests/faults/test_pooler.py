"""Through pgbouncer in transaction mode: rows arrive, and no other client notices that we were there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from observability_events.checkup import at_database
from observability_events.findings import Verdict
from tests.exporters.support import count, settings
from tests.faults.pooler import Pooler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.conftest import NewHost
    from tests.faults.server import Server

pytestmark = pytest.mark.debian

STATE = """
    SELECT pg_backend_pid(), ARRAY(SELECT name || '=' || setting FROM pg_settings ORDER BY name),
           (SELECT count(*) FROM pg_prepared_statements), ARRAY(SELECT pg_listening_channels()),
           (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')
"""


@pytest.fixture
def pooler(own_server: Server) -> Iterator[Pooler]:
    """A pooler before the server."""
    with Pooler(own_server) as made:
        yield made


@pytest.fixture
def table(own_dsn: str) -> str:
    """The name of the test's table with its schema: a pooler takes no search path along."""
    with psycopg.connect(own_dsn) as conn:
        (schema,) = conn.execute("SELECT current_schema()").fetchone() or ("",)
    return f"{schema}.observability_events"


def test_no_setting_of_ours_reaches_another_client(
    pooler: Pooler, own_dsn: str, own_hosts: NewHost, table: str
) -> None:
    """The application is on the same server connection, between our statements: all of its session is as it was."""
    host = own_hosts(pooler.dsn, table=table, seen_by=own_dsn, batch_size=5)
    name = "host"
    with psycopg.connect(pooler.dsn, autocommit=True, application_name=name, prepare_threshold=None) as application:
        before = application.execute(STATE.encode()).fetchone()
        for _ in range(8):  # psycopg would prepare the sixth statement
            host.give(5)
            assert host.settles()
            assert application.execute(STATE.encode()).fetchone() == before
    with psycopg.connect(own_dsn) as conn:
        assert count(conn) == 40


def test_an_application_that_keeps_the_only_connection_is_waited_for(
    pooler: Pooler, own_dsn: str, own_hosts: NewHost, table: str
) -> None:
    """Its transaction goes on for longer than our deadline: it is not disturbed, and rows are written after it."""
    host = own_hosts(pooler.dsn, table=table, seen_by=own_dsn, statement_timeout=0.3)
    host.give()
    assert host.settles()
    with psycopg.connect(pooler.dsn, application_name="host") as application:
        application.execute("SELECT 1")
        host.give(10)
        assert not host.settles(1.0)
        assert application.execute("SELECT 2").fetchone() == (2,)
    assert host.settles()
    with psycopg.connect(own_dsn) as conn:
        assert count(conn) == 11


def test_a_server_that_is_away_behind_the_pooler_is_waited_for(
    pooler: Pooler, own_server: Server, own_dsn: str, own_hosts: NewHost, table: str
) -> None:
    """The pooler lets us in and wait: the client's deadline holds; when the server is back rows are written."""
    host = own_hosts(pooler.dsn, table=table, seen_by=own_dsn, statement_timeout=0.3)
    host.give()
    assert host.settles()
    own_server.stop()
    host.give(10)
    assert not host.settles(1.0)
    own_server.start()
    assert host.settles(30)
    with psycopg.connect(own_dsn) as conn:
        assert count(conn) == 11


def test_a_pooler_that_restarts_loses_nothing(pooler: Pooler, own_dsn: str, own_hosts: NewHost, table: str) -> None:
    """Rows that came while it was away are written when it is back."""
    host = own_hosts(pooler.dsn, table=table, seen_by=own_dsn)
    host.give(10)
    assert host.settles()
    pooler.stop()
    host.give(10)
    assert not host.settles(0.3)
    pooler.start()
    assert host.settles()
    with psycopg.connect(own_dsn) as conn:
        assert count(conn) == 20


def test_check_sees_the_pooler(pooler: Pooler, own_server: Server, table: str) -> None:
    """By the number that it gives its clients; through it all the rest can be asked, and rows tried."""
    findings = list(at_database(settings(pooler.dsn, table=table), trial=True))
    (found,) = [one for one in findings if one.subject == "pooler"]
    assert (found.verdict, found.evidence.split(",")[0]) == (Verdict.OK, "there is one")
    assert findings[-1].evidence.endswith("and were taken back")
    (direct,) = [one for one in at_database(settings(own_server.dsn, table=table)) if one.subject == "pooler"]
    assert direct.evidence == "none"
