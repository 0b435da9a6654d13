"""A restaurant for tests: any floor plan, a clock that only moves when told, and the system on a real database."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg

from examples.restaurant import layout, sandbox
from examples.restaurant.app import App, Parts
from examples.restaurant.bookings import Booking, Hint
from examples.restaurant.clock import Clock, HouseRules
from examples.restaurant.combinations import Strategy
from examples.restaurant.database import Database
from examples.restaurant.layout import FloorPlan, Table
from examples.restaurant.observer import InlineObserver, JobObserver
from examples.restaurant.planner import Hold

NAME = "Test Kitchen"
MORNING = datetime(2026, 11, 20, 10, tzinfo=UTC)
EVENING = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)


def floor(*tables: tuple[int, bool], touching: tuple[tuple[int, int], ...] = ()) -> FloorPlan:
    """Give a floor of one zone; a table is its capacity and whether it moves, and counts from 1."""
    made = tuple(Table(n, f"T{n:03}", capacity, movable, "room") for n, (capacity, movable) in enumerate(tables, 1))
    return FloorPlan(made, frozenset(touching))


class Time:
    """A hand-moved clock: waiting is what moves it, and what happens meanwhile can be said."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def wait(self, seconds: float) -> None:
        """Let time pass at once."""
        self.seconds += seconds
        self.waits.append(seconds)
        self.meanwhile()

    def clock(self, start: datetime = MORNING, scale: float = 1.0) -> Clock:
        """Give a clock that tells this time."""
        return Clock(start, scale, monotonic=lambda: self.seconds, wait=self.wait)


class Notes(JobObserver):
    """Writes down what a job decides."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def loaded(self, booking: Booking, trigger: str, max_attempts: int) -> None:
        self.heard.append(("loaded", trigger, max_attempts))

    def initial_attempt_skipped(self, hint: Hint, before: int, after: int) -> None:
        self.heard.append(("skipped", hint.reason, before, after))

    def search_adjusted(self, strategy: Strategy) -> None:
        self.heard.append(("adjusted", strategy))

    def stopped_hard(self, reason: str) -> None:
        self.heard.append(("stopped", reason))

    def too_late(self, cutoff_minutes: int) -> None:
        self.heard.append(("late", cutoff_minutes))

    def already_confirmed(self) -> None:
        self.heard.append(("confirmed",))


class InlineNotes(InlineObserver):
    """Writes down what happens to a request."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def timed_out(self) -> None:
        self.heard.append("timed out")

    def holding(self, hold: Hold) -> None:
        self.heard.append("holding")


class House:
    """The system on a floor plan: the parts that tests reach into."""

    def __init__(self, dsn: str, rules: HouseRules) -> None:
        self.time = Time()
        self.rules = rules
        self.database = Database(dsn, size=4, lock_timeout=5.0)
        self.app = App(self.database, self.time.clock(), rules, Parts(job_observer=Notes, inline_observer=InlineNotes))
        self.planner = self.app.planner
        assert isinstance(self.app.job.observer, Notes)
        assert isinstance(self.app.inline.observer, InlineNotes)
        self.notes = self.app.job.observer
        self.inline_notes = self.app.inline.observer

    def book(self, party: int = 2, starts_at: datetime = EVENING) -> Booking:
        """Write a new booking down."""
        booking = Booking(uuid.uuid4(), layout.restaurant_id(NAME), party, starts_at)
        self.app.book.add(booking)
        return booking

    def seat(self, party: int = 2, starts_at: datetime = EVENING) -> Booking:
        """Make a booking and give it tables."""
        booking = self.book(party, starts_at)
        quote = self.planner.quote(booking, Strategy())
        assert quote.hold is not None, quote.reason
        self.planner.confirm(quote.hold, booking)
        return booking


@contextmanager
def open_house(dsn: str, plan: FloorPlan, rules: HouseRules | None = None) -> Iterator[House]:
    """Build the house in the DSN's schema."""
    with psycopg.connect(dsn) as conn:
        conn.execute(sandbox.SCHEMA_SQL)
        layout.save(conn, NAME, plan)
    house = House(dsn, rules or HouseRules())
    try:
        yield house
    finally:
        house.app.inline.close()
        house.database.close()
