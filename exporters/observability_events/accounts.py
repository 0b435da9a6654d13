"""The accounting identity: nothing that was accepted is ever without a place.

``accepted + adopted = committed + pending (memory, disk) + handed_over + dead_lettered + dropped``, at any moment, in
*pieces*: a span (or the start of a job) counts as one piece until its rows are made; from then on its rows count in its
place, none to three of them, and ``accepted`` moves by the difference. Rows that were in the table before count as
committed.
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
        adopted: Read from what processes have left on disk that ended before they could write it.
        committed: COMMIT was acknowledged.
        already_present: Of the committed: rows that were there before.
        unsecured: Of the accepted: spans whose end returned before the disk held them as the durability promises,
            because it refused them or, with ``power_wait``, did not say in time that it has them.
        pending_memory: In memory: spans that wait for their rows to be made, and rows that wait to be written. With
            a durability above ``memory`` they are on disk as well.
        pending_disk: On disk alone, until the database is back.
        handed_over: Left on disk at the shutdown, for the next process; by a sink, left with the sender, who was told
            to send them again.
        dead_lettered: Refused by the database, and kept with the reason.
        dropped: Reason → pieces that will never be written.
    """

    accepted: int
    adopted: int = 0
    committed: int
    already_present: int
    pending_memory: int
    pending_disk: int = 0
    handed_over: int = 0
    dead_lettered: int = 0
    unsecured: int = 0
    dropped: Mapping[str, int]

    @property
    def pending(self) -> int:
        """What waits, wherever."""
        return self.pending_memory + self.pending_disk

    @property
    def balanced(self) -> bool:
        """Whether the identity holds."""
        settled = self.committed + self.handed_over + self.dead_lettered + sum(self.dropped.values())
        return self.accepted + self.adopted == settled + self.pending


class Ledger:
    """Keeps the accounts under one lock.

    The lock is the writer's: a caller takes it only for a piece that the buffer does not take. It can be taken again by
    its holder, because a signal handler of the host may end a span while the same thread holds it.

    Attributes:
        spans: How many were ever taken from the buffer.
        on_disk: Pieces of this process that are on disk alone.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.spans = 0
        self.on_disk = 0
        self._accepted = 0  # those still in the buffer excepted
        self._adopted = 0
        self._committed = 0
        self._already_present = 0
        self._unsecured = 0
        self._in_hand = 0
        self._handed_over = 0
        self._dead_lettered = 0
        self._dropped: Counter[str] = Counter()
        self._closed = False

    # -- where pieces come from --------------------------------------------------------------------------------------

    def taken(self, spans: int) -> None:
        """``spans`` were taken from the buffer, and are in hand; called together with their removal."""
        self.spans += spans
        self._accepted += spans
        self._in_hand += spans

    def returned(self, spans: int) -> None:
        """``spans`` that were taken went back to the buffer; called together with that."""
        self.spans -= spans
        self._accepted -= spans
        self._in_hand -= spans

    def made(self, rows: int) -> None:
        """One span that was taken became ``rows`` rows; of one row nothing need be said."""
        with self.lock:
            if not self._closed:
                self._accepted += rows - 1
                self._in_hand += rows - 1

    def adopted(self, pieces: int) -> None:
        """``pieces`` that another process left are in hand."""
        with self.lock:
            if not self._closed:
                self._adopted += pieces
                self._in_hand += pieces

    def unsecured(self) -> None:
        """A span was accepted that the disk does not hold as it was promised."""
        with self.lock:
            self._unsecured += 1

    # -- where they go -----------------------------------------------------------------------------------------------

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

    def dead_lettered(self, rows: int) -> None:
        """``rows`` in hand are with the dead letters."""
        with self.lock:
            if not self._closed:
                self._in_hand -= rows
                self._dead_lettered += rows

    def handed_back(self, pieces: int) -> None:
        """``pieces`` in hand stay with who gave them, and knows it."""
        with self.lock:
            self._in_hand -= pieces
            self._handed_over += pieces

    def refused(self, reason: str, pieces: int = 1) -> None:
        """``pieces`` were never in hand and will not be written."""
        with self.lock:
            self._accepted += pieces
            self._dropped[reason] += pieces

    # -- to the disk and back ----------------------------------------------------------------------------------------

    def landed(self) -> None:
        """A piece is on disk that the buffer had no room for."""
        with self.lock:
            self._accepted += 1
            self.on_disk += 1

    def spilled(self, pieces: int) -> None:
        """``pieces`` in hand are on disk alone."""
        with self.lock:
            self._in_hand -= pieces
            self.on_disk += pieces

    def read_back(self, pieces: int) -> None:
        """``pieces`` that were on disk alone are in hand again."""
        with self.lock:
            if not self._closed:
                self.on_disk -= pieces
                self._in_hand += pieces

    def closed(self, reason: str, *, lost: int) -> int:
        """Hand over, for good, all that waits but ``lost`` pieces, which are dropped; give how many were handed over.

        What the writer may still say of them no longer counts.
        """
        with self.lock:
            left = self._in_hand + self.on_disk
            self._in_hand, self.on_disk, self._closed = 0, 0, True
            lost = min(lost, left)
            self._handed_over += left - lost
            if lost:
                self._dropped[reason] += lost
            return left - lost

    def late(self) -> None:
        """A piece reached the disk after the end."""
        with self.lock:
            self._accepted += 1
            self._handed_over += 1

    def accounts(self, waiting: int) -> Accounts:
        """Give the accounts; ``waiting`` spans are in the buffer. Called under the lock."""
        return Accounts(
            accepted=self._accepted + waiting,
            adopted=self._adopted,
            committed=self._committed,
            already_present=self._already_present,
            unsecured=self._unsecured,
            pending_memory=self._in_hand + waiting,
            pending_disk=self.on_disk,
            handed_over=self._handed_over,
            dead_lettered=self._dead_lettered,
            dropped=dict(self._dropped),
        )
