"""The way from an accepted span to a settled row: batches, and the accounting identity."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from packaging.version import Version

from observability_events.pipeline import Pipeline
from observability_events.postgres import PostgresWriter
from observability_events.rows import all_rows_of, rows_of
from observability_events.spool import Spool
from observability_events.writing import Writing
from otel_auto_assign import _guard, semconv
from tests.exporters.support import count, row, span, until
from tests.postgres import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from observability_events.rows import Row
    from observability_events.wire import EncodedRow


def three(given: ReadableSpan) -> Sequence[Row]:
    """Make three rows of a span."""
    return [row() for _ in range(3)]


def nothing(given: ReadableSpan) -> Sequence[Row]:
    """Make no row of a span."""
    return []


@pytest.mark.usefixtures("events_table")
def test_pieces_are_spans_until_they_are_rows(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """Spans count one each while they wait; then their rows do, be they none or three."""
    pipeline = pipelines(dsn, schedule_delay=60.0)
    for make in (three, nothing, three):
        assert pipeline.accept(make, span())
    before = pipeline.accounts()
    assert (before.accepted, before.pending, before.committed) == (3, 3, 0)

    assert pipeline.flush(5)
    after = pipeline.accounts()
    assert (after.accepted, after.pending, after.committed) == (6, 0, 6)
    assert count(conn) == 6


@pytest.mark.usefixtures("events_table")
def test_identity_holds_at_every_moment(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """While threads hand over and the buffer overflows, every look at the accounts finds them balanced."""
    pipeline = pipelines(dsn, buffer_size=300, batch_size=50)
    looked = threading.Event()

    def hand_over() -> None:
        for number in range(2000):
            pipeline.accept(rows_of, span())
            if number == 1000:
                looked.wait(10)

    threads = [threading.Thread(target=hand_over) for _ in range(3)]
    for thread in threads:
        thread.start()
    looks = 0
    while any(thread.is_alive() for thread in threads):
        assert pipeline.accounts().balanced
        looks += 1
        if looks == 20:
            looked.set()
    assert looks >= 20
    assert pipeline.flush(20)
    end = pipeline.accounts()
    assert end.balanced
    assert end.accepted == 6000
    assert end.committed + end.dropped.get("buffer_full", 0) == 6000
    assert count(conn) == end.committed


@pytest.mark.usefixtures("events_table")
def test_rows_already_present_are_committed_and_counted(dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """The same span through two pipelines is one row; the second counts it as already present."""
    given = span(semconv.SPAN_JOB)
    for already_present in (0, 2):
        pipeline = pipelines(dsn)
        pipeline.accept(all_rows_of, given)
        assert pipeline.flush(5)
        found = pipeline.accounts()
        assert (found.committed, found.already_present) == (found.accepted, already_present)
        pipeline.shutdown()


@pytest.mark.usefixtures("events_table")
def test_rows_wait_no_longer_than_the_delay(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """Without a flush a lone row is there after the schedule delay."""
    pipeline = pipelines(dsn, schedule_delay=0.1)
    pipeline.accept(rows_of, span())
    until(lambda: count(conn) == 1, 2)


@pytest.mark.usefixtures("events_table")
def test_a_full_batch_does_not_wait(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """As soon as a batch has come together it is written, however long the delay."""
    pipeline = pipelines(dsn, schedule_delay=60.0, batch_size=10)
    for _ in range(11):
        pipeline.accept(rows_of, span())
    until(lambda: count(conn) >= 10, 5)


class Counting(PostgresWriter):
    """Remembers the sizes of statements."""

    sizes: list[int]

    def insert(self, rows: Sequence[EncodedRow]) -> int:
        """Insert, and remember how many."""
        self.sizes.append(len(rows))
        assert not is_instrumentation_enabled()
        return super().insert(rows)


@pytest.mark.usefixtures("events_table")
def test_no_statement_is_larger_than_a_batch(dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """Spans of three rows each are still written by the batch size, and nothing of it is traced."""
    Counting.sizes = []
    pipeline = pipelines(dsn, writer=Counting, batch_size=10, schedule_delay=60.0)
    for _ in range(10):
        pipeline.accept(three, span())
    assert pipeline.flush(5)
    assert Counting.sizes == [10, 10, 10]


def test_without_a_dsn_everything_is_dropped_and_said_once(
    pipelines: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    """One line names the variables to set; what is handed over is counted."""
    pipeline = pipelines("")
    assert not pipeline.accept(rows_of, span())
    assert pipeline.accounts().dropped == {"no_dsn": 1}
    assert pipeline.flush(1)
    assert len(caplog.records) == 1
    assert "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN" in caplog.text
    assert "SUPABASE_DB_URL" in caplog.text


@pytest.mark.parametrize(
    "dsn",
    [
        "hunter2",
        "postgresql//u:hunter2@host/db",
        "postgresql://u:hunter2@more@host/db",
        "postgresql://u:p/hunter2@host/db",
        "postgresql://u:p%zzhunter2@host/db",
        "host=x pasword=hunter2",
        "password='hunter2",
        "host=/no/such\0/folder password=hunter2",
    ],
)
def test_a_bad_dsn_is_said_without_any_part_of_it(
    dsn: str, pipelines: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    """One sentence; no part of the DSN, for libpq quotes what it cannot parse and that may be the password."""
    caplog.set_level(logging.DEBUG)
    pipeline = pipelines(dsn)
    pipeline.accept(rows_of, span())
    assert pipeline.accounts().dropped == {"no_dsn": 1}
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "no rows are written: the DSN is not a valid PostgreSQL connection string"
    ]
    assert "hunter2" not in caplog.text


NAMES_THE_HOST = Version(psycopg.__version__) >= Version("3.2.13")  # psycopg, of a name that is not known


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://u:hunter2secret@127.0.0.1:1/db", "127.0.0.1"),
        ("postgresql://u:hunter2secret@no-such-host.invalid/db", "no-such-host" if NAMES_THE_HOST else "not known"),
        ("host=/no/such/folder user=u password=hunter2secret", "/no/such/folder"),
    ],
)
def test_an_unreachable_database_is_said_once_without_the_password(
    address: str, said: str, pipelines: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is tried, one line says where and why, and never the password; the rows wait."""
    caplog.set_level(logging.DEBUG)
    pipeline = pipelines(address, connect_timeout=2.0)
    pipeline.accept(rows_of, span())
    assert not pipeline.flush(1.0)
    assert not pipeline.flush(0.3)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert said in warnings[0]
    assert "hunter2" not in caplog.text
    assert pipeline.accounts().pending == 1


