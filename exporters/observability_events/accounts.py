"""The accounting identity: nothing that was accepted is ever without a place.

``accepted = committed + pending + dropped``, at any moment, in *pieces*: a span (or the start of a job) counts as one
piece until its rows are made; from then on its rows count in its place, none to three of them, and ``accepted`` moves
by the difference. Rows that were in the table before count as committed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """The pieces at one moment.

    Attributes:
        accepted: All that were ever handed over.
        committed: COMMIT was acknowledged.
        already_present: Of the committed: rows that were there before.
        pending: Spans that wait for their rows to be made, and rows that wait to be written.
        dropped: Reason → pieces that will never be written.
    """

    accepted: int
    committed: int
    already_present: int
    pending: int
    dropped: Mapping[str, int]

    @property
    def balanced(self) -> bool:
        """Whether the identity holds."""
        return self.accepted == self.committed + self.pending + sum(self.dropped.values())


class Ledger:
    """Keeps the accounts under one lock.

    The lock is the writer's: a caller takes it only for a piece that is dropped. It can be taken again by its holder,
    because a signal handler of the host may end a span while the same thread holds it.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._accepted = 0  # those still in the buffer excepted
        self._committed = 0
        self._already_present = 0
        self._in_hand = 0
        self._dropped: Counter[str] = Counter()
        self._closed = False

    def taken(self, spans: int) -> None:
        """``spans`` were taken from the buffer, to have their rows made; called together with their removal."""
        self._accepted += spans
        self._in_hand += spans

    def made(self, rows: int) -> None:
        """One span that was taken became ``rows`` rows; of one row nothing need be said."""
        with self.lock:
            if not self._closed:
                self._accepted += rows - 1
                self._in_hand += rows - 1

    def committed(self, rows: int, *, already_present: int) -> None:
        """``rows`` in hand are in the table."""
        with self.lock:
            if not self._closed:
                self._in_hand -= rows
                self._committed += rows
                self._already_present += already_present

    def dropped(self, reason: str, pieces: int) -> None:
        """``pieces`` in hand will not be written."""
        with self.lock:
            if not self._closed:
                self._in_hand -= pieces
                self._dropped[reason] += pieces

    def refused(self, reason: str, pieces: int = 1) -> None:
        """``pieces`` were never in hand and will not be written."""
        with self.lock:
            self._accepted += pieces
            self._dropped[reason] += pieces

    def closed(self, reason: str) -> int:
        """Drop all that is in hand, for good: what its writer may still say of it no longer counts. Give how many."""
        with self.lock:
            lost, self._in_hand, self._closed = self._in_hand, 0, True
            if lost:
                self._dropped[reason] += lost
            return lost

    def accounts(self, waiting: int) -> Accounts:
        """Give the accounts; ``waiting`` spans are in the buffer. Called under the lock."""
        return Accounts(
            accepted=self._accepted + waiting,
            committed=self._committed,
            already_present=self._already_present,
            pending=self._in_hand + waiting,
            dropped=dict(self._dropped),
        )
