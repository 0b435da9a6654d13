"""The ends of a process, and what a host does to itself: whatever was accepted is in the table or on disk, once."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from observability_events import ObservabilityEventsExporter, ObservabilityEventsProcessor
from observability_events.rows import all_rows_of, rows_of
from otel_auto_assign import semconv
from tests.exporters.support import count, settings, span, until
from tests.faults.process_child import Child, assert_no_row_is_lost, recover
from tests.faults.spool_folder import files, ids_on_disk

if TYPE_CHECKING:
    from tests.faults.conftest import NewHost
    from tests.faults.proxy import Proxy
    from tests.postgres import Connection

WAYS_OUT = {
    "": 0,
    "sys.exit(3)": 3,
    "raise KeyError": 1,
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(4)); say('ready'); time.sleep(60)": 4,
    "say('ready'); time.sleep(60)  # SIGINT": -signal.SIGINT,
}


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("durability", ["memory", "process"])
@pytest.mark.parametrize("way_out", WAYS_OUT)
def test_every_way_out_with_the_database_away(conn: Connection, proxy: Proxy, way_out: str, durability: str) -> None:
    """Its end, sys.exit, an uncaught exception, SIGTERM, SIGINT: in time, and the next process writes the rows."""
    proxy.refuse()
    with Child(proxy.dsn, f"give(40)\n{way_out}", durability=durability, schedule_delay=60.0) as child:
        if "ready" in way_out:
            child.says("ready")
            child.process.send_signal(signal.SIGINT if "SIGINT" in way_out else signal.SIGTERM)
        began = time.monotonic()
        assert child.ends() == WAYS_OUT[way_out], child.log()
        assert time.monotonic() - began < 5
        assert ids_on_disk() == child.accepted
        assert len(child.accepted) == 40
        assert child.log().count("40 pieces (spans or rows) were not written before the end; they wait in") == 1
        proxy.accept()
        assert recover(proxy.dsn).committed == 40
        assert_no_row_is_lost(conn, [child])
    assert count(conn) == 40
    assert files() == set()


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("connected", [True, False])
def test_exit_before_a_black_hole_keeps_to_its_budget(conn: Connection, proxy: Proxy, connected: bool) -> None:
    """Bytes vanish, so nothing but our own clock ends the wait; a full buffer is on disk when the time is over."""
    program = """
        if connected:
            give(1)
            assert pipeline.flush(20)
        say('ready'); sys.stdin.readline()
        give(5000)
        began = time.monotonic()
        pipeline.shutdown()
        say(f'took {time.monotonic() - began < 1.5}')
    """
    program = program.replace("if connected", f"if {connected}")
    with Child(proxy.dsn, program, connect_timeout=30.0, statement_timeout=30.0) as child:
        child.says("ready")
        proxy.blackhole()
        child.go()
        child.says("took True")
        assert child.ends() == 0, child.log()
        assert len(ids_on_disk()) == 5000
        proxy.release()
        proxy.cut()
        recover(proxy.dsn)
        assert_no_row_is_lost(conn, [child])
    assert files() == set()


@pytest.mark.usefixtures("events_table")
def test_a_thread_that_is_stuck_is_taken_over_from(conn: Connection, dsn: str) -> None:
    """The writer thread hangs where no deadline of ours reaches: what it has in hand is on disk all the same."""
    program = """
        import threading
        stuck = threading.Event()
        def connect(self):
            stuck.set()
            time.sleep(60)
        postgres.PostgresWriter._connected = connect
        give(700)
        stuck.wait(20)
        give(30)
        pipeline.shutdown()
        accounts = pipeline.accounts()
        assert accounts.balanced and accounts.handed_over == 730, accounts
        say('over')
    """
    with Child(dsn, program, batch_size=100) as child:
        child.says("over")
        assert child.ends() == 0, child.log()
        assert ids_on_disk() == child.accepted
        recover(dsn)
        assert_no_row_is_lost(conn, [child])
    assert count(conn) == 730


@pytest.mark.usefixtures("events_table")
def test_an_exporter_that_is_forgotten_writes_its_rows(conn: Connection, dsn: str) -> None:
    """Collected as garbage with rows waiting and nobody to shut it down: the end of the process does."""
    program = """
        import gc
        give(5)
        del pipeline
        gc.collect()
    """
    with Child(dsn, program, schedule_delay=60.0) as child:
        assert child.ends() == 0, child.log()
        assert_no_row_is_lost(conn, [child])
    assert count(conn) == 5


@pytest.mark.usefixtures("events_table")
def test_shut_down_twice_and_exported_to_afterwards(dsn: str, conn: Connection) -> None:
    """The second shutdown does nothing; what comes after the first is refused, counted, and costs nobody anything."""
    exporter = ObservabilityEventsExporter(settings(dsn))
    exporter.export([span()])
    exporter.shutdown()
    exporter.shutdown()
    assert exporter.export([span()]) is SpanExportResult.FAILURE
    assert exporter.force_flush(100)
    accounts = exporter.pipeline.accounts()
    assert accounts.balanced
    assert (accounts.committed, accounts.dropped) == (1, {"shutdown": 1})
    assert count(conn) == 1


@pytest.mark.usefixtures("events_table")
def test_several_threads_export_at_once(conn: Connection, hosts: NewHost, dsn: str) -> None:
    """Also while somebody flushes, every row of every thread is written once."""
    host = hosts(dsn, durability="process", batch_size=50)
    threads = [threading.Thread(target=host.give, args=(300,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        host.settles(0.05)
    assert host.settles()
    assert count(conn) == 1200


@pytest.mark.usefixtures("events_table")
def test_a_loop_that_is_closed_costs_no_row(conn: Connection, dsn: str) -> None:
    """Spans that end when their event loop is closed already, as generators that nobody has finished do."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ObservabilityEventsProcessor(settings(dsn)))
    tracer = provider.get_tracer("t")

    async def never_finished() -> None:
        with tracer.start_as_current_span(semconv.SPAN_QUOTE):
            await asyncio.Event().wait()

    loop = asyncio.new_event_loop()
    work = never_finished()
    loop.call_soon(work.send, None)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    work.close()
    gc.collect()
    provider.shutdown()
    assert count(conn) == 1


