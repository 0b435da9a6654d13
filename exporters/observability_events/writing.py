"""The writer thread: it makes rows of what is in the buffer, writes them, and turns to the disk while that fails.

::

    buffer ──► Maker ──► Delivery ──► PostgresWriter
      │          ▲
      ▼          │        circuit open: what is in the buffer goes to disk
    Spool ──► Backlog     half open: it comes back at a limited rate, after what is new

The thread holds ``hands`` whenever it touches what is in hand, and gives them up while it waits: so the end of the
process can take over from a thread that is stuck in a name server's silence, and hand all that waits to the disk.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from observability_events import folder
from observability_events.accounts import Accounts, Ledger
from observability_events.backlog import Backlog
from observability_events.bell import Bell
from observability_events.circuit import Circuit
from observability_events.complaints import Complaint
from observability_events.delivery import Delivery
from observability_events.keeping import Keeper
from observability_events.making import Maker
from observability_events.refusals import OnRefused, Refusals
from observability_events.status import StatusFile
from observability_events.writer import Writer
from otel_auto_assign import _guard
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from observability_events.making import Piece
    from observability_events.spool import Spool
    from otel_auto_assign.settings import Settings

_log = SafeLog(__name__)

SHUTDOWN: Final = "shutdown"
FAULT_PAUSE_SECONDS: Final = 1.0
PARKED_PAUSE_SECONDS: Final = 0.05
HANDS_SECONDS: Final = 0.5  # for the thread to finish what it is doing in memory, or on disk


class _TakenOverError(BaseException):
    """What was in hand is in other hands now, and the thread has nothing left to do."""


class Writing:
    """What the writer thread works on and with; all methods but `hand_over` and `accounts` are the thread's own.

    Attributes:
        buffer: Spans that callers have handed over.
        ledger: The accounts.
        maker: Makes the rows.
        circuit: What is known of the database.
        work, urgent: Bells: a batch has come together; somebody waits in flush() or shutdown().
        settled: How many of the spans ever taken from the buffer are settled, all before them included.
        settled_changed: Told when that has changed.
        waiting: How many wait in flush().
        caught_up: Whether nothing that was on disk is left to write.
        over: Whether all that was in hand has been handed over.
        stop_at: When the thread has to end, by ``time.monotonic()``; None as long as nobody wants it to.
    """

    def __init__(
        self,
        settings: Settings,
        writer: Writer,
        spool: Spool,
        on_refused: OnRefused,
        on_operation: Callable[[float, str | None], None],
        *,
        keeps_refused: bool,
    ) -> None:
        self.buffer: deque[Piece] = deque()
        self.ledger = Ledger()
        self.circuit = Circuit()
        self.work = Bell()
        self.urgent = Bell()
        self.settled = 0
        self.settled_changed = threading.Condition(self.ledger.lock)
        self.waiting = 0
        self.stop_at: float | None = None
        self.over = False
        self._settings = settings
        self._batch = settings.batch_size
        self._writer = writer
        self._spool = spool
        self._hands = threading.Lock()
        self._taken_over = False
        self.caught_up = False
        self._fullness = Complaint(_log, "the buffer has room again")
        self._refusals = Refusals(self.ledger, on_refused, again=keeps_refused)
        self._delivery = Delivery(
            writer,
            self.ledger,
            self._refusals,
            on_operation=on_operation,
            circuit=self.circuit,
            away=self._away,
        )
        self.maker = Maker(self.buffer, self.ledger, self._delivery.encoded, self._batch)
        self._backlog = Backlog(spool, self.ledger, settings)
        self._keeper = Keeper(spool, self.ledger)
        self._status = StatusFile(settings.durability)
        writer.meanwhile = self._meanwhile

    def accounts(self) -> Accounts:
        """Give what became of all that was handed over."""
        with self.ledger.lock:
            return self.ledger.accounts(len(self.buffer))

    # -- rounds ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until the end."""
        with suppress_instrumentation(), self._hands:
            try:
                self._open()
                while not self._finished():
                    try:
                        self._round()
                    except Exception as error:
                        _guard.swallowed("the writer of rows", error)
                        self._pause(FAULT_PAUSE_SECONDS)
                self._delivery.finish()
                self._refusals.hasten()
                self._refusals.tend()
                self._settle()
            except _TakenOverError:
                pass
            self._writer.disconnect()

    def _open(self) -> None:
        if self._spool.usable:
            try:
                self._spool.tend(idle=False)
            except Exception as error:
                _guard.swallowed("opening the spool", error)
            self._keep_house()

    def _finished(self) -> bool:
        if self.stop_at is None:  # asked first: what was accepted before it is in the buffer when that is looked at
            return False
        left = self.buffer or self.maker.ahead or self._delivery.waiting
        left = left or (self._backlog.own_waits and not self.circuit.open)
        return self._over() or not left

    def _over(self) -> bool:
        return self.stop_at is not None and time.monotonic() >= self.stop_at

    def _round(self) -> None:
        """Wait for work; make the rows of what has come until now, and write them; then see to the disk."""
        hurried = self.stop_at is not None or self.waiting > 0
        reads_back = self._backlog.own_waits and not self.circuit.open
        if self.stop_at is None and len(self.buffer) < self._batch and not (hurried and reads_back):
            delay = min(self._settings.schedule_delay, self._delivery.rest_seconds)
            with self._away():
                self.work.wait(delay if self.circuit.open else min(delay, self._backlog.seconds()))
        nothing_now = not self.buffer and not self._delivery.busy and not reads_back
        if self._delivery.full or (self.stop_at is not None and nothing_now):
            self._pause(PARKED_PAUSE_SECONDS)  # for rows set aside; the host may let go of its locks
        if self.urgent.heard():
            self._delivery.hasten()
        self._deliver()
        waiting = len(self.buffer)
        self.maker.due = 0 if self._delivery.full else min(waiting, self._batch) if self.circuit.open else waiting
        while not self._over() and self.maker.take():
            self._write_batch()
        if not self.circuit.open and not self._delivery.full:
            self._catch_up()
        self._keep_house()

    def _write_batch(self) -> None:
        rows = self.maker.batch()
        if rows and self._status.service is None:
            self._status.service = rows[0].row.context.get("service")
        for first in range(0, len(rows), self._batch):
            self._delivery.add(rows[first : first + self._batch])
        self._deliver()

    def _catch_up(self) -> None:
        """Write a portion of what is on disk; and all that is this process's own if somebody waits for it."""
        while not self._over() and not self.circuit.open and len(self.buffer) < self._batch:
            hurried = self.stop_at is not None or self.waiting > 0
            pieces = self._backlog.portion(self._batch, own_only=hurried)
            if not pieces:
                if hurried and self._backlog.own_waits:
                    self._pause(PARKED_PAUSE_SECONDS)  # the disk does not give it now
                break
            self.maker.feed(pieces)
            self._write_batch()
            if not hurried:
                break
        if not self._backlog.waits:
            self.circuit.caught_up()

    def _deliver(self) -> None:
        """Write what is in hand, however long the database is away."""
        while self._delivery.busy and not self._over():
            delay = self._delivery.step()
            self._refusals.tend()
            if delay:
                self._settle()
                self._pause(delay)
        self._refusals.tend()
        self._settle()

    def _pause(self, seconds: float) -> None:
        """Wait; while the circuit is open, move what comes to disk."""
        now = time.monotonic()
        until = now + seconds if self.stop_at is None else min(now + seconds, self.stop_at)
        while True:
            moved = self.circuit.open and self.stop_at is None and self._keeper.spill(self.buffer)
            if moved:
                self.maker.secure(self._keeper.secured)
                self._delivery.secure(self._keeper.secured_row)
                self._refusals.secure(self._keeper.secured_row)
            self._keep_house()
            left = until - time.monotonic()
            if left <= 0:
                return
            with self._away():
                rung = (self.work if moved else self.urgent).wait(left)
            if not rung or not moved or self.urgent.heard():
                return

    def _settle(self) -> None:
        """Tell who waits in `flush`; and, once each time the buffer has filled up, that spans were dropped."""
        with self.ledger.lock:
            if self._delivery.empty:
                if not self.ledger.on_disk:
                    self.settled = max(self.settled, self.ledger.spans - self.maker.ahead)
                self.settled_changed.notify_all()
            waiting, limit = len(self.buffer), self._settings.buffer_size
        if waiting >= limit:
            self._fullness.trouble(f"the buffer is full ({limit} spans): what comes beyond it is dropped and counted")
        elif waiting < limit / 2:
            self._fullness.over()

    def _meanwhile(self) -> bool:
        """Make rows while the server is waited for, which is without the hands."""
        with self._hands:
            return not self._taken_over and self.maker.work()

    @contextmanager
    def _away(self) -> Iterator[None]:
        """Give up the hands while the block waits."""
        self._hands.release()
        try:
            yield
        finally:
            self._hands.acquire()
            if self._taken_over:
                raise _TakenOverError

    # -- the disk ----------------------------------------------------------------------------------------------------

    def _keep_house(self) -> None:
        """See to the folder: what is settled goes, what others have left is taken, and the status is written."""
        if not self._spool.usable:
            self._tell_caught_up()
            return
        idle = not self.buffer and not self.maker.ahead and self._delivery.empty
        try:
            self._spool.tend(idle=idle)
            self._backlog.look()
            self._tell_caught_up()
            self._write_status()
        except Exception as error:  # a fault of ours here must not end the thread, nor keep rows back
            _guard.swallowed("seeing to the spool", error)

    def _tell_caught_up(self) -> None:
        caught_up = not self._backlog.waits and self._delivery.empty and not self.maker.ahead
        if caught_up != self.caught_up:
            with self.ledger.lock:
                self.caught_up = caught_up
                self.settled_changed.notify_all()

    def _write_status(self, *, now: bool = False) -> None:
        try:
            owner = self._spool.ownership
            owner.take()
            path = owner.destination.path / f"{owner.name}{folder.STATUS_SUFFIX}"
            self._status.write(path, self.circuit, self.accounts(), now=now)
        except OSError as error:
            self._spool.troubled(error)
        else:
            self._spool.fine()

    # -- the end -----------------------------------------------------------------------------------------------------

    def hand_over(self) -> tuple[int, int]:
        """Take over what the thread has in hand, ended or stuck, and leave it on disk; for the one who shuts down.

        Give how many pieces are on disk, and how many the disk has not taken: this is the one way out for what was not
        written.
        """
        held = self._hands.acquire(timeout=HANDS_SECONDS)
        try:
            self._taken_over = True
            with self.ledger.lock:
                self.over = True
                pieces = list(self.buffer)
                self.buffer.clear()
                self.ledger.taken(len(pieces))
            made, rows = self.maker.release()
            rows += self._delivery.release()
            lost = self._keeper.leave(made + pieces, [*rows, *self._refusals.release()])
            self._backlog.release()
            lost += self._spool.leave()
            with self.ledger.lock:
                handed_over = self.ledger.closed(SHUTDOWN, lost=lost)
                self.settled = self.ledger.spans
                self.settled_changed.notify_all()
            if self._spool.ownership.name is not None:
                self._write_status(now=True)
            self._spool.close()
            return handed_over, lost
        finally:
            if held:
                self._hands.release()

    def release(self) -> None:
        """Let go of what a fork has copied."""
        self._spool.release()
        self._backlog.abandon()
