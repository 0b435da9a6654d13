"""Rows that the database will never take: counted, said once of each kind, and kept by whoever keeps them.

::

    refuse ──► held ── tend ──► kept: a dead letter
                ▲       │
                └───────┤ cannot be kept now
                        └ the end ──► on disk, for the next process
"""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from otel_auto_assign import _guard
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from observability_events.accounts import Ledger
    from observability_events.place import Place
    from observability_events.rows import Row

_log = SafeLog(__name__)

REFUSED: Final = "refused"
NOT_ENCODABLE: Final = "not_encodable"
"""The reasons that a row is refused for: by the database, or before, because a value cannot be sent at all."""
HELD_ROWS: Final = 10_000  # the most that wait for being kept, as of rows that are set aside
AGAIN_SECONDS: Final = 2.0  # between two tries: one may cost the writer thread most of a second


class OnRefused(Protocol):
    """What is done with a refused row."""

    def __call__(self, row: Row, reason: str, sqlstate: str, text: str, /) -> bool:
        """Keep ``row`` with what was said of it; give whether it is kept, durably.

        ``sqlstate`` is the server's, or empty where it never saw the row; ``text`` has no secrets.
        """


def nothing_kept(row: Row, reason: str, sqlstate: str, text: str, /) -> bool:  # noqa: ARG001 - one of many
    """Forget a refused row."""
    return False


class Refusal(NamedTuple):
    """A row with what was said of it."""

    row: Row
    place: Place | None
    reason: str
    sqlstate: str
    text: str


class Refusals:
    """Refuses rows, and tells ``ledger`` whether they were kept; to be used by one thread.

    Args:
        ledger: The accounts.
        on_refused: Keeps them. What it raises is swallowed, and the row dropped.
        again: Whether a row that it does not keep is held, and given to it again later; else the row is dropped.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        ledger: Ledger,
        on_refused: OnRefused,
        *,
        again: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._on_refused = on_refused
        self._again = again
        self._clock = clock
        self._said: set[str] = set()
        self._held: deque[Refusal] = deque()
        self._again_at = 0.0

    def refuse(self, row: Row, place: Place | None, reason: str, sqlstate: str, text: str) -> None:
        """Refuse a row that is in hand, at once; what is done with it then, which may take its time, `tend` does."""
        kind = sqlstate or reason
        if kind not in self._said:
            self._said.add(kind)
            _log.warning("a row was refused for good: %s. Others like it are counted, not logged.", text)
        if not self._held:
            self.hasten()
        self._held.append(Refusal(row, place, reason, sqlstate, text))

    @property
    def holds(self) -> bool:
        """Whether a row waits for being kept."""
        return bool(self._held)

    @property
    def rest_seconds(self) -> float:
        """How long `tend` has nothing to do."""
        return max(0.0, self._again_at - self._clock()) if self._held else math.inf

    def hasten(self) -> None:
        """Try at the next `tend`, not later."""
        self._again_at = 0.0

    def tend(self) -> None:
        """Have what is held kept, if it is time to; what is too much to be held is dropped."""
        while self._held and self._clock() >= self._again_at:
            refusal = self._held[0]  # it stays while it is tried: the end may come meanwhile, and take it
            kept = self._keep(refusal)
            if kept is False and self._again:
                self._again_at = self._clock() + AGAIN_SECONDS
                self._held.rotate(-1)  # what stands in its own way alone stands in no other's
            elif self._held and self._held[0] is refusal:
                self._held.popleft()
                self._settle(refusal, kept=kept is True)
        while len(self._held) > HELD_ROWS:
            self._settle(self._held.pop(), kept=False)

    def secure(self, secured: Callable[[Refusal], Refusal]) -> None:
        """Have every row that is held be on disk, too."""
        self._held = deque(secured(refusal) for refusal in self._held)

    def release(self) -> list[Refusal]:
        """Give up every row that is held."""
        held, self._held = list(self._held), deque()
        return held

    def _keep(self, refusal: Refusal) -> bool | None:
        """Give whether it is kept; None if it never will be."""
        try:
            return self._on_refused(refusal.row, refusal.reason, refusal.sqlstate, refusal.text)
        except Exception as error:
            _guard.swallowed("what is told of refused rows", error)
            return None

    def _settle(self, refusal: Refusal, *, kept: bool) -> None:
        if kept:
            self._ledger.dead_lettered(1)
        else:
            self._ledger.dropped(REFUSED, 1)
        if refusal.place is not None:
            refusal.place.settle()