@pytest.mark.usefixtures("events_table")
def test_behind_the_sdks_batch_processor(conn: Connection, dsn: str) -> None:
    """The door of zero code: what the SDK's own processor exports at the shutdown is written."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(ObservabilityEventsExporter(settings(dsn))))
    for _ in range(20):
        provider.get_tracer("t").start_span(semconv.SPAN_JOB).end()
    provider.shutdown()
    assert count(conn) == 20 * len(all_rows_of(span(semconv.SPAN_JOB)))


@pytest.mark.usefixtures("events_table")
def test_a_burst_beyond_the_buffer_waits_on_disk(conn: Connection, hosts: NewHost, proxy: Proxy) -> None:
    """With `process`, what the buffer has no room for is read back from disk: memory is bounded, and nothing lost."""
    host = hosts(proxy.dsn, durability="process", buffer_size=100, batch_size=50)
    host.give()
    assert host.settles()
    proxy.down.passing.clear()
    host.give(3000)
    accounts = host.pipeline.accounts()
    assert accounts.pending_memory <= 100 + 2 * 50
    assert accounts.pending_disk >= 2800
    proxy.down.passing.set()
    assert host.settles(20)
    assert count(conn) == 3001
    assert host.pipeline.accounts().already_present == 0


@pytest.mark.usefixtures("events_table")
def test_what_waits_on_disk_comes_back_by_itself(conn: Connection, hosts: NewHost, proxy: Proxy) -> None:
    """Nobody flushes: when the database is back what is new is written, then the rest, no faster than it should be."""
    host = hosts(proxy.dsn, batch_size=50, catch_up_rate=400.0)
    proxy.refuse()
    host.give(50)
    until(lambda: host.pipeline._writing.circuit.open, 20)
    host.give(800)
    until(lambda: host.pipeline.accounts().pending_disk == 800, 20)
    proxy.accept()
    began = time.monotonic()
    until(lambda: count(conn) >= 50, 20)
    until(
        lambda: host.pipeline._writing.circuit.state == "half_open"
    )  # a moment after the commit, not before all is back
    host.pipeline.accept(rows_of, given := span())
    host.accepted += [row.id for row in rows_of(given)]
    until(lambda: host.pipeline.accounts().pending == 0, 20)
    assert time.monotonic() - began > 1.0
    until(lambda: host.pipeline._writing.circuit.state == "closed", 5)
    assert count(conn) == 851
