"""The line to the database breaks, dawdles or falls silent: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.exporters.support import count, until

if TYPE_CHECKING:
    from tests.faults.conftest import NewHost
    from tests.faults.proxy import Proxy
    from tests.postgres import Connection

pytestmark = pytest.mark.usefixtures("events_table")
GRACE = 0.3


@pytest.mark.parametrize("where", [0, 1, 30_000])
def test_a_line_cut_in_mid_statement_costs_a_retry(conn: Connection, hosts: NewHost, proxy: Proxy, where: int) -> None:
    """Cut before the statement's first byte has arrived, after it, and in the middle of its rows: all are written."""
    host = hosts(proxy.dsn, schedule_delay=60.0)
    host.give()
    assert host.settles()
    proxy.up.cut_after(where)
    host.give(100, reason="x" * 400)
    assert host.settles()
    assert proxy.connections == 2
    assert count(conn) == 101
    assert host.pipeline.accounts().already_present == 0


def test_a_line_cut_between_commit_and_its_answer_writes_no_row_twice(
    conn: Connection, hosts: NewHost, proxy: Proxy
) -> None:
    """The server has committed and we do not know it: the same rows go once more, and are found already present."""
    host = hosts(proxy.dsn, schedule_delay=60.0)
    host.give()
    assert host.settles()
    proxy.down.passing.clear()
    host.give(20)
    assert not host.settles(0.2)
    until(lambda: count(conn) == 21)  # seen by another session: committed
    assert host.waiting == 20
    proxy.cut()
    proxy.release()
    assert host.settles()
    assert count(conn) == 21
    assert host.pipeline.accounts().already_present == 20


def test_however_often_the_line_breaks_every_row_arrives_once(conn: Connection, hosts: NewHost, proxy: Proxy) -> None:
    """Resets at any moment of connecting, asking, writing and being answered."""
    host = hosts(proxy.dsn, batch_size=20)
    for cuts in range(30):
        host.give(10)
        if cuts % 3 == 0:
            proxy.up.cut_after(cuts * cuts * 7)
        elif cuts % 3 == 1:
            proxy.down.cut_after(cuts * cuts)
        else:
            proxy.cut()
        host.settles(0.03)
    assert host.settles(20)
    assert count(conn) == 300


@pytest.mark.parametrize("connected", [True, False])
def test_a_silent_network_holds_neither_flush_nor_shutdown(hosts: NewHost, proxy: Proxy, connected: bool) -> None:
    """Before a black hole both return in time, with a connection open or still to be opened; what is left counts."""
    host = hosts(proxy.dsn, statement_timeout=30.0, connect_timeout=30.0)
    if connected:
        host.give()
        assert host.settles()
    proxy.blackhole()
    host.give()
    began = time.monotonic()
    assert not host.settles(0.3)
    host.pipeline.shutdown(0.3)
    assert time.monotonic() - began < 0.6 + GRACE
    assert host.pipeline.accounts().handed_over == 1


def test_a_network_that_was_silent_for_a_while_costs_the_deadline_only(
    conn: Connection, hosts: NewHost, proxy: Proxy
) -> None:
    """The statement is given up at its deadline and tried on a new connection; when bytes pass again rows are there."""
    host = hosts(proxy.dsn, statement_timeout=0.3, connect_timeout=2.0)
    host.give()
    assert host.settles()
    proxy.blackhole()
    host.give(10)
    until(lambda: proxy.connections >= 2)
    proxy.release()
    assert host.settles()
    assert count(conn) == 11


def test_a_slow_line_slows_nobody_but_the_writer(conn: Connection, hosts: NewHost, proxy: Proxy) -> None:
    """With 50 ms each way everything has been handed over before the first row arrives; all of them do."""
    proxy.up.delay = proxy.down.delay = 0.05
    host = hosts(proxy.dsn)
    for _ in range(50):
        host.give(10)
    assert count(conn) == 0
    assert host.settles()
    assert count(conn) == 500
