"""What the tests of the way into the table share: rows, spans, and a look at what arrived."""

from __future__ import annotations

import os
import random
import signal
import time
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from observability_events.rows import Row
from otel_auto_assign import semconv
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.postgres import Connection

NOW = datetime(2026, 11, 22, 19, 30, 0, 123456, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RESOURCE = Resource({})


def row(**changes: Any) -> Row:
    """A row that any of the tables takes, with an id of its own."""
    values: dict[str, Any] = {
        "id": uuid.uuid4(),
        "created_at": NOW,
        "source": "auto_assign",
        "event_type": "auto_assign.quote",
        "severity": "info",
        "context": {"trigger": "test"},
        "restaurant_id": None,
        "booking_id": None,
    }
    values |= changes
    key, created_at = values.pop("id").bytes, values.pop("created_at")
    return Row(key=key, time_us=(created_at - _EPOCH) // timedelta(microseconds=1), **values)


def span(name: str = semconv.SPAN_QUOTE, **attributes: Any) -> ReadableSpan:
    """An ended span of ours, with ids of its own; dots of attribute names are given as double underscores."""
    start = 1_795_375_800_000_000_000
    context = SpanContext(random.getrandbits(128), random.getrandbits(64), is_remote=False, trace_flags=TraceFlags(1))
    given = {f"auto_assign.{key.replace('__', '.')}": value for key, value in attributes.items()}
    return ReadableSpan(
        name=name,
        context=context,
        resource=_RESOURCE,
        attributes={semconv.TRIGGER: "test"} | given,
        start_time=start,
        end_time=start + 5_000_000,
    )


def settings(dsn: str, **changes: Any) -> Settings:
    """Settings with which no test has to wait long."""
    values: dict[str, Any] = {"dsn": dsn, "schedule_delay": 0.02, "statement_timeout": 5.0}
    return Settings(**(values | changes))


def read(conn: Connection, columns: str = "id", table: str = "observability_events") -> list[tuple[Any, ...]]:
    """Give ``columns`` of all rows in the table, by id."""
    return conn.execute(f"SELECT {columns} FROM {table} ORDER BY id::text".encode()).fetchall()


def count(conn: Connection, table: str = "observability_events") -> int:
    """Give the number of rows in the table."""
    return len(read(conn, "id", table))


def add_parent(conn: Connection, table: str = "bookings") -> uuid.UUID:
    """Add a booking or a restaurant."""
    new = uuid.uuid4()
    conn.execute(f"INSERT INTO {table} (id) VALUES (%s)".encode(), (new,))
    return new


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until ``true``; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


OUR_SESSIONS = b"""
    SELECT pid, state = 'idle' AND wait_event = 'ClientRead' FROM pg_stat_activity
    WHERE application_name = 'otel-auto-assign' AND datname = current_database()
"""


@contextmanager
def stopped_writers(conn: Connection) -> Iterator[None]:
    """Stop the server's processes behind all of our connections, as a stuck disk would, while the block runs.

    Not before each of them waits for us: one that is stopped on its way there may hold a lock that others need, and one
    that is about to end is gone before it can be stopped.
    """
    pids: list[int] = []

    def all_wait() -> bool:
        found = conn.execute(OUR_SESSIONS).fetchall()
        pids[:] = [int(str(pid)) for pid, _ in found]
        return bool(found) and all(waits for _, waits in found)

    until(all_wait)
    signal_all(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(pids, signal.SIGCONT)


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to those processes that are still there: a session may have ended since it was listed."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def locked(dsn: str, statement: str, *values: object) -> Iterator[Connection]:
    """Hold the locks of ``statement`` in a transaction of the host's while the block runs."""
    with psycopg.connect(dsn, application_name="host") as host:
        host.execute(statement.encode(), values)
        yield host
        host.rollback()
