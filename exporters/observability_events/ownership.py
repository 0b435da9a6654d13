"""Being an owner in a destination's folder: a name, its lock, and the segments that bear it."""

from __future__ import annotations

import errno
import os
import secrets
import time
from typing import Final

from observability_events import folder, segment
from observability_events.folder import Destination
from observability_events.place import Place
from otel_auto_assign._version import __version__
from otel_auto_assign.settings import Settings

ATTEMPTS: Final = 5
"""An adopter may be quicker to lock a new owner's file than the owner: as often it takes another name."""


class Ownership:
    """Taken when first needed; given up at the end, or when somebody has removed the folder.

    Args:
        settings: Where the folder is.
        destination: By default that of the settings' DSN and table.

    Attributes:
        name: The owner's, once there is one.
    """

    def __init__(self, settings: Settings, destination: Destination | None = None) -> None:
        self.name: str | None = None
        self._settings = settings
        self._destination = destination
        self._lock: int | None = None
        self._begun = 0

    @property
    def destination(self) -> Destination:
        """Where all of this is."""
        if self._destination is None:
            self._destination = folder.destination(self._settings)
        return self._destination

    def take(self) -> None:
        """Make the folder, and become an owner in it; does nothing the second time.

        Raises:
            OSError: if it cannot be made, or locked.
        """
        if self._lock is not None:
            return
        for _ in range(ATTEMPTS):
            folder.make(self.destination, self._settings)
            name = f"{os.getpid()}-{secrets.token_hex(4)}"
            try:
                self._lock = folder.lock(self.destination.path, name)
            except FileNotFoundError:  # the last owner has just removed the folder
                continue
            if self._lock is not None:
                self.name = name
                return
        raise OSError(errno.EAGAIN, "another process locks every new file of the spool")

    def room(self, most: int) -> int:
        """Give how many bytes are left of ``most``; the folder is made if need be.

        Raises:
            OSError: if that cannot be said.
        """
        self.take()
        return most - folder.size(self.destination.path)

    def begin(self, room: int, *, synced: bool) -> Place:
        """Begin another segment, for ``room`` bytes; ``synced``: its name is to survive the machine's failure, too.

        Raises:
            OSError: if the disk does not take it.
        """
        self.take()
        path = self.destination.path
        self._begun += 1
        name = path / f"{self.name}-{self._begun:06}{folder.SEGMENT_SUFFIX}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | folder.OPEN_FLAGS
        descriptor = os.open(name, flags, folder.FILE_MODE)
        try:
            head = segment.header({"pid": os.getpid(), "created": time.time(), "library": __version__})
            if os.write(descriptor, head) < len(head):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if synced:
                folder.synced(path)
        except BaseException:
            os.close(descriptor)
            name.unlink(missing_ok=True)
            raise
        return Place(name, descriptor, room=room)

    def release(self) -> None:
        """Give the lock up: whatever is left is for whoever comes next."""
        if self._lock is not None:
            lock, self._lock = self._lock, None
            os.close(lock)

    def remove(self) -> None:
        """Remove what speaks of an owner that has left nothing, and the folder if there is nothing else in it."""
        if self._lock is not None and self.name is not None:
            folder.remove_owner(self.destination.path, self.name)
            folder.remove(self.destination)
