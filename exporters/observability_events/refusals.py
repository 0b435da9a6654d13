"""Rows that the database will never take: counted, said once of each kind, and kept by whoever keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from otel_auto_assign import _guard
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from observability_events.accounts import Ledger
    from observability_events.place import Place
    from observability_events.rows import Row

_log = SafeLog(__name__)

REFUSED: Final = "refused"
NOT_ENCODABLE: Final = "not_encodable"
"""The reasons that a row is refused for: by the database, or before, because a value cannot be sent at all."""


class OnRefused(Protocol):
    """What is done with a refused row."""

    def __call__(self, row: Row, reason: str, sqlstate: str, text: str, /) -> bool:
        """Keep ``row`` with what was said of it; give whether it is kept, durably.

        ``sqlstate`` is the server's, or empty where it never saw the row; ``text`` has no secrets.
        """


def nothing_kept(row: Row, reason: str, sqlstate: str, text: str, /) -> bool:  # noqa: ARG001 - one of many
    """Forget a refused row."""
    return False


class Refusals:
    """Refuses rows, and tells ``ledger`` whether they were kept."""

    def __init__(self, ledger: Ledger, on_refused: OnRefused) -> None:
        self._ledger = ledger
        self._on_refused = on_refused
        self._said: set[str] = set()

    def refuse(self, row: Row, place: Place | None, reason: str, sqlstate: str, text: str) -> None:
        """Refuse a row that is in hand; what `OnRefused` raises is swallowed."""
        kind = sqlstate or reason
        if kind not in self._said:
            self._said.add(kind)
            _log.warning("a row was refused for good: %s. Others like it are counted, not logged.", sqlstate or text)
        kept = False
        try:
            kept = self._on_refused(row, reason, sqlstate, text)
        except Exception as error:
            _guard.swallowed("what is told of refused rows", error)
        if kept:
            self._ledger.dead_lettered(1)
        else:
            self._ledger.dropped(REFUSED, 1)
        if place is not None:
            place.settle()
