"""A real database for tests: the server, a schema of their own, and the table in all the shapes that deployments have.

``AUTO_ASSIGN_TEST_DSN`` names another server (a superuser's DSN, PostgreSQL 15 or newer); without it the embedded one
is started, once a test session. No other variable is read. Only what a test has created is ever dropped.

Every test that uses the server, or one of its own, however indirectly, has the marker ``postgres``: ``-m postgres``
selects by what is used, so no test can be forgotten. Tests with the marker ``debian`` need what only `tests.debian`
installs; elsewhere they are deselected, and the summary says so.
"""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from examples.embedded_postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = "observability_events"
PROGRAMS = "AUTO_ASSIGN_TEST_PROGRAMS"
"""The variable that names the folder of PostgreSQL's programs for servers of the tests' own; `tests.debian` sets it."""
SERVERS = ("server_dsn", "own_server")
"""The fixtures behind which there is a server."""

COLUMNS = {
    "id": "uuid NOT NULL DEFAULT gen_random_uuid()",
    "created_at": "timestamptz NOT NULL DEFAULT now()",
    "source": "text NOT NULL",
    "event_type": "text NOT NULL",
    "severity": "text NOT NULL DEFAULT 'info' CHECK (severity IN ('info', 'warning', 'error', 'critical'))",
    "context": "jsonb",
    "restaurant_id": "uuid",
    "booking_id": "uuid",
}
PARENTS = {"restaurant_id": "restaurants", "booking_id": "bookings"}

Connection = psycopg.Connection[tuple[object, ...]]

_elsewhere = pytest.StashKey[int]()


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that use the server; leave those out for which something is not installed."""
    elsewhere = [] if os.environ.get(PROGRAMS) else [item for item in items if item.get_closest_marker("debian")]
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]
        config.stash[_elsewhere] = len(elsewhere)
    for item in items:
        if not set(SERVERS).isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.postgres)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say why tests were left out."""
    if count := config.stash.get(_elsewhere, 0):
        terminalreporter.write_line(
            f"{count} tests deselected: they need pgbouncer, strace, chromium, Redis or a server with TLS; "
            "make test-debian has them"
        )


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    """The DSN of a superuser on the server that this session's tests use."""
    given = os.environ.get("AUTO_ASSIGN_TEST_DSN", "").strip()
    if given:
        yield given
        return
    with EmbeddedPostgres() as server:
        yield server.dsn


@contextmanager
def new_schema(server_dsn: str) -> Iterator[str]:
    """Make a schema; give its name; drop it afterwards with all that is in it."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    yield name
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'otel-auto-assign'"
        )
        conn.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


def dsn_into(server_dsn: str, schema: str) -> str:
    """Give a DSN whose search path is ``schema``."""
    return make_conninfo(server_dsn, options=f"-csearch_path={schema},public")


@pytest.fixture
def schema(server_dsn: str) -> Iterator[str]:
    """The name of a new schema, dropped after the test with all that is in it."""
    with new_schema(server_dsn) as name:
        yield name


@pytest.fixture
def dsn(server_dsn: str, schema: str) -> str:
    """A DSN whose search path is the test's schema."""
    return dsn_into(server_dsn, schema)


@pytest.fixture
def conn(dsn: str) -> Iterator[Connection]:
    """An autocommitting connection of the superuser into the test's schema: the host application's view."""
    with psycopg.connect(dsn, autocommit=True, application_name="host") as connection:
        yield connection


@pytest.fixture
def events_table(conn: Connection) -> str:
    """The production table with its parents, empty; its unqualified name."""
    create_events_table(conn)
    return TABLE


def create_events_table(
    conn: Connection,
    *,
    name: str = TABLE,
    foreign_keys: bool = True,
    extra: str = "",
    missing: tuple[str, ...] = (),
    partitioned: bool = False,
) -> None:
    """Create the table of the contract's first section and its parents ``restaurants`` and ``bookings``.

    Args:
        conn: Into whose search path they are created.
        name: The table's name as SQL: quote it or put a schema before it as needed.
        foreign_keys: Whether ``booking_id`` and ``restaurant_id`` reference the parents.
        extra: Further column definitions, as SQL.
        missing: Columns to leave out.
        partitioned: By range of ``created_at``, one partition for each of 2025, 2026 and 2027; the primary key then
            has ``created_at`` in it.
    """
    for parent in PARENTS.values():
        conn.execute(f"CREATE TABLE IF NOT EXISTS {parent} (id uuid PRIMARY KEY, note text)".encode())
    kept = {column: definition for column, definition in COLUMNS.items() if column not in missing}
    if foreign_keys:
        for column in PARENTS.keys() & kept.keys():
            kept[column] += f" REFERENCES {PARENTS[column]} (id) ON DELETE SET NULL"
    parts = [f"{column} {definition}" for column, definition in kept.items()] + ([extra] if extra else [])
    if "id" in kept:
        parts.append("PRIMARY KEY (id, created_at)" if partitioned else "PRIMARY KEY (id)")
    by = " PARTITION BY RANGE (created_at)" if partitioned else ""
    conn.execute(f"CREATE TABLE {name} ({', '.join(parts)}){by}".encode())
    for year in (2025, 2026, 2027) if partitioned else ():
        values = f"FROM ('{year}-01-01Z') TO ('{year + 1}-01-01Z')"
        conn.execute(f"CREATE TABLE part_{uuid.uuid4().hex[:12]} PARTITION OF {name} FOR VALUES {values}".encode())
    for column, order in (("created_at", " DESC"), ("source", ""), ("booking_id", "")):
        if column in kept:
            conn.execute(f"CREATE INDEX ON {name} ({column}{order})".encode())


@contextmanager
def insert_only_role(
    dsn: str, schema: str, *, table: str = TABLE, row_security: bool = True
) -> Iterator[tuple[str, str]]:
    """Create a role that may do nothing but INSERT into ``table``; give a DSN that acts as it, and its name.

    The DSN logs in as the superuser and takes the role at once, so it works whatever the server's authentication is.
    With ``row_security`` the table has it on, with one policy that lets the role insert.
    """
    role = f"writer_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {role}".encode())
        try:
            conn.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}".encode())
            conn.execute(f"GRANT INSERT ON {table} TO {role}".encode())
            if row_security:
                conn.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY".encode())
                conn.execute(f"CREATE POLICY writer ON {table} FOR INSERT TO {role} WITH CHECK (true)".encode())
            yield make_conninfo(dsn, options=f"-csearch_path={schema},public -crole={role}"), role
        finally:
            conn.execute(f"DROP OWNED BY {role}".encode())
            conn.execute(f"DROP ROLE {role}".encode())
