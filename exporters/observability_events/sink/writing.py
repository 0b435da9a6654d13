"""Spans → table while the sender waits: what the doors of a sink have in common.

::

    sender ── submit ──► calls ──► lane 1 ──► its own connection
                            └────► lane 2 ──► …

A call is answered when all its rows are safe, or when its deadline has come: then with `NotWrittenError`, and the
sender sends all of it again, which ids make harmless. A lane may be stuck in a name server's silence; callers are not.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from observability_events import folder
from observability_events.accounts import Ledger
from observability_events.complaints import Complaint
from observability_events.groups import Proofs
from observability_events.instruments import Reading
from observability_events.sink.lane import Lane, NotWrittenError
from observability_events.telemetry import Telemetry
from otel_auto_assign import _guard, semconv
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import MeterProvider

    from observability_events.accounts import Accounts
    from observability_events.facts import EndedSpan
    from otel_auto_assign.settings import Settings

__all__ = ["NotWrittenError", "SinkWriter"]

ANSWER_SECONDS: Final = 0.1  # for a lane to say so itself that the deadline has come
IDLE_SECONDS: Final = 5.0  # after which a lane asks the database whether it is still there
READY_SECONDS: Final = 20.0  # an answer of the database is good for so long
ABORT_GRACE_SECONDS: Final = 1.5  # for a lane to end its statement, on the server, too

_log = SafeLog(__name__)


class _Call:
    """What was submitted; it lets go of the spans when its caller has given it up, for its turn may come much later."""

    def __init__(self, spans: Iterable[EndedSpan], deadline: float) -> None:
        self.spans = spans
        self.deadline = deadline
        self.written: Future[None] = Future()
        self.written.add_done_callback(self._forget)

    def _forget(self, _: Future[None]) -> None:
        self.spans = ()


class SinkWriter:
    """Writes spans' rows while their senders wait; any thread may call it.

    Args:
        settings: Where to, by how many connections, batch and time-outs. Rows that the database refuses for good become
            dead letters in the folder of its spool; nothing else is ever on disk here.
        meter_provider: Gets the metrics; by default the global one.
    """

    def __init__(self, settings: Settings, *, meter_provider: MeterProvider | None = None) -> None:
        self._settings = settings
        self._ledger = Ledger()
        self._telemetry = Telemetry(self, meter_provider, component=semconv.COMPONENT_SINK)
        proofs = Proofs()
        self._pauses = threading.Event()  # never set but at the end: lanes wait for it
        self._lanes = [
            Lane(settings, self._ledger, proofs, self._telemetry.operation, pause=self._pauses.wait)
            for _ in range(settings.sink_connections)
        ]
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._answered_at = self._failed_at = -math.inf
        self._complaint = Complaint(_log, "the database answers again")
        self._complaining = threading.Lock()
        self._closed = False
        self._telemetry.begin()

    def start(self) -> None:
        """Connect, and begin to write."""
        try:
            folder.make(folder.destination(self._settings), self._settings)
        except OSError as error:
            _log.warning("refused rows could not be kept as dead letters now: %s: %s", error.strerror, error.filename)
        for number, lane in enumerate(self._lanes):
            thread = threading.Thread(
                target=self._work, args=(lane,), name=f"otel-auto-assign-lane-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def submit(self, spans: Iterable[EndedSpan], deadline: float) -> Future[None]:
        """Have the rows of ``spans`` written; what is given is done when each of them is safe.

        Safe: committed, in the table before, or a dead letter on the disk. If that is not so at ``deadline``, by
        ``time.monotonic()``, it has `NotWrittenError`; a moment later if a lane is stuck, so do not wait for it longer.
        """
        call = _Call(spans, deadline)
        if self._closed:
            call.written.set_exception(NotWrittenError("the sink is being shut down"))
        else:
            self._calls.put(call)
        return call.written

    def write(self, spans: Iterable[EndedSpan], deadline: float) -> None:
        """Do as `submit`, and wait.

        Raises:
            NotWrittenError: if not every row is safe at ``deadline``.
        """
        written = self.submit(spans, deadline)
        try:
            written.result(max(0.0, deadline - time.monotonic()) + ANSWER_SECONDS)
        except TimeoutError:
            written.cancel()
            raise NotWrittenError(self.trouble or "the rows were not written in time") from None

    @property
    def ready(self) -> bool:
        """Whether the database has answered lately, and as we wished."""
        return self._answered_at > max(self._failed_at, time.monotonic() - READY_SECONDS)

    @property
    def trouble(self) -> str | None:
        """Why rows are not taken now; without secrets."""
        return next((lane.trouble for lane in self._lanes if lane.trouble), None)

    def accounts(self) -> Accounts:
        """Give what became of all rows; those that stayed with their sender are handed over."""
        with self._ledger.lock:
            return self._ledger.accounts(0)

    def reading(self) -> Reading:
        """Give what the metrics show; there is no buffer and no spool."""
        states = [lane.circuit for lane in self._lanes]
        return Reading(
            accounts=self.accounts(),
            queued=0,
            capacity=0,
            taken=self._ledger.spans,
            circuit=max(states, key=states.count),
            spool_usage=None,
            spool_limit=0,
        )

    def close(self, timeout: float) -> None:
        """Finish what was submitted, for ``timeout`` seconds; what is left then stays with its senders."""
        self._closed = True
        until = time.monotonic() + timeout
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        for lane in self._lanes:
            lane.end()
        self._pauses.set()
        grace = time.monotonic() + ABORT_GRACE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, grace - time.monotonic()))

    def _work(self, lane: Lane) -> None:
        with suppress_instrumentation():
            self._look(lane)
            while True:
                try:
                    call = self._calls.get(timeout=IDLE_SECONDS)
                except queue.Empty:
                    self._look(lane)
                    continue
                if call is None:
                    break
                if call.written.set_running_or_notify_cancel():
                    self._write(lane, call)
            lane.close()

    def _write(self, lane: Lane, call: _Call) -> None:
        try:
            any_of_ours = lane.write(call.spans, call.deadline)
        except NotWrittenError as error:
            if lane.trouble:
                self._failed_at = time.monotonic()
            call.written.set_exception(error)
        except BaseException as error:
            call.written.set_exception(NotWrittenError(f"a fault of the sink: {type(error).__name__}"))
            _guard.swallowed("writing what was sent to the sink", error)
        else:
            if any_of_ours:
                self._answered_at = time.monotonic()
            call.written.set_result(None)

    def _look(self, lane: Lane) -> None:
        well = lane.look(time.monotonic() + self._settings.statement_timeout)
        with self._complaining:
            if well:
                self._answered_at = time.monotonic()
                self._complaint.over()
            else:
                self._failed_at = time.monotonic()
                self._complaint.trouble(f"the database does not answer as it should: {lane.trouble}")
