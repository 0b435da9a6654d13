"""What the two flows tell whoever runs them, at the moments that matter: this team writes it to a log.

The flows decide; an observer only listens. A subclass may pass on what it hears, as `instrumented.py` does.
"""

from __future__ import annotations

import logging

from examples.restaurant.bookings import Booking, Hint
from examples.restaurant.combinations import Strategy
from examples.restaurant.planner import Hold

_log = logging.getLogger("restaurant")


class JobObserver:
    """Listens to background jobs."""

    def loaded(self, booking: Booking, trigger: str, max_attempts: int) -> None:
        """A job has read its booking and knows how often it may try."""
        _log.debug("%s: job for %s (%s), at most %d attempts", trigger, booking.id, booking.status, max_attempts)

    def initial_attempt_skipped(self, hint: Hint, before: int, after: int) -> None:
        """The request has met a hard reason just now, so the first attempt would be wasted."""
        _log.debug("initial attempt skipped, %d attempts instead of %d: %s", after, before, hint.reason)

    def search_adjusted(self, strategy: Strategy) -> None:
        """The request ran out of time, so the next attempt searches in another way."""
        _log.debug("search adjusted: %s", strategy)

    def stopped_hard(self, reason: str) -> None:
        """A reason that will last ends the job."""
        _log.debug("hard stop: %s", reason)

    def too_late(self, cutoff_minutes: int) -> None:
        """The meal is too near; the staff will find a table."""
        _log.debug("closer than %d minutes to the meal", cutoff_minutes)

    def already_confirmed(self) -> None:
        """Somebody else has found a table."""
        _log.debug("already confirmed")


class InlineObserver:
    """Listens to requests that wait for their table."""

    def timed_out(self) -> None:
        """The guest has been told to wait for a message; the search goes on behind."""
        _log.debug("no table in time")

    def holding(self, hold: Hold) -> None:
        """Tables are held and about to be confirmed."""
        _log.debug("booking %s holds %s", hold.booking_id, hold.table_ids)