def test_the_buffer_is_bounded(pipelines: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture) -> None:
    """While the database is away the buffer fills up to its size; the rest is dropped, counted, and said once."""
    pipeline = pipelines("host=/no/such/folder", buffer_size=100, batch_size=10)
    taken = sum(pipeline.accept(rows_of, span()) for _ in range(1000))
    accounts = pipeline.accounts()
    assert 100 <= taken <= 110
    assert (accounts.pending, accounts.dropped) == (taken, {"buffer_full": 1000 - taken})
    for _ in range(3):
        pipeline.flush(0.1)
        pipeline.accept(rows_of, span())
    assert caplog.text.count("the buffer is full") == 1


@pytest.mark.usefixtures("events_table")
def test_a_row_maker_that_fails_costs_its_span_only(
    conn: Connection, dsn: str, pipelines: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours in making rows is counted, and logged once; the next span is written."""

    def broken(given: ReadableSpan) -> Sequence[Row]:
        raise ZeroDivisionError

    with _guard.strict(False):
        pipeline = pipelines(dsn, schedule_delay=60.0)
        for make in (broken, rows_of, broken):
            pipeline.accept(make, span())
        assert pipeline.flush(5)
    assert pipeline.accounts().dropped == {"not_made": 2}
    assert count(conn) == 1


@pytest.mark.usefixtures("events_table")
def test_a_fault_in_looking_at_the_spool_costs_no_row(
    conn: Connection, dsn: str, pipelines: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread goes on, from its first look on."""

    def fault(_spool: Spool, *, idle: bool) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Spool, "tend", fault)
    with _guard.strict(False):
        pipeline = pipelines(dsn)
        for written in (1, 2):
            pipeline.accept(rows_of, span())
            assert pipeline.flush(5)
            assert count(conn) == written
        pipeline.shutdown()


@pytest.mark.usefixtures("events_table")
def test_handing_over_in_a_signal_handler(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """A handler that ends spans may interrupt the hand-over anywhere, a full buffer's lock included."""
    pipeline = pipelines(dsn, buffer_size=20, batch_size=5)
    handled = []

    def handler(*_: object) -> None:
        handled.append(pipeline.accept(rows_of, span()))
        signal.setitimer(signal.ITIMER_REAL, 0.0005)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    try:
        end = time.monotonic() + 1.0
        given = 0
        while time.monotonic() < end:
            pipeline.accept(rows_of, span())
            given += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(handled) > 10
    assert pipeline.flush(10)
    assert pipeline.accounts().accepted == given + len(handled)
    assert pipeline.accounts().committed == count(conn)


def test_a_pipeline_without_spans_has_no_thread(dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """Nothing is started and nothing connects before the first span."""
    pipeline = pipelines(dsn)
    assert pipeline.flush(1)
    assert "otel-auto-assign-writer" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("changes", [{}, {"spool_bytes": 0}, {"durability": "process"}, {"console": True}], ids=str)
def test_a_thread_with_nothing_to_do_rests(
    dsn: str, pipelines: Callable[..., Pipeline], changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks around once in a schedule delay and not more often, with a spool or without."""
    rounds = []
    work = Writing._round

    def counted(self: Writing) -> None:
        rounds.append(time.monotonic())
        work(self)

    monkeypatch.setattr(Writing, "_round", counted)
    pipeline = pipelines(dsn, writer=None, schedule_delay=0.1, **changes)
    pipeline.accept(rows_of, span())
    assert pipeline.flush(5)
    until(lambda: pipeline.accounts().committed == 1)
    rounds.clear()
    until(lambda: bool(rounds) and time.monotonic() - rounds[0] > 0.5)
    assert len(rounds) <= 7
