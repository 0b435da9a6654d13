"""Spans → table: a bounded buffer, a writer thread, a folder on disk, and every piece accounted for.

::

    caller ── accept ──► buffer ──► [ writer thread: see `observability_events.writing` ]
              (append)   (spans)

The caller appends to a deque; with a durability above ``memory`` it writes one record to the spool before. The thread
starts with the first span, so a process that forks before it has spans has no thread to lose; after a fork the child
begins with an empty buffer, a thread, a connection and a lock of its own, and what waits belongs to the parent.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from observability_events import folder, living
from observability_events.connection import dsn_problem
from observability_events.console import ConsoleWriter
from observability_events.dead_letters import DeadLetters
from observability_events.ending import CallersThread
from observability_events.instruments import Reading
from observability_events.living import Life
from observability_events.postgres import PostgresWriter
from observability_events.refusals import OnRefused, nothing_kept
from observability_events.spool import Spool
from observability_events.syncing import Syncer
from observability_events.telemetry import Telemetry
from observability_events.writer import Writer
from observability_events.writing import SHUTDOWN, Writing
from otel_auto_assign._guard import SafeLog
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace import ReadableSpan

    from observability_events.accounts import Accounts
    from observability_events.folder import Destination
    from observability_events.place import Place
    from observability_events.records import Make

_log = SafeLog(__name__)

BUFFER_FULL: Final = "buffer_full"
SPOOL_FULL: Final = "spool_full"
NO_DSN: Final = "no_dsn"
ABORT_GRACE_SECONDS: Final = 0.1  # for the thread to notice that its statement was given up
KEEPING_SHARE: Final = 0.25
KEEPING_MOST_SECONDS: Final = 0.5
"""What is kept of a shutdown's time for the disk: a full buffer takes it a tenth of a second."""


