"""Whether the database takes rows, as it looks from here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

FAILURES_TO_OPEN: Final = 3
"""Fewer are an ordinary restart of the server, which memory outlasts."""

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half_open"
STATES: Final = (CLOSED, OPEN, HALF_OPEN)


class Circuit:
    """What is known of the database.

    ::

        closed ──three failures in a row──► open ──a batch gets through──► half_open ──caught up──► closed
                                             ▲                                 │
                                             └────────────a failure────────────┘

    *closed*: rows go to the database. *open*: one batch goes on being tried, all else waits on disk. *half_open*: new
    rows go to the database, and what waits on disk follows at a limited rate.

    Attributes:
        state: One of the three.
        since: When it came to that, in Unix seconds.
        last_error: The last failure's text, without secrets; None when nothing has failed since it closed.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._failures = 0
        self.state = CLOSED
        self.since = clock()
        self.last_error: str | None = None

    @property
    def open(self) -> bool:
        """Whether all but one batch should wait elsewhere."""
        return self.state == OPEN

    def failed(self, text: str) -> None:
        """A batch was not written, and will be tried again after a wait."""
        self._failures += 1
        self.last_error = text
        if self.state == HALF_OPEN or (self.state == CLOSED and self._failures >= FAILURES_TO_OPEN):
            self._become(OPEN)

    def succeeded(self) -> None:
        """A batch was committed."""
        self._failures = 0
        if self.state == OPEN:
            self._become(HALF_OPEN)

    def caught_up(self) -> None:
        """Nothing waits on disk."""
        if self.state == HALF_OPEN:
            self._become(CLOSED)
        if self.state == CLOSED and not self._failures:
            self.last_error = None

    def _become(self, state: str) -> None:
        self.state = state
        self.since = self._clock()
