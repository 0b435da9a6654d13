"""The inline flow: a guest's request tries once to get a table, and waits a limited time for it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final

import psycopg

from examples.restaurant.bookings import Booking, BookingBook, Hint
from examples.restaurant.clock import Clock, HouseRules
from examples.restaurant.combinations import Strategy
from examples.restaurant.observer import InlineObserver
from examples.restaurant.planner import ConfirmError, Planner

TIMEOUT_REASON: Final = "INLINE_TIMEOUT"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the guest is told at once, and what is left for the job."""

    confirmed: bool
    hint: Hint | None = None


class InlineAssigner:
    """Finds tables for requests. One object serves every thread.

    A search that is too slow for its guest is not cut off: it goes on in its own thread, and may still confirm the
    booking. `close` waits for such searches.
    """

    def __init__(
        self,
        planner: Planner,
        book: BookingBook,
        clock: Clock,
        rules: HouseRules,
        *,
        observer: InlineObserver,
        searchers: int = 16,
    ) -> None:
        self._planner = planner
        self._book = book
        self._timeout = clock.real_seconds(rules.inline_timeout)
        self.observer = observer
        self._searchers = ThreadPoolExecutor(searchers, thread_name_prefix="inline")

    def request(self, booking: Booking, attempt_id: str | None = None) -> Reply:
        """Try to seat a booking while its guest waits; where that fails, leave a hint for the job."""
        attempt_id = attempt_id or uuid.uuid4().hex
        reply = self.assign(booking, attempt_id)
        if reply.hint is not None:
            self._book.leave_hint(booking.id, reply.hint)
        return reply

    def assign(self, booking: Booking, attempt_id: str) -> Reply:
        """Search in another thread, and wait for it no longer than the house allows."""
        search = self._start(self.search, booking, attempt_id)
        try:
            return search.result(self._timeout)
        except TimeoutError:
            self.observer.timed_out()
            return Reply(confirmed=False, hint=Hint(attempt_id, TIMEOUT_REASON, hard=False))
        except (psycopg.Error, ConfirmError) as error:
            return Reply(confirmed=False, hint=Hint(attempt_id, str(error).splitlines()[0], hard=False))

    def search(self, booking: Booking, attempt_id: str) -> Reply:
        """Quote, then confirm."""
        quote = self._planner.quote(booking, Strategy())
        if quote.hold is None:
            return Reply(confirmed=False, hint=Hint(attempt_id, quote.reason or "", quote.hard))
        self.observer.holding(quote.hold)
        self._planner.confirm(quote.hold, booking)
        return Reply(confirmed=True)

    def close(self) -> None:
        """Wait until every search has ended."""
        self._searchers.shutdown(cancel_futures=True)

    def _start(self, work: Callable[[Booking, str], Reply], booking: Booking, attempt_id: str) -> Future[Reply]:
        # The search works for this request: whatever belongs to the request (its context) goes along.
        return self._searchers.submit(copy_context().run, work, booking, attempt_id)
