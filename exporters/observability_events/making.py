"""Spans → rows, in slices: neither the host nor the server waits for a whole batch to be made.

::

    buffer ── take ──► spans ── work, work … ──► rows ── batch ──► Delivery

A batch is made while the server still writes the one before it: `Maker.work` is what the writer thread does in the
place of waiting. At most one batch is made ahead, and its rows are not in `Delivery` before their turn has come.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from otel_auto_assign import _guard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from observability_events.accounts import Ledger
    from observability_events.place import Place
    from observability_events.records import Make
    from observability_events.rows import Row
    from observability_events.wire import EncodedRow

    Encode = Callable[[Sequence[Row], Place | None], Sequence[EncodedRow]]
    Piece = tuple[Make, Any, Place | None, int]
    """A function, what it makes rows from, and where on disk that is, too, under which number; a plain tuple, because
    the host waits while it is made."""

NOT_MADE: Final = "not_made"  # the function that makes the rows failed: a fault of ours
YIELD_AFTER_NANOSECONDS: Final = 200_000
"""A batch made at once adds 3 ms to the 99th percentile of the host's calls; yielding this often, 0.2 ms."""
YIELD_BELOW_BATCHES: Final = 4  # a backlog beyond it is worse for the host than a pause


class Maker:
    """Makes the rows of the oldest spans in ``buffer``; to be used by one thread.

    Args:
        buffer: Spans, each with the function that makes its rows, and its place on disk.
        ledger: Told of what is taken and made; its lock is held while spans leave the buffer.
        encode: Encodes rows that are in hand.
        batch: How many spans are taken together.

    Attributes:
        due: How many spans may still be taken.
        ahead: Spans that were taken, and whose rows have not been handed over yet.
    """

    def __init__(self, buffer: deque[Piece], ledger: Ledger, encode: Encode, batch: int) -> None:
        self.due = self.ahead = 0
        self._buffer = buffer
        self._ledger = ledger
        self._encode = encode
        self._batch = batch
        self._spans: deque[Piece] = deque()
        self._rows: list[EncodedRow] = []

    def take(self) -> bool:
        """Take a batch of spans unless there is one already; give whether there is one."""
        if not self.ahead and self.due > 0:
            with self._ledger.lock:
                count = min(self.due, self._batch, len(self._buffer))
                self._spans.extend(self._buffer.popleft() for _ in range(count))
                self._ledger.taken(count)
            self.ahead = count
            self.due = self.due - count if count else 0
        return self.ahead > 0

    def feed(self, pieces: list[Piece]) -> None:
        """Take ``pieces`` that were in the buffer before, or never; only when there is no batch."""
        self._spans.extend(pieces)
        self.ahead += len(pieces)

    def work(self) -> bool:
        """Make rows of the batch for a moment, at least one span's; give whether some of it is left to do."""
        if not self.take() or not self._spans:
            return False
        spans, rows, clock = self._spans, self._rows, time.perf_counter_ns
        until = clock() + YIELD_AFTER_NANOSECONDS
        while spans and clock() < until:
            make, span, place, _ = spans.popleft()
            try:
                made = make(span)
            except Exception as error:
                self._ledger.dropped(NOT_MADE, 1)
                if place is not None:
                    place.settle()
                _guard.swallowed("making the rows of a span", error)
                continue
            if len(made) != 1:
                self._ledger.made(len(made))
                if place is not None:
                    place.made(len(made))
            rows += self._encode(made, place)
        if len(self._buffer) < YIELD_BELOW_BATCHES * self._batch:
            time.sleep(0)
        return bool(self._spans)

    def batch(self) -> list[EncodedRow]:
        """Make what is left of the batch, and hand its rows over."""
        while self.work():
            pass
        rows, self._rows, self.ahead = self._rows, [], 0
        return rows

    def secure(self, secured: Callable[[Piece], Piece]) -> None:
        """Have what is in hand be on disk, too."""
        self._spans = deque(secured(piece) for piece in self._spans)

    def release(self) -> tuple[list[Piece], list[EncodedRow]]:
        """Give up all that is in hand: spans, and rows that are not handed over yet."""
        spans, rows = list(self._spans), self._rows
        self._spans.clear()
        self._rows, self.ahead = [], 0
        return spans, rows
