"""Spans → table: a bounded buffer, one writer thread, and the promise that every piece is accounted for.

::

    caller ── accept ──► buffer ──► [ writer thread: Maker ─► Delivery ─► PostgresWriter ]
              (append)   (spans)

The caller appends to a deque and does nothing else. The thread starts with the first span, so a process that forks
before it has spans has no thread to lose; after a fork the child begins with an empty buffer, a thread and a connection
of its own, and what waits belongs to the parent.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from multiprocessing import parent_process
from multiprocessing.util import Finalize, register_after_fork
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from observability_events.accounts import Accounts, Ledger
from observability_events.bell import Bell
from observability_events.complaints import Complaint
from observability_events.connection import dsn_problem
from observability_events.console import ConsoleWriter
from observability_events.delivery import Delivery, Writer, nothing_refused
from observability_events.ending import CallersThread, Ending
from observability_events.making import Maker
from observability_events.postgres import PostgresWriter
from observability_events.telemetry import Reading, Telemetry
from otel_auto_assign import _guard
from otel_auto_assign._guard import SafeLog
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace import ReadableSpan

    from observability_events.making import Make
    from observability_events.rows import Row

_log = SafeLog(__name__)

BUFFER_FULL: Final = "buffer_full"
NO_DSN: Final = "no_dsn"
SHUTDOWN: Final = "shutdown"
ABORT_GRACE_SECONDS: Final = 0.1  # for the thread to notice that its statement was given up
FAULT_PAUSE_SECONDS: Final = 1.0
PARKED_PAUSE_SECONDS: Final = 0.05

_live: Final[weakref.WeakSet[Pipeline]] = weakref.WeakSet()
_ending = Ending()
_of_the_parent: Final[list[object]] = []
"""Connections of the process that we were forked from: kept, for collecting them would close what is not ours."""


class Pipeline:
    """Takes spans at any rate and writes their rows when the database can take them.

    Args:
        settings: Batch, buffer, time-outs, and where to.
        writer: Makes the writer, once in each process; by default one for PostgreSQL, or with ``settings.console`` one
            that prints.
        on_refused: Called by the writer thread with each row that the database will never take and its SQLSTATE.
        meter_provider: Gets the metrics of the pipeline itself; by default the global one.

    Without a usable DSN it says so once in the log and drops what it is given, unless it is to print it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        writer: Callable[[Settings], Writer] | None = None,
        on_refused: Callable[[Row, str], None] = nothing_refused,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._settings = settings
        self._new_writer = writer or (ConsoleWriter if settings.console else PostgresWriter)
        self._on_refused = on_refused
        self._batch = settings.batch_size
        self._limit = settings.buffer_size
        self._refusing = None if settings.console else _no_dsn(settings)
        self._telemetry = Telemetry(self, meter_provider)
        self._begin()
        self._telemetry.begin()
        _live.add(self)

    def _begin(self) -> None:
        """Set everything that belongs to one process."""
        self._buffer: deque[tuple[Make, ReadableSpan]] = deque()
        self._ledger = Ledger()
        self._settled_changed = threading.Condition(self._ledger.lock)
        self._settled = 0
        self._fullness = Complaint(_log, "the buffer has room again")
        self._work = Bell()  # a batch has come together
        self._urgent = Bell()  # somebody waits in flush() or shutdown(): no batching, no back-off
        self._stop_at: float | None = None
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._writer = self._new_writer(self._settings)
        self._delivery = Delivery(
            self._writer, self._ledger, on_refused=self._on_refused, on_operation=self._telemetry.operation
        )
        self._maker = Maker(self._buffer, self._ledger, self._delivery.encoded, self._batch)
        self._writer.meanwhile = self._maker.work

    # -- the caller's side ------------------------------------------------------------------------------------------

    def accept(self, make: Make, span: ReadableSpan) -> bool:
        """Take ``span``, whose rows ``make`` gives when the writer thread asks; give whether it was taken.

        Never blocks. What is not taken is counted as dropped.
        """
        if self._refusing is not None:
            self._ledger.refused(self._refusing)
            return False
        buffer = self._buffer
        waiting = len(buffer)
        if waiting >= self._limit:
            self._ledger.refused(BUFFER_FULL)
            return False
        buffer.append((make, span))
        if self._thread is None:
            self._start()
        if waiting + 1 >= self._batch:
            self._work.ring()
        return True

    def accounts(self) -> Accounts:
        """Give what became of all that was handed over to this process."""
        with self._ledger.lock:
            return self._ledger.accounts(len(self._buffer))

    def reading(self) -> Reading:
        """Give what the pipeline's metrics show."""
        with self._ledger.lock:
            queued = len(self._buffer)
            accounts = self._ledger.accounts(queued)
            return Reading(accounts=accounts, queued=queued, capacity=self._limit, taken=self._maker.taken)

    def flush(self, timeout: float) -> bool:
        """Write what was accepted before the call; give whether all of it was settled within ``timeout`` seconds.

        Settled: committed, refused by the database, or dropped.
        """
        with self._ledger.lock:
            target = self._maker.taken + len(self._buffer)
            if self._thread is None:
                return target == 0
            self._hurry()
            limit = min(timeout, threading.TIMEOUT_MAX)
            return self._settled_changed.wait_for(lambda: self._settled >= target, limit)

    def shutdown(self, timeout: float | None = None) -> None:
        """Accept nothing more, write what waits, end the thread; returns after ``timeout`` seconds at the latest.

        If None it is ``settings.shutdown_timeout``, which the pipelines that a process shuts down one after the other
        share; those whose turn comes later begin to write at once. What could not be written is counted as dropped
        and said in one line of the log. A second call does nothing.
        """
        with self._ledger.lock:
            if self._refusing == SHUTDOWN:
                return
            self._refusing = SHUTDOWN
            thread = self._thread or (CallersThread(self._run) if self._buffer else None)
        if thread is not None:
            if timeout is None:
                for pipeline in list(_live):
                    pipeline._hurry()  # noqa: SLF001 - the module's own
                with _ending.share(self._settings.shutdown_timeout) as left:
                    self._end(thread, left)
            else:
                self._end(thread, timeout)
        self._leave_behind()

    def _end(self, thread: threading.Thread | CallersThread, timeout: float) -> None:
        self._stop_at = time.monotonic() + timeout
        self._hurry()
        thread.join(timeout)
        if thread.is_alive():
            self._writer.abort()
            thread.join(ABORT_GRACE_SECONDS)

    def start(self) -> None:
        """Start the writer now: from Python 3.12 on no thread can be started when the process is about to end.

        Without a DSN there is nothing to write, and so no thread.
        """
        if self._refusing is None and self._thread is None:
            self._start()

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):  # atomic: a signal handler may come in between
            return
        thread = threading.Thread(target=self._run, name="otel-auto-assign-writer", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the process ends, or has too many: what waits is for the next span's try, or `shutdown`
            self._starting.release()
        except BaseException:
            self._starting.release()
            raise
        else:
            self._thread = thread

    def _hurry(self) -> None:
        self._urgent.ring()
        self._work.ring()

    def _leave_behind(self) -> None:
        """Account for what can no longer be written: the one place through which unwritten rows leave."""
        with self._ledger.lock:
            waiting = len(self._buffer)
            self._buffer.clear()
            self._ledger.refused(SHUTDOWN, waiting)
            lost = waiting + self._ledger.closed(SHUTDOWN)
            self._settled = self._maker.taken
            self._settled_changed.notify_all()
        if lost:
            _log.warning("%d pieces (spans or rows) were not written before the end and are dropped", lost)

    # -- the writer thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with suppress_instrumentation():
            while not self._finished():
                try:
                    self._round()
                except Exception as error:
                    _guard.swallowed("the writer of rows", error)
                    self._pause(FAULT_PAUSE_SECONDS)
            self._delivery.finish()
            self._settle()
            self._writer.disconnect()

    def _finished(self) -> bool:
        left = self._buffer or self._maker.ahead or self._delivery.waiting
        return self._over() or (self._stop_at is not None and not left)

    def _over(self) -> bool:
        return self._stop_at is not None and time.monotonic() >= self._stop_at

    def _round(self) -> None:
        """Wait for work; make the rows of what has come until now, and write them."""
        if self._stop_at is None and len(self._buffer) < self._batch:
            self._work.wait(min(self._settings.schedule_delay, self._delivery.rest_seconds))
        if self._delivery.full or (self._stop_at is not None and not self._buffer and not self._delivery.busy):
            self._pause(PARKED_PAUSE_SECONDS)  # for rows set aside; the host may let go of its locks
        if self._urgent.heard():
            self._delivery.hasten()
        self._deliver()
        self._maker.due = 0 if self._delivery.full else len(self._buffer)
        while not self._over() and self._maker.take():
            rows = self._maker.batch()
            for first in range(0, len(rows), self._batch):
                self._delivery.add(rows[first : first + self._batch])
            self._deliver()

    def _deliver(self) -> None:
        """Write what is in hand, however long the database is away."""
        while self._delivery.busy and not self._over():
            delay = self._delivery.step()
            if delay:
                self._settle()
                self._pause(delay)
        self._settle()

    def _pause(self, seconds: float) -> None:
        if self._stop_at is not None:
            seconds = min(seconds, max(0.0, self._stop_at - time.monotonic()))
        self._urgent.wait(seconds)

    def _settle(self) -> None:
        """Tell who waits in `flush`; and, once each time the buffer has filled up, that spans were dropped."""
        with self._ledger.lock:
            if self._delivery.empty:
                self._settled = self._maker.taken - self._maker.ahead
                self._settled_changed.notify_all()
            waiting = len(self._buffer)
        if waiting >= self._limit:
            self._fullness.trouble(
                f"the buffer is full ({self._limit} spans): what comes beyond it is dropped and counted"
            )
        elif waiting < self._limit / 2:
            self._fullness.over()


def _no_dsn(settings: Settings) -> str | None:
    if not settings.dsn:
        _log.warning(
            "no rows are written: set OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN (or SUPABASE_DB_URL) to the database's "
            "DSN, or OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE to see them printed"
        )
        return NO_DSN
    problem = dsn_problem(settings.dsn)
    if problem is not None:
        _log.warning("no rows are written: %s", problem)
        return NO_DSN
    return None


def _begin_in_child() -> None:
    global _ending  # noqa: PLW0603 - one end a process
    _ending = Ending()
    for pipeline in list(_live):
        _of_the_parent.append(pipeline._writer)  # noqa: SLF001 - the module's own
        pipeline._begin()  # noqa: SLF001 - likewise


def _shut_down_all() -> None:
    """At the interpreter's exit, for providers that nobody shuts down; those registered after us come first."""
    for pipeline in list(_live):
        try:
            pipeline.shutdown()
        except Exception as error:
            _guard.swallowed("shutting the rows' pipeline down", error)


def _end_with_worker(_live: object) -> None:
    """Have a worker of multiprocessing write its rows: it leaves by ``os._exit``, which no ``atexit`` sees."""
    Finalize(None, _shut_down_all, exitpriority=0)


register_after_fork(_live, _end_with_worker)
if parent_process() is not None:  # a worker that was spawned, and has imported us only now
    _end_with_worker(_live)
os.register_at_fork(after_in_child=_begin_in_child)
atexit.register(_shut_down_all)
