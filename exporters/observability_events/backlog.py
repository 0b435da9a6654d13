"""What waits on disk, from the side of the one that writes it to the table: what is read back, and how fast.

Two things are read: pieces of this process that are on disk alone, since the database was away or the buffer full, and
what dead owners have left. New rows come first. What is read comes at ``catch_up_rate`` and no faster, unless it is
this process's own and somebody waits for it. To be used by the writer thread.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from observability_events import folder, records, segment
from observability_events.accounts import Ledger
from observability_events.complaints import Remarks
from observability_events.estate import Estate, expired
from observability_events.place import Place
from observability_events.segment import Record
from observability_events.spool import Spool
from otel_auto_assign._guard import SafeLog
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from observability_events.making import Piece

LOOK_SECONDS: Final = 60.0
"""How often it is looked for owners that have died."""
LEAST_PORTION: Final = 50  # records; a smaller statement is a waste
DAMAGED: Final = "spool_damaged"
EXPIRED: Final = "spool_expired"

_log = SafeLog(__name__)
_remarks = Remarks(_log)


class Backlog:
    """Reads back what `spool` and dead owners have on disk.

    Args:
        spool: The owner's.
        ledger: Told of each piece that is read, or cannot be.
        settings: The rate, and the age at which nobody wants it any more.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, spool: Spool, ledger: Ledger, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._spool = spool
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._own: deque[tuple[Place, Record]] = deque()
        self._left: deque[tuple[Place, Record]] = deque()
        self._estates: dict[str, Estate] = {}
        self._not_ours: set[str] = set()  # left by a later version: said once
        self._look_at = 0.0
        self._paced_at = clock()

    @property
    def waits(self) -> bool:
        """Whether anything is to be read."""
        return self.own_waits or bool(self._left) or any(estate.unread for estate in self._estates.values())

    @property
    def own_waits(self) -> bool:
        """Whether any of it is this process's own."""
        return self._ledger.on_disk > 0

    def seconds(self) -> float:
        """Give how long it is until the next portion may be read."""
        if not self._spool.usable:
            return math.inf
        if not self.waits:
            return max(0.0, self._look_at - self._clock())
        least = min(LEAST_PORTION, self._settings.batch_size)
        return max(0.0, self._paced_at + least / self._settings.catch_up_rate - self._clock())

    def portion(self, most: int, *, own_only: bool = False) -> list[Piece]:
        """Read up to ``most`` pieces, fewer where the rate says so, which are in hand then.

        Args:
            most: How many at most.
            own_only: Read nothing of others, and this process's own without a limit: somebody waits for it.
        """
        now = self._clock()
        if own_only:
            return self._read_own(most)
        allowed = int((now - self._paced_at) * self._settings.catch_up_rate)
        if allowed < min(LEAST_PORTION, most):
            return []
        self._paced_at = now
        wanted = min(most, allowed)
        found = self._read_own(wanted)
        return found or self._read_left(wanted)

    # -- this process's own ------------------------------------------------------------------------------------------

    def _read_own(self, most: int) -> list[Piece]:
        found: list[Piece] = []
        while len(found) < most and (self._own or self._load_own()):
            if not self._own:
                continue
            place, record = self._own.popleft()
            self._ledger.read_back(1)
            self._add(found, place, record)
        return found

    def _load_own(self) -> bool:
        if not self.own_waits:
            return False
        place = next((place for place in self._spool.sealed if place.spilled), None)
        if place is None:
            self._spool.seal()
            place = next((place for place in self._spool.sealed if place.spilled), None)
        if place is None:
            return False
        try:
            is_old = time.time() - place.written > self._settings.spool_age
            contents = segment.read(place.bytes())
        except segment.ForeignError:
            contents = segment.Contents(damaged=1)
        except OSError as error:
            self._spool.troubled(error)
            return False
        numbers = {place.spilled.popleft() for _ in range(len(place.spilled))}
        if is_old:
            self._forget(place, numbers, EXPIRED)
            return True
        self._own += [(place, record) for record in contents.records if record.number in numbers]
        missing = numbers.difference(record.number for record in contents.records)
        if missing:
            place.damaged = True
            self._forget(place, missing, DAMAGED)
        return True

    def _forget(self, place: Place, numbers: set[int], reason: str) -> None:
        self._ledger.read_back(len(numbers))
        self._ledger.dropped(reason, len(numbers))
        place.settle(len(numbers))
        _log.warning("%d pieces that waited in %s are dropped: %s", len(numbers), place.path, reason)

    # -- what others have left ---------------------------------------------------------------------------------------

    def look(self) -> None:
        """Take what owners have left that have died, now and then; and remove of it what is settled. Never raises."""
        now = self._clock()
        looks = self._spool.usable and now >= self._look_at
        if looks:
            self._look_at = now + LOOK_SECONDS
        try:
            for estate in list(self._estates.values()):
                if not estate.tend():
                    del self._estates[estate.owner]
                    if estate.newer:
                        self._not_ours.add(estate.owner)
            if looks:
                self._look()
        except OSError as error:
            _remarks.warning(f"what other processes have left on disk cannot be read or removed: {error.strerror}")

    def _look(self) -> None:
        path = self._spool.ownership.destination.path
        for owner in folder.owner_names(path):
            if owner == self._spool.ownership.name or owner in self._estates or owner in self._not_ours:
                continue
            try:
                lock = folder.lock(path, owner)
            except PermissionError:  # another user's, in a folder that is shared
                continue
            if lock is not None:
                self._estates[owner] = Estate(self._spool.ownership.destination, owner, lock)
        if any(estate.unread for estate in self._estates.values()):
            _remarks.info(f"rows that other processes have left on disk are written now, from {path}")

    def _read_left(self, most: int) -> list[Piece]:
        found: list[Piece] = []
        while len(found) < most:
            while not self._left:  # a segment may have nothing to write
                if not self._load_left():
                    return found
            place, record = self._left.popleft()
            self._ledger.adopted(1)
            self._add(found, place, record)
        return found

    def _load_left(self) -> bool:
        estate = next((estate for estate in self._estates.values() if estate.unread), None)
        if estate is None:
            return False
        is_old = expired(estate.unread[0], self._settings.spool_age)
        place, contents = estate.load()
        if contents.damaged:
            self._count_left(contents.damaged, DAMAGED)
        if is_old and contents.records:
            self._count_left(len(contents.records), EXPIRED)
            place.settle(len(contents.records))
            _log.warning("%d pieces in %s are too old and dropped", len(contents.records), place.path)
        else:
            self._left += [(place, record) for record in contents.records]
        return True

    def _count_left(self, pieces: int, reason: str) -> None:
        self._ledger.adopted(pieces)
        self._ledger.dropped(reason, pieces)

    def _add(self, found: list[Piece], place: Place, record: Record) -> None:
        try:
            make, it = records.read(record.kind, record.payload)
        except ValueError:
            place.damaged = True
            place.settle()
            self._ledger.dropped(DAMAGED, 1)
            _log.warning("a record in %s cannot be understood; the file goes to quarantine", place.path)
        else:
            found.append((make, it, place, record.number))

    # -- the end -----------------------------------------------------------------------------------------------------

    def release(self) -> None:
        """Leave what is not settled to the next one."""
        for place, record in self._own:
            place.spilled.append(record.number)  # as if it had not been read
        self._own.clear()
        for estate in self._estates.values():
            try:
                estate.tend()
            except OSError:  # it stays, and is written once more: it is there already
                pass
            estate.release()
        self._estates.clear()

    def abandon(self) -> None:
        """Let go of what a fork has copied."""
        for estate in self._estates.values():
            estate.release()
        self._estates.clear()
