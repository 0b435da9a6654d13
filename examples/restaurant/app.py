"""The booking system put together: what the host's composition root would be."""

from __future__ import annotations

from dataclasses import dataclass

from examples.restaurant.bookings import Booking, BookingBook
from examples.restaurant.cache import PlannerCache
from examples.restaurant.clock import Clock, HouseRules
from examples.restaurant.database import Database
from examples.restaurant.inline import InlineAssigner
from examples.restaurant.job import AssignJob
from examples.restaurant.observer import InlineObserver, JobObserver
from examples.restaurant.planner import Planner, Quote


@dataclass(frozen=True)
class Parts:
    """The classes that the system is made of; `instrumented.py` has a set of its own."""

    planner: type[Planner] = Planner
    inline: type[InlineAssigner] = InlineAssigner
    job: type[AssignJob] = AssignJob
    inline_observer: type[InlineObserver] = InlineObserver
    job_observer: type[JobObserver] = JobObserver


class App:
    """The system: a book, a planner, and the two flows that use them."""

    def __init__(self, database: Database, clock: Clock, rules: HouseRules, parts: Parts) -> None:
        self.book = BookingBook(database)
        self.cache: PlannerCache[Quote] = PlannerCache(rules.cache_life, clock.now)
        self.planner = parts.planner(database, clock, hold_life=rules.hold_life, cache=self.cache)
        self.inline = parts.inline(self.planner, self.book, clock, rules, observer=parts.inline_observer())
        self.job = parts.job(self.planner, self.book, clock, rules, observer=parts.job_observer())

    def cancel(self, booking: Booking) -> None:
        """Call a booking off: its tables are free, and whoever asks next looks again."""
        self.book.cancel(booking.id)
        self.cache.forget(booking.restaurant_id)
