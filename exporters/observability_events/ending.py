"""One time-out for the end of the process, however many pipelines it has.

A provider shuts its processors down one after the other. If each waited its whole time for a database that does not
answer, two of them would keep the process twice as long as ``settings.shutdown_timeout`` says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

LAST_CHANCE_SECONDS: Final = 0.05
"""What is left for a pipeline when others have used the time up: enough for a database that answers."""

ONE_END_SECONDS: Final = 1.0
"""Shutdowns of one end of a process follow each other at once; what comes later than this is another end."""


class Ending:
    """Counts the seconds that shutdowns have waited, as long as one follows the other.

    Shutdowns with a second between them are of different ends: a process may close one provider and go on with another,
    which then has its own time. What they wait counts, not what passes between them: many quick ones do not use it up.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waited = 0.0
        self._last: float | None = None

    @contextmanager
    def share(self, timeout: float) -> Iterator[float]:
        """Give the seconds of ``timeout`` that are left; the block is the waiting."""
        began = self._clock()
        if self._last is None or began - self._last > ONE_END_SECONDS:
            self._waited = 0.0
        try:
            yield max(timeout - self._waited, min(timeout, LAST_CHANCE_SECONDS))
        finally:
            self._last = self._clock()
            self._waited += self._last - began


class CallersThread:
    """Stands for a thread that can no longer be started: its work is done by the thread that waits for it.

    In some versions of Python (3.12.1 is one) a process that is about to end can start none. Nobody can end the work
    from outside then, so a database that does not answer may be waited for as long as one statement may take.
    """

    def __init__(self, target: Callable[[], None]) -> None:
        self._target = target

    def join(self, timeout: float) -> None:
        """Do the work; ``timeout`` is the work's own to keep."""
        self._target()

    def is_alive(self) -> bool:
        """Give false: it has been done, or not begun."""
        return False
