"""For the durability ``power``: a thread that has the disk synced, for all who wait for it at once."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from observability_events.bell import Bell
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
        self._waiting: deque[threading.Lock] = deque()
        self._ended = False

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="otel-auto-assign-syncer", daemon=True).start()

    def ask(self) -> None:
        """Have what was written until now synced soon."""
        self._bell.ring()

    def wait(self) -> None:
        """Have it synced, and wait for it, `MOST_SECONDS` at most.

        By a lock of the caller's own, so that a signal handler may wait in the middle of it.
        """
        done = threading.Lock()
        done.acquire()
        self._waiting.append(done)
        self._bell.ring()
        done.acquire(timeout=MOST_SECONDS)

    def end(self) -> None:
        """End the thread."""
        self._ended = True
        self._bell.ring()

    def _run(self) -> None:
        while not self._ended:
            self._bell.wait(threading.TIMEOUT_MAX)
            waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
            try:
                self._spool.sync()
            except Exception as error:
                _guard.swallowed("syncing the spool", error)
            for done in waiting:
                done.release()
