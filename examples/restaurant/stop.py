"""How the demo is broken off: every wait ends, and whoever waited or asks unwinds in the ordinary way."""

from __future__ import annotations

import signal
import threading
from typing import Final

ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedError(Exception):
    """The demo was broken off."""


class Stop:
    """A wait that can be broken off for all who wait, now and later.

    Signals set it and raise nothing: an exception out of nowhere could leave a lock or a transaction in any state.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._now = False

    def now(self) -> None:
        """Break every wait off; twice is no more than once."""
        if not self._now:  # a second signal may come while the first is inside the event, whose lock is not reentrant
            self._now = True
            self._event.set()

    def check(self) -> None:
        """Go on unless it is broken off.

        Raises:
            StoppedError: If it is.
        """
        if self._now:
            raise StoppedError

    def wait(self, seconds: float) -> None:
        """Wait so long.

        Raises:
            StoppedError: As soon as it is broken off.
        """
        if self._event.wait(seconds):
            raise StoppedError
