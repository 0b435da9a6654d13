"""The deadlines of flush and shutdown, whatever the server or the network does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from observability_events.pipeline import Pipeline
from observability_events.rows import rows_of
from tests.exporters.support import add_parent, locked, read, span, stopped_writers
from tests.faults.proxy import Proxy
from tests.postgres import Connection

if TYPE_CHECKING:
    from collections.abc import Callable


GRACE = 0.2


@pytest.mark.usefixtures("events_table")
def test_deadlines_hold_when_the_server_is_stopped(
    conn: Connection, dsn: str, pipelines: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    """Flush and shutdown return in time though the server answers nothing; what is left is counted and said."""
    pipeline = pipelines(dsn, statement_timeout=30.0)
    pipeline.accept(rows_of, span())
    assert pipeline.flush(5)
    with stopped_writers(conn):
        for _ in range(3):
            pipeline.accept(rows_of, span())
        began = time.monotonic()
        assert not pipeline.flush(0.4)
        assert 0.4 <= time.monotonic() - began < 0.4 + GRACE
        began = time.monotonic()
        pipeline.shutdown(0.4)
        assert time.monotonic() - began < 0.4 + GRACE
        assert "otel-auto-assign-writer" not in {thread.name for thread in threading.enumerate()}
    accounts = pipeline.accounts()
    assert accounts.balanced
    assert (accounts.committed, accounts.pending, accounts.handed_over) == (1, 0, 3)
    assert "3 pieces" in caplog.text


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("connected", [True, False])
def test_deadlines_hold_before_a_black_hole(dsn: str, pipelines: Callable[..., Pipeline], connected: bool) -> None:
    """So do they before a network that swallows everything, with a connection open or still to be opened."""
    with Proxy(dsn) as proxy:
        pipeline = pipelines(proxy.dsn, statement_timeout=30.0, connect_timeout=30.0)
        if connected:
            pipeline.accept(rows_of, span())
            assert pipeline.flush(5)
        proxy.blackhole()
        pipeline.accept(rows_of, span())
        began = time.monotonic()
        assert not pipeline.flush(0.3)
        pipeline.shutdown(0.3)
        assert time.monotonic() - began < 0.6 + GRACE
        assert pipeline.accounts().handed_over == 1


@pytest.mark.usefixtures("events_table")
def test_shutdown_waits_for_the_hosts_lock(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """Rows of a locked booking are tried again until the host lets go or the time is over."""
    booking = add_parent(conn)
    pipeline = pipelines(dsn)
    pipeline.accept(rows_of, span(booking__id=str(booking)))
    with locked(dsn, "SELECT FROM bookings WHERE id = %s FOR UPDATE", booking) as host:
        threading.Timer(0.7, host.rollback).start()
        pipeline.shutdown(5)
    assert read(conn, "booking_id") == [(booking,)]


@pytest.mark.usefixtures("events_table")
def test_a_flush_does_not_wait_for_the_retry(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """Rows that are set aside because of a lock are tried at once when somebody flushes."""
    booking = add_parent(conn)
    pipeline = pipelines(dsn, schedule_delay=60.0)
    pipeline.accept(rows_of, span(booking__id=str(booking)))
    with locked(dsn, "SELECT FROM bookings WHERE id = %s FOR UPDATE", booking):
        assert not pipeline.flush(0.6)
    assert pipeline.flush(5.0)
