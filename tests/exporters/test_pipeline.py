"""The way from an accepted span to a settled row: the accounting identity, the deadlines, and everything in between."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from packaging.version import Version

from observability_events.pipeline import Pipeline
from observability_events.postgres import PostgresWriter
from observability_events.rows import all_rows_of, rows_of
from observability_events.writing import Writing
from otel_auto_assign import _guard, semconv
from tests.exporters.support import add_parent, count, locked, read, row, settings, span, stopped_writers, until
from tests.faults.proxy import Proxy
from tests.postgres import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from observability_events.rows import Row
    from observability_events.wire import EncodedRow
    from otel_auto_assign.settings import Settings

GRACE = 0.2


@pytest.fixture
def pipelines() -> Iterator[Callable[..., Pipeline]]:
    """Makes pipelines, and shuts them down after the test."""
    made: list[Pipeline] = []

    def make(dsn: str, *, writer: Any = PostgresWriter, **changes: Any) -> Pipeline:
        made.append(Pipeline(settings(dsn, **changes), writer=writer))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.shutdown(0)


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
def test_shutdown_writes_what_waits_and_ends(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """What was accepted is written; what comes afterwards is refused and counted; a second call does nothing."""
    pipeline = pipelines(dsn, schedule_delay=60.0)
    for _ in range(50):
        pipeline.accept(rows_of, span())
    pipeline.shutdown()
    assert count(conn) == 50
    assert not pipeline.accept(rows_of, span())
    pipeline.shutdown()
    assert pipeline.accounts().dropped == {"shutdown": 1}
    assert "otel-auto-assign-writer" not in {thread.name for thread in threading.enumerate()}
    ours = b"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'otel-auto-assign'"
    until(lambda: conn.execute(ours).fetchone() == (0,))


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


def _child(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            logging.getLogger(__name__).exception("the child failed")
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.usefixtures("events_table")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of 3.12: what is tested here is that it works
def test_fork(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """The child begins empty, with a thread and a connection of its own; the parent writes what waited, once."""
    pipeline = pipelines(dsn, schedule_delay=60.0)
    pipeline.accept(rows_of, span())
    assert pipeline.flush(5)
    for _ in range(3):
        pipeline.accept(rows_of, span())

    def work() -> None:
        assert pipeline.accounts().accepted == 0
        for _ in range(2):
            pipeline.accept(rows_of, span())
        assert pipeline.flush(5)
        assert pipeline.accounts().committed == 2
        pipeline.shutdown()

    assert _child(work) == 0
    assert count(conn) == 3
    assert pipeline.flush(5)
    assert count(conn) == 6
    assert pipeline.accounts().committed == 4


SCRIPT = """
    import logging, os, sys, uuid
    from opentelemetry.sdk.trace import TracerProvider
    from observability_events import ObservabilityEventsProcessor
    from otel_auto_assign.settings import Settings

    logging.basicConfig()
    provider = TracerProvider(shutdown_on_exit={provider_ends})
    provider.add_span_processor(ObservabilityEventsProcessor(Settings(dsn={dsn!r}, schedule_delay=60.0)))
    for _ in range(7):
        provider.get_tracer("t").start_span("auto_assign.quote").end()
    {end}
"""


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("provider_ends", [True, False])
@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise KeyError"])
def test_interpreter_exit_writes_what_waits(conn: Connection, dsn: str, provider_ends: bool, end: str) -> None:
    """Rows that wait when the interpreter ends are written, also when nobody shuts the provider down."""
    script = textwrap.dedent(SCRIPT).format(dsn=dsn, provider_ends=provider_ends, end=end)
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == {"": 0, "sys.exit(3)": 3, "raise KeyError": 1}[end], done.stderr
    assert "Warning" not in done.stderr
    assert count(conn) == 7


def test_interpreter_exit_does_not_wait_for_ever(tmp_path: Any) -> None:
    """With an unreachable database the process ends in time, with one line that counts what is left."""
    script = textwrap.dedent(SCRIPT).format(dsn=f"host={tmp_path}", provider_ends=False, end="")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script.replace("delay=60.0", "delay=60.0, shutdown_timeout=0.5")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert time.monotonic() - began < 4.0
    assert done.stderr.count("7 pieces (spans or rows) were not written") == 1


def test_a_pipeline_without_spans_has_no_thread(dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """Nothing is started and nothing connects before the first span."""
    pipeline = pipelines(dsn)
    assert pipeline.flush(1)
    assert "otel-auto-assign-writer" not in {thread.name for thread in threading.enumerate()}


class _Late(deque[Any]):
    """A buffer that is empty when it is looked at, and at once thereafter has a last span: then the end begins."""

    def __init__(self, end: Callable[[], None]) -> None:
        super().__init__()
        self._end: Callable[[], None] | None = end

    def __bool__(self) -> bool:
        found = len(self) > 0
        if self._end is not None:
            end, self._end = self._end, None
            end()
        return found


@pytest.mark.usefixtures("events_table")
def test_a_span_that_comes_right_before_the_end_is_written(
    conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]
) -> None:
    """The writer thread does not end on what it saw of the buffer before it was told to."""
    pipeline = pipelines(dsn, spool_bytes=0)
    writing = pipeline._writing

    def end() -> None:
        pipeline._buffer.append((rows_of, span(), None, 0))
        writing.stop_at = time.monotonic() + 5

    pipeline._buffer = writing.buffer = writing.maker._buffer = _Late(end)
    pipeline.start()
    assert pipeline._thread is not None
    pipeline._thread.join(5)
    assert count(conn) == 1


class Stuck(PostgresWriter):
    """Hangs in each statement until it is let go, and fails then."""

    def __init__(self, given: Settings) -> None:
        super().__init__(given)
        self.began, self.let_go = threading.Event(), threading.Event()

    def insert(self, rows: Sequence[EncodedRow]) -> int:
        """Hang."""
        self.began.set()
        self.let_go.wait(20)
        raise ValueError


def test_a_thread_that_was_taken_over_from_does_nothing_more(
    pipelines: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    """When it wakes up after the end what it had in hand is on disk, and it leaves without touching anything."""
    made: list[Stuck] = []

    def stuck(given: Settings) -> Stuck:
        made.append(Stuck(given))
        return made[0]

    pipeline = pipelines("host=/no/such/folder", writer=stuck)
    for _ in range(7):
        pipeline.accept(rows_of, span())
    assert made[0].began.wait(10)
    pipeline.shutdown(0.1)
    before = pipeline.accounts()
    assert (before.handed_over, before.pending) == (7, 0)
    caplog.clear()
    made[0].let_go.set()
    until(lambda: "otel-auto-assign-writer" not in {thread.name for thread in threading.enumerate()})
    assert pipeline.accounts() == before
    assert caplog.records == []


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
