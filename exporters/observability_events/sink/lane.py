"""One connection of a sink: it writes what one sender waits for, or says before the deadline that it could not.

::

    spans ──► rows ──► Delivery ──► committed, already present
                          │
                          ├─ refused for good ──► a dead letter, on the disk
                          └─ not before the deadline ──► NotWrittenError: with the sender, who sends it again

Nothing is kept for later: there is no buffer and no spool, for the sender has both.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from observability_events.connection import SINK_APPLICATION_NAME, connect
from observability_events.dead_letters import DeadLetters
from observability_events.delivery import Delivery
from observability_events.folder import destination
from observability_events.making import NOT_MADE
from observability_events.postgres import PostgresWriter
from observability_events.refusals import HELD_ROWS, Refusals
from observability_events.rows import all_rows_of, is_ours
from otel_auto_assign import _guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from observability_events.accounts import Ledger
    from observability_events.facts import EndedSpan
    from observability_events.groups import Proofs
    from observability_events.wire import EncodedRow
    from otel_auto_assign.settings import Settings

PORTION_ROWS: Final = HELD_ROWS // 2
"""So many are made and written before the next are made, however large a message is: more refused ones than may be held
would be dropped."""


class NotWrittenError(Exception):
    """Not every row is safe; the text says why. Whoever gave the spans still has them, and gives all of them again."""


class Lane:
    """Writes spans one call after the other; to be used by one thread, `end` excepted.

    Args:
        settings: Where to, and the batch.
        ledger: The accounts of all lanes.
        proofs: What the table has taken from any of them.
        on_operation: As of `Delivery`.
        pause: Waits, and not after `end`.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        proofs: Proofs,
        on_operation: Callable[[float, str | None], None],
        *,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._batch = settings.batch_size
        self._ledger = ledger
        self._pause = pause
        self._letters = DeadLetters(destination(settings).path, dsn=settings.dsn)
        self._writer = PostgresWriter(settings, connect=partial(connect, application_name=SINK_APPLICATION_NAME))
        self._refusals = Refusals(ledger, self._letters.add, again=True)
        self._delivery = Delivery(self._writer, ledger, self._refusals, on_operation, proofs=proofs)
        self._made: list[EncodedRow] = []  # in hand, and not in the delivery's yet
        self._ended = False

    @property
    def trouble(self) -> str | None:
        """What the database said last, if its rows are not taken now; without secrets."""
        return self._delivery.circuit.last_error

    @property
    def circuit(self) -> str:
        """The circuit's state."""
        return self._delivery.circuit.state

    def write(self, spans: Iterable[EndedSpan], deadline: float) -> bool:
        """Write the rows of ``spans``, and give whether there were any; spans of other programs have none.

        Returns when each row is committed, was in the table before, or is a dead letter on the disk.

        Raises:
            NotWrittenError: if that is not so at ``deadline``, by ``time.monotonic()``.
        """
        self._writer.until = deadline
        self._delivery.hasten()
        any_of_ours = False
        try:
            for span in spans:
                if is_ours(span.name):
                    any_of_ours = True
                    self._make(span)
                    if len(self._made) >= PORTION_ROWS:
                        self._deliver(deadline)
            self._deliver(deadline)
        finally:
            self._hand_back()
        self._delivery.circuit.caught_up()
        return any_of_ours

    def look(self, deadline: float) -> bool:
        """Ask the database whether it is there, and takes rows; give whether it is and does."""
        self._writer.until = deadline
        try:
            self._writer.look()
        except Exception as error:
            self._writer.disconnect()
            self._delivery.circuit.failed(self._writer.told(error))
            return False
        self._delivery.circuit.succeeded()
        self._delivery.circuit.caught_up()
        return True

    def end(self) -> None:
        """Give up what is being written; to be called by another thread."""
        self._ended = True
        self._writer.abort()

    def close(self) -> None:
        """Close the connection."""
        self._writer.disconnect()

    def _make(self, span: EndedSpan) -> None:
        with self._ledger.lock:
            self._ledger.taken(1)
        try:
            rows = all_rows_of(span)
        except Exception as error:
            self._keep(span, error)
            _guard.swallowed("making the rows of a span", error)
            return
        self._ledger.made(len(rows))
        self._made += self._delivery.encoded(rows)

    def _keep(self, span: EndedSpan, error: Exception) -> None:
        """Have a span that no rows can be made of be a dead letter, for it would come again for ever."""
        if not self._letters.add_span(all_rows_of, span, NOT_MADE, type(error).__name__):
            self._ledger.handed_back(1)
            raise NotWrittenError("a span of which no rows can be made cannot be kept as a dead letter now")
        self._ledger.dead_lettered(1)

    def _deliver(self, deadline: float) -> None:
        """Have nothing in hand."""
        rows, self._made = self._made, []
        for first in range(0, len(rows), self._batch):
            self._delivery.add(rows[first : first + self._batch])
        again_at = 0.0
        while not self._delivery.empty:
            now = time.monotonic()
            if self._ended or now >= deadline:
                raise NotWrittenError(self.trouble or "the rows were not written in time")
            if self._delivery.busy and now >= again_at:
                again_at = time.monotonic() + self._delivery.step()
            self._refusals.tend()
            rest = again_at - time.monotonic() if self._delivery.busy else self._delivery.rest_seconds
            if rest > 0 and not self._delivery.empty:
                self._pause(max(0.0, min(rest, deadline - time.monotonic())))

    def _hand_back(self) -> None:
        """Have nothing in hand, whatever happened: the sender has it."""
        left = len(self._made) + len(self._delivery.release()) + len(self._refusals.release())
        self._made = []
        if left:
            self._ledger.handed_back(left)
