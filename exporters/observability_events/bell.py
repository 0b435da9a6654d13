"""Waking the writer thread, from any thread and from any signal handler."""

from __future__ import annotations

import threading


class Bell:
    """Wakes the one thread that waits for it.

    A lock that is released to ring. Unlike an Event it can be rung from a signal handler, whatever the interrupted
    thread was doing, and a bell that has been rung already costs one look at a flag.
    """

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """Wake the thread, now or when it next waits."""
        if self._silent.locked():
            try:
                self._silent.release()
            except RuntimeError:  # another thread was faster
                pass

    def wait(self, seconds: float) -> bool:
        """Wait until it rings; give whether it did."""
        return self._silent.acquire(timeout=seconds)

    def heard(self) -> bool:
        """Give whether it has rung since the last time."""
        return self._silent.acquire(blocking=False)
