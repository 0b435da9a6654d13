"""The desk: a quick look for a table while the guest waits."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from examples.restaurant.bookings import Booking, BookingBook
from examples.restaurant.combinations import Strategy
from examples.restaurant.planner import Planner

QUICK: Final = Strategy(max_tables=1)
"""Tables are put together by the job, which has the time for it."""

_log = logging.getLogger("bookings.desk")


@dataclass(frozen=True)
class Answer:
    """What the guest is told.

    Attributes:
        seated: Whether there is a table.
        reason: Why there is none.
        note: What goes along with the job's message, and is nobody's business at the desk.
    """

    seated: bool
    reason: str | None = None
    note: dict[str, str] = field(default_factory=dict)


def seat(booking: Booking, planner: Planner, book: BookingBook) -> Answer:
    """Write a booking down, and seat its party if one table will do."""
    book.add(booking)
    quote = planner.quote(booking, QUICK)
    if quote.hold is None:
        _log.info("no table at once for a party of %d: %s", booking.party, quote.reason)
        return Answer(seated=False, reason=quote.reason)
    planner.confirm(quote.hold, booking)
    return Answer(seated=True)
