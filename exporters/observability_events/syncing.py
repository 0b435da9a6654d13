"""For the durability ``power``: a thread that has the disk synced, for all who wait for it at once."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from observability_events.bell import Bell
from observability_events.place import Place
from observability_events.spool import Spool
from otel_auto_assign import _guard

MOST_SECONDS: Final = 1.0
"""The longest that the end of a span waits for a disk."""


class Syncer:
    """Syncs what ``spool`` has written whenever it is asked to; whoever asks meanwhile shares the next time.

    A thread of its own, for the writer thread may wait for the database for long.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._bell = Bell()
        self._waiting: deque[_Waiting] = deque()
        self._ended = False

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="otel-auto-assign-syncer", daemon=True).start()

    def ask(self) -> None:
        """Have what was written until now synced soon."""
        self._bell.ring()

    def wait(self, place: Place) -> bool:
        """Have it synced, and wait for it, `MOST_SECONDS` at most; give whether the disk has what lies at ``place``.

        By a lock of the caller's own, so that a signal handler may wait in the middle of it.
        """
        waiting = _Waiting()
        self._waiting.append(waiting)
        self._bell.ring()
        return waiting.done.acquire(timeout=MOST_SECONDS) and waiting.synced and not place.unsure

    def end(self) -> None:
        """End the thread."""
        self._ended = True
        self._bell.ring()

    def _run(self) -> None:
        while not self._ended:
            self._bell.wait(threading.TIMEOUT_MAX)
            waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
            synced = False
            try:
                self._spool.sync()
                synced = True
            except Exception as error:
                _guard.swallowed("syncing the spool", error)
            for each in waiting:
                each.synced = synced
                each.done.release()


class _Waiting:
    """One who waits: ``done`` is locked until the disk was synced, or has failed."""

    __slots__ = ("done", "synced")

    def __init__(self) -> None:
        self.done = threading.Lock()
        self.done.acquire()
        self.synced = False
