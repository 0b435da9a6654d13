"""A lasting trouble is said once, its end is said, and however often both come, the log does not fill up.

::

    calm ── trouble ──► said ── the same trouble ──► said (silent)
     ▲                    │
     └────── over ────────┘  (says so)

With a database that comes and goes each turn would be two lines. So lines are paid for: a few at once, then one in ten
minutes. A trouble that there was no line for is said when the next line is due, if it still lasts, with the number of
those that were passed over.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_auto_assign._guard import SafeLog

LINES_AT_ONCE: Final = 5
SECONDS_A_LINE: Final = 600.0
REMARKED_AGAIN_SECONDS: Final = 3600.0
REMARKS_REMEMBERED: Final = 1000


class Complaint:
    """What one place has to say of one trouble; to be used by one thread at a time.

    Args:
        log: Where it is said.
        recovered: The line that says that the trouble is over.
        clock: Seconds, monotonic.
    """

    def __init__(self, log: SafeLog, recovered: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._recovered = recovered
        self._clock = clock
        self._lines = float(LINES_AT_ONCE)
        self._counted_at = clock()
        self._said = ""  # the trouble that lasts, as it was said last
        self._unsaid = 0

    def trouble(self, text: str) -> None:
        """Say ``text`` unless it was the last that was said, and nothing has been well since."""
        if text == self._said:
            return
        now = self._clock()
        self._lines = min(float(LINES_AT_ONCE), self._lines + (now - self._counted_at) / SECONDS_A_LINE)
        self._counted_at = now
        if self._lines < 1.0:
            self._unsaid += 1
            return
        self._lines -= 1.0
        self._said = text
        if self._unsaid:
            self._log.warning("%s (%d failures before it were not logged)", text, self._unsaid)
            self._unsaid = 0
        else:
            self._log.warning("%s", text)

    def over(self) -> None:
        """Say that the trouble is over, if it was said that there is one."""
        if self._said:
            self._said = ""
            self._log.info("%s", self._recovered)


class Remarks:
    """Says what is seen again and again, with each new connection, at most once an hour."""

    def __init__(self, log: SafeLog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._made_at: dict[str, float] = {}

    def warning(self, text: str) -> None:
        """Say ``text`` at level WARNING."""
        if self._is_due(text):
            self._log.warning("%s", text)

    def info(self, text: str) -> None:
        """Say ``text`` at level INFO."""
        if self._is_due(text):
            self._log.info("%s", text)

    def _is_due(self, text: str) -> bool:
        now = self._clock()
        if now - self._made_at.get(text, -math.inf) < REMARKED_AGAIN_SECONDS:
            return False
        if len(self._made_at) >= REMARKS_REMEMBERED:
            self._made_at.clear()
        self._made_at[text] = now
        return True
