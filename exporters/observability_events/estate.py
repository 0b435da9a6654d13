"""What a dead owner has left in the folder: taken under its lock, read file by file, removed when all is settled."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

from observability_events import folder, segment
from observability_events.complaints import Remarks
from observability_events.folder import Destination
from observability_events.place import Place
from observability_events.segment import Contents
from observability_events.spool import let_go
from otel_auto_assign._guard import SafeLog

_log = SafeLog(__name__)
_remarks = Remarks(_log)


class Estate:
    """The segments of one dead owner.

    Whoever holds the lock has them; should it die in the middle, the next one finds every segment that was not settled
    as a whole, and reads it again: rows that are in the table by then are there already.

    Attributes:
        owner: Whose they were.
        unread: Segments still to be read, the oldest first.
        newer: Whether some of them are of a later version, and so none of our business.
    """

    def __init__(self, destination: Destination, owner: str, lock: int) -> None:
        self.owner = owner
        self.unread = deque(folder.segment_paths(destination.path, owner))
        self._destination = destination
        self._lock: int | None = lock
        self._places: list[Place] = []
        self._left = False
        self.newer = False

    def load(self) -> tuple[Place, Contents]:
        """Read the next segment; one that cannot be read is out of the way then, and gives no records."""
        path = self.unread.popleft()
        try:
            data = path.read_bytes()
            contents = segment.read(data)
        except FileNotFoundError:  # somebody tidies up by hand
            return Place(path, records=0), Contents()
        except OSError as error:
            self._left = True
            _remarks.warning(f"{path} cannot be read now: {error.strerror}")
            return Place(path, records=0), Contents()
        except segment.NewerVersionError as error:
            self._left = self.newer = True
            _remarks.warning(f"{path} stays where it is: {error}")
            return Place(path, records=0), Contents()
        except segment.ForeignError:
            self._set_aside(path, empty=not data)
            return Place(path, records=0), Contents()
        place = Place(path, records=len(contents.records))
        if contents.damaged:
            place.damaged = True
            _log.warning(
                "%s is damaged at %d places: what can be read of it is written, and the file goes to %s",
                path,
                contents.damaged,
                path.parent / folder.QUARANTINE,
            )
        self._places.append(place)
        return place, contents

    def _set_aside(self, path: Path, *, empty: bool) -> None:
        if empty:  # its owner died, or its disk was full, before it had written anything
            path.unlink(missing_ok=True)
            return
        _log.warning("%s is no segment of ours: it goes to %s", path, path.parent / folder.QUARANTINE)
        try:
            folder.quarantine(path)
        except OSError:
            self._left = True

    def tend(self) -> bool:
        """Remove the segments that are settled; give whether there is anything left to do.

        Raises:
            OSError: if they cannot be removed.
        """
        for place in [place for place in self._places if place.finished]:
            self._places.remove(place)
            let_go(place)
        if self.unread or self._places:
            return True
        if not self._left:
            folder.remove_owner(self._destination.path, self.owner)
        self.release()
        return False

    def release(self) -> None:
        """Let go of the lock: what is not settled is for the next one."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def expired(path: Path, seconds: float) -> bool:
    """Give whether a segment was last written to longer ago than that."""
    try:
        return time.time() - path.stat().st_mtime > seconds
    except OSError:  # gone, or to be seen when it is read
        return False
