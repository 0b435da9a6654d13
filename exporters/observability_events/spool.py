"""What waits on disk, from the side of the one that owns it: segments are begun, filled, rolled and let go.

::

    append ──► current segment ──full, or idle──► sealed ──all of it settled──► unlinked

Any thread appends, without a lock: one ``write()``. All else is the writer thread's, but for beginning the first
segment and rolling a full one, which the caller does that finds it so. Where the disk refuses (full, read-only, gone)
nothing raises: `append` gives None, the piece waits in memory alone, and some seconds later the disk is asked again.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from observability_events import folder, records, segment
from observability_events.complaints import Complaint
from observability_events.folder import Destination
from observability_events.ownership import Ownership
from observability_events.place import Place
from observability_events.records import Make
from otel_auto_assign._guard import SafeLog
from otel_auto_assign.settings import IN_MEMORY, SURVIVES_POWER, Settings

SEGMENT_BYTES: Final = 4 * 1024 * 1024
RETRY_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 1.0  # a segment is not rolled more often for being idle

_log = SafeLog(__name__)


class Spool:
    """One owner's segments in the folder of a destination.

    Args:
        settings: How much may wait, and how durable.
        destination: By default that of the settings' DSN and table.
        clock: Seconds, monotonic.

    Attributes:
        durable: Whether every span is to be on disk before its end returns.
        ownership: Under whose name that is.
        sealed: Segments that are not settled yet, the oldest first.
        full: Whether it was the bound that refused, not the disk.
    """

    def __init__(
        self,
        settings: Settings,
        destination: Destination | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.usable = settings.spool_bytes > 0 and bool(settings.dsn)
        self.durable = self.usable and settings.durability != IN_MEMORY
        self.power = self.durable and settings.durability == SURVIVES_POWER
        self.ownership = Ownership(settings, destination)
        self.sealed: deque[Place] = deque()
        self.full = False
        self._settings = settings
        self._clock = clock
        self._changing = threading.RLock()  # what the current segment is
        self._changes = False
        self._current: Place | None = None
        self._rolled_at = clock()
        self._retry_at = 0.0
        self._trouble: OSError | None = None
        self._refuses = False
        self._recovered = False
        self._complaint = Complaint(_log, "the disk takes again what waits", clock=clock)

    # -- from any thread ---------------------------------------------------------------------------------------------

    def append(self, kind: int, payload: bytes) -> tuple[Place, int] | None:
        """Write a record; give where it is and its number there, or None if the disk does not take it."""
        while (place := self._current or self._begin()) is not None:
            number = next(place.numbers)
            if place.sealed:  # between our look and our number
                place.gone.append(number)
                continue
            data = segment.record(kind, number, payload)
            try:
                written = os.write(place.descriptor, data)  # type: ignore[arg-type] # open as long as one has entered
            except OSError as error:
                self._trouble = error
                written = -1
            if written == len(data):
                place.room -= written
                if place.room <= 0:
                    self._roll(place)
                return place, number
            place.gone.append(number)
            self._refuse(place)
            break
        return None

    def append_span(self, make: Make, span: Any) -> tuple[Place, int] | None:
        """Write a span, whose rows ``make`` gives; None also if the record could not be made."""
        try:
            payload = records.of_span(make, span)
        except Exception:  # rows of the host's own making, or values that JSON cannot say: it waits in memory
            return None
        return self.append(segment.SPAN, payload)

    def _begin(self) -> Place | None:
        """Begin the first segment, or another one after the disk has refused."""
        if not self.usable or self._clock() < self._retry_at:
            return None
        with self._changing:
            if self._current is None and not self._changes:  # else a signal handler has interrupted the change
                self._change(None, another=True)
            return self._current

    def _roll(self, place: Place, *, another: bool = True) -> None:
        """Seal ``place``, and begin ``another``, unless somebody does so already."""
        if self._changing.acquire(blocking=False):
            try:
                if self._current is place and not self._changes:
                    self._change(place, another=another)
            finally:
                self._changing.release()

    def _refuse(self, place: Place) -> None:
        self._refuses = True
        self._retry_at = self._clock() + RETRY_SECONDS
        self._roll(place, another=False)

    def _change(self, old: Place | None, *, another: bool) -> None:
        self._changes = True
        try:
            self._current = self._new() if another else None
        except OSError as error:
            self._current, self._trouble, self._refuses = None, error, True
            self._retry_at = self._clock() + RETRY_SECONDS
        finally:
            self._changes = False
        self._rolled_at = self._clock()
        if old is not None:
            self.sealed.append(old)
            old.seal()

    def _new(self) -> Place:
        room = self.ownership.room(self._settings.spool_bytes)
        self.full = room <= 0
        if self.full:
            raise OSError(errno.EDQUOT, f"spool_bytes={self._settings.spool_bytes} are in use")
        place = self.ownership.begin(min(room, SEGMENT_BYTES), synced=self.power)
        self._refuses, self._recovered = False, True
        return place

    # -- the writer thread's -----------------------------------------------------------------------------------------

    def seal(self) -> None:
        """Have all that was written be in sealed segments, to be read back."""
        if self._current is not None:
            self._roll(self._current, another=self.durable)

    def tend(self, *, idle: bool) -> None:
        """Let go of what is settled, ask the disk again, and say what is wrong with it; now and then, never raising.

        Args:
            idle: Whether nothing is in memory, so that the current segment may be settled, too.
        """
        current = self._current
        try:
            if current is not None:
                if not current.there:
                    self._reopen(current)
                elif idle and current.settled and self._clock() - self._rolled_at >= IDLE_SECONDS:
                    self._roll(current, another=self.durable)
            elif self.durable:
                self._begin()
            for place in list(self.sealed):
                if place.finished:
                    self.sealed.remove(place)
                    let_go(place)
        except OSError as error:
            self._trouble = error
        self._say()

    def _reopen(self, current: Place) -> None:
        """Somebody has removed the folder: begin anew, in another, with what was on disk alone."""
        self.ownership.release()
        self._roll(current, another=self.durable)
        self._rescue()
        raise FileNotFoundError(errno.ENOENT, "its folder was removed")

    def _rescue(self) -> int:
        """Write once more what is on disk alone in files without a name; give how much the disk does not take."""
        lost = 0
        for place in [place for place in self.sealed if place.spilled and not place.there]:
            numbers = set(place.spilled)
            try:
                written = segment.read(place.bytes()).records
            except (OSError, segment.ForeignError):
                written = ()
            kept = {
                record.number: self.append(record.kind, record.payload)
                for record in written
                if record.number in numbers
            }
            place.spilled.clear()
            for number in numbers:
                found = kept.get(number)
                if found is None:
                    place.spilled.append(number)
                    lost += 1
                else:
                    found[0].spilled.append(found[1])
                    place.settle()
        return lost

    def _say(self) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            self._recovered = False
            self._complaint.trouble(
                f"the disk does not take what should wait there ({trouble.strerror or type(trouble).__name__}, in "
                f"{self.ownership.destination.path}): it waits in memory alone, and is lost if the process is killed"
            )
        elif self._recovered:
            self._complaint.over()

    def troubled(self, error: OSError) -> None:
        """Hear that the disk did not take something else: to be said at the next `tend`."""
        self._trouble = error
        if isinstance(error, FileNotFoundError):
            self.ownership.release()

    def fine(self) -> None:
        """Hear that the disk has taken something else."""
        self._recovered = not self._refuses

    def sync(self) -> None:
        """Have the disk hold all that was written before the call, should the machine fail; by the syncing thread.

        A segment that cannot be synced is ``unsure`` from then on, and left for another some seconds later: asked once
        more Linux gives no error, though what it could not write is lost (https://lwn.net/Articles/752063/).
        """
        current = self._current
        for place in [*self.sealed, *([current] if current is not None else [])]:
            descriptor, sealed = place.descriptor, place.sealed
            if descriptor is None or place.synced:
                continue
            try:
                os.fdatasync(descriptor)
            except OSError as error:
                if descriptor != place.descriptor:  # it was settled, and closed, in between
                    continue
                place.unsure = place.synced = True
                self._trouble = error
                if place is current:
                    self._refuse(place)
            else:
                place.synced = sealed

    def leave(self) -> int:
        """Leave what is on disk alone to the next process; give how much of it is lost. Only at the end."""
        self.seal()
        lost = self._rescue()
        self.seal()
        for place in self.sealed:
            if place.spilled:
                place.keep = True
                place.settle(len(place.spilled))
                place.spilled.clear()
        if self.power:
            self.sync()
        return lost

    def close(self) -> None:
        """End as an owner: what is settled goes, what is not stays for the next process."""
        with self._changing:
            self.usable = False
            if self._current is not None:
                self._change(self._current, another=False)
        left = False
        for place in self.sealed:
            left = left or place.keep or not place.finished
            if place.finished:
                try:
                    let_go(place)
                except OSError as error:
                    self._trouble = error
        self._say()
        if not left:
            self.ownership.remove()
        self.ownership.release()

    def release(self) -> None:
        """Let go of what a fork has copied, and leave it to the parent."""
        self.usable = False
        current = self._current
        for place in [*self.sealed, *([current] if current is not None else [])]:
            place.close()
        self.ownership.release()


def let_go(place: Place) -> None:
    """Close a segment of which all is settled, and remove it; one that was damaged goes to quarantine.

    Raises:
        OSError: if that cannot be done.
    """
    place.close()
    if place.damaged:
        folder.quarantine(place.path)
    elif not place.keep:
        place.path.unlink(missing_ok=True)