class Pipeline:
    """Takes spans at any rate and writes their rows when the database can take them.

    Args:
        settings: Batch, buffer, time-outs, durability, and where to.
        writer: Makes the writer, once in each process; by default one for PostgreSQL, or with ``settings.console`` one
            that prints.
        on_refused: Called by the writer thread with each row that the database will never take, to keep it; by default
            that is done in the destination's dead letters, tried again for as long as they cannot be written.
        meter_provider: Gets the metrics of the pipeline itself; by default the global one.
        destination: The spool's folder that rows go to and come from; by default that of the DSN and the table.
        into_a_database: Whether the writer needs a DSN, and what it cannot write now may wait on disk.

    Without a usable DSN it says so once in the log and drops what it is given, unless it is to print it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        writer: Callable[[Settings], Writer] | None = None,
        on_refused: OnRefused | None = None,
        meter_provider: MeterProvider | None = None,
        destination: Destination | None = None,
        into_a_database: bool = True,
    ) -> None:
        self._settings = settings
        self._new_writer = writer or (ConsoleWriter if settings.console else PostgresWriter)
        self._on_refused = on_refused
        self._destination = destination
        self._batch = settings.batch_size
        self._limit = settings.buffer_size
        into_a_database = into_a_database and not settings.console
        self._refusing = _no_dsn(settings) if into_a_database else None
        self._spools = into_a_database and self._refusing is None and settings.spool_bytes > 0
        self._telemetry = Telemetry(self, meter_provider)
        self._begin()
        living.add(self, Life(Pipeline._hurry, type(self).shutdown, Pipeline._begin_in_child))

    def _begin(self) -> None:
        """Set everything that belongs to one process."""
        self._spool = Spool(self._settings, self._destination)
        if not self._spools:
            self._spool.usable = self._spool.durable = False
        self._writer = self._new_writer(self._settings)
        self._writing = Writing(
            self._settings,
            self._writer,
            self._spool,
            self._on_refused or self._letters(),
            self._telemetry.operation,
            keeps_refused=self._on_refused is None and self._spool.usable,
        )
        self._buffer = self._writing.buffer
        self._ledger = self._writing.ledger
        self._work = self._writing.work
        self._append_span = self._spool.append_span if self._spool.durable else None
        self._syncer = Syncer(self._spool) if self._append_span and self._spool.power else None
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._telemetry.begin()

    def _begin_in_child(self) -> Writer:
        """Begin anew after a fork, and give up what is the parent's."""
        self._writing.release()
        writer = self._writer
        self._begin()
        return writer

    def _letters(self) -> OnRefused:
        if not self._spool.usable:
            return nothing_kept
        return DeadLetters(self._spool.ownership.destination.path, dsn=self._settings.dsn).add

    # -- the caller's side ------------------------------------------------------------------------------------------

    def accept(self, make: Make, span: ReadableSpan) -> bool:
        """Take ``span``, whose rows ``make`` gives when the writer thread asks; give whether it was taken.

        Never blocks, unless ``settings.power_wait`` says so. What is not taken is counted as dropped.
        """
        if self._refusing is not None:
            self._ledger.refused(self._refusing)
            return False
        place, number = None, 0
        if self._append_span is not None and (kept := self._append_span(make, span)) is not None:
            place, number = kept
        buffer = self._buffer
        waiting = len(buffer)
        if waiting < self._limit:
            buffer.append((make, span, place, number))
        elif place is not None:
            place.spilled.append(number)  # it is read back when there is room
            self._ledger.landed()
        else:
            self._ledger.refused(SPOOL_FULL if self._spool.full else BUFFER_FULL)
            return False
        if self._thread is None:
            self._start()
        if waiting + 1 >= self._batch:
            self._work.ring()
        if self._syncer is not None or (place is None and self._append_span is not None):
            self._secure(place)
        if self._writing.over:
            self._leave_late()
        return True

    def _secure(self, place: Place | None) -> None:
        """Have the disk synced as the settings say; count a span that it does not hold as they promise."""
        if self._syncer is not None and place is not None and not self._settings.power_wait:
            self._syncer.ask()
        elif self._syncer is None or place is None or not self._syncer.wait(place):
            self._ledger.unsecured()

    def accounts(self) -> Accounts:
        """Give what became of all that was handed over to this process."""
        return self._writing.accounts()

    def reading(self) -> Reading:
        """Give what the pipeline's metrics show."""
        usage = None
        if self._spools:
            try:
                usage = folder.size(self._spool.ownership.destination.path)
            except OSError:  # nothing was ever there, or it cannot be read
                usage = 0
        with self._ledger.lock:
            queued = len(self._buffer)
            return Reading(
                accounts=self._ledger.accounts(queued),
                queued=queued,
                capacity=self._limit,
                taken=self._ledger.spans,
                circuit=self._writing.circuit.state,
                spool_usage=usage,
                spool_limit=self._settings.spool_bytes,
            )

    def flush(self, timeout: float) -> bool:
        """Write what was accepted before the call; give whether all of it was settled within ``timeout`` seconds.

        Settled: committed, refused by the database, or dropped. What waits on disk is not.
        """
        writing = self._writing
        with self._ledger.lock:
            target = self._ledger.spans + len(self._buffer)
            if self._thread is None:
                return target == 0
            writing.waiting += 1
            try:
                self._hurry()
                limit = min(timeout, threading.TIMEOUT_MAX)
                return writing.settled_changed.wait_for(
                    lambda: writing.settled >= target and not self._ledger.on_disk, limit
                )
            finally:
                writing.waiting -= 1

    def catch_up(self, timeout: float) -> bool:
        """Write what dead processes have left on disk; give whether nothing of it is left after ``timeout`` seconds.

        It is done without a call, too, but at a limited rate; ``settings.catch_up_rate`` says at which.
        """
        self.start()
        with self._ledger.lock:
            self._hurry()
            return self._writing.settled_changed.wait_for(
                lambda: self._writing.caught_up, min(timeout, threading.TIMEOUT_MAX)
            )

    def shutdown(self, timeout: float | None = None) -> None:
        """Accept nothing more, write what waits, end the thread; returns after ``timeout`` seconds at the latest.

        If None it is ``settings.shutdown_timeout``, which the pipelines that a process shuts down one after the other
        share; those whose turn comes later begin to write at once. What could not be written is on disk then, for the
        next process, and counted as handed over; what the disk does not take is counted as dropped. Either is said in
        one line of the log. A second call does nothing.
        """
        with self._ledger.lock:
            if self._refusing == SHUTDOWN:
                return
            self._refusing = SHUTDOWN
            thread = self._thread or (CallersThread(self._run) if self._buffer else None)
        if thread is not None:
            if timeout is None:
                with living.share(self._settings.shutdown_timeout) as left:
                    self._end(thread, left)
            else:
                self._end(thread, min(timeout, threading.TIMEOUT_MAX))
        self._leave_behind()

    def _end(self, thread: threading.Thread | CallersThread, timeout: float) -> None:
        if self._spool.usable:
            timeout -= min(timeout * KEEPING_SHARE, KEEPING_MOST_SECONDS)
        self._writing.stop_at = time.monotonic() + timeout
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
            if self._syncer is not None:
                self._syncer.start()

    def _run(self) -> None:
        """Have the thread hold this pipeline, so that the end of the process finds one that the host has forgotten."""
        self._writing.run()

    def _hurry(self) -> None:
        self._writing.urgent.ring()
        self._work.ring()

    def _leave_behind(self) -> None:
        """Account for what can no longer be written."""
        handed_over, lost = self._writing.hand_over()
        if self._syncer is not None:
            self._syncer.end()
        if handed_over:
            _log.warning(
                "%d pieces (spans or rows) were not written before the end; they wait in %s for the next process",
                handed_over,
                self._spool.ownership.destination.path,
            )
        if lost:
            _log.warning("%d pieces (spans or rows) were not written before the end and are dropped", lost)

    def _leave_late(self) -> None:
        """Account for a span that came into the buffer in the very moment of the end."""
        with self._ledger.lock:
            while self._buffer:
                _, _, place, _ = self._buffer.popleft()
                if place is None:
                    self._ledger.refused(SHUTDOWN)
                else:
                    self._ledger.late()


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
