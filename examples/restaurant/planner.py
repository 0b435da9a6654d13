"""The planner: which tables a booking could have, a hold on them, and the confirmation of a hold.

A quote looks at the floor, then tries to hold the best combinations in turn. It takes no lock while it looks, so two
planners may choose the same table; the exclusion constraint lets one of them have it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

import psycopg.errors
from psycopg.types.range import Range

from examples.restaurant.bookings import CONFIRMED, PENDING, Booking, service_of
from examples.restaurant.cache import PlannerCache, Question
from examples.restaurant.clock import Clock
from examples.restaurant.combinations import Combination, Strategy, combinations, why_none
from examples.restaurant.database import Database
from examples.restaurant.flags import read_features
from examples.restaurant.layout import FloorPlan, load

MOST_TRIES: Final = 3
"""How many combinations a quote tries to hold before it gives up."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Tables kept for a booking for a while."""

    id: uuid.UUID
    booking_id: uuid.UUID
    table_ids: list[int]

    @property
    def idempotency_key(self) -> str:
        """The same for every confirmation of the same tables for the same booking."""
        return f"{self.booking_id}/{'+'.join(map(str, self.table_ids))}"


@dataclass(frozen=True, slots=True)
class Quote:
    """What the planner answers.

    Attributes:
        hold: The tables, or None.
        reason: Why there are none.
        hard: Whether asking again is pointless: nothing that passes will change the answer.
        alternates: How many other combinations were free.
        strategy: What it was allowed to do.
        cache_status: Whether it could remember answers, and did.
        planner_stats: What it did, for the planner's own developers.
    """

    hold: Hold | None
    strategy: Strategy
    reason: str | None = None
    hard: bool = False
    alternates: int = 0
    cache_status: Literal["off", "miss", "hit"] = "off"
    planner_stats: Mapping[str, int] = field(default_factory=dict)

    @property
    def cache_hit(self) -> bool:
        """Whether the answer was remembered, not found."""
        return self.cache_status == "hit"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a look at the floor found: free combinations, best first, or why there are none."""

    free: list[Combination]
    considered: int
    reason: str | None = None
    hard: bool = False


class ConfirmError(Exception):
    """The hold could not be confirmed."""


class HoldLostError(ConfirmError):
    """It has expired, and its tables may be somebody else's."""


class BookingGoneError(ConfirmError):
    """The guests have cancelled."""


class Planner:
    """Quotes and confirms. One object serves every thread."""

    def __init__(self, database: Database, clock: Clock, *, hold_life: timedelta, cache: PlannerCache[Quote]) -> None:
        self._database = database
        self._clock = clock
        self._hold_life = hold_life
        self._cache = cache
        self._floors: dict[uuid.UUID, FloorPlan] = {}

    def quote(self, booking: Booking, strategy: Strategy) -> Quote:
        """Look for tables and hold them.

        Raises:
            psycopg.Error: If the database fails, or a lock is waited for too long.
        """
        if not read_features().planner_cache:
            return self._quote(booking, strategy)
        question = Question.of(booking, strategy)
        known = self._cache.get(question)
        if known is not None:
            return replace(known, cache_status="hit")
        quote = replace(self._quote(booking, strategy), cache_status="miss")
        if quote.hold is None:
            self._cache.put(question, quote)
        return quote

    def confirm(self, hold: Hold, booking: Booking) -> None:
        """Turn a hold into the booking's tables.

        Raises:
            ConfirmError: If the hold has expired or the booking was cancelled.
            psycopg.errors.UniqueViolation: If the booking was confirmed by somebody else meanwhile.
            psycopg.errors.ExclusionViolation: If the tables were.
            psycopg.Error: If the database fails, or a lock is waited for too long.
        """
        with self._database.transaction() as conn:
            # Not FOR UPDATE: rows that only refer to this restaurant must not wait for the house to count its guests.
            conn.execute("SELECT covers FROM restaurants WHERE id = %s FOR NO KEY UPDATE", (booking.restaurant_id,))
            conn.execute(
                "INSERT INTO confirmations (hold_id, booking_id, idempotency_key) VALUES (%s, %s, %s)",
                (hold.id, booking.id, hold.idempotency_key),
            )
            pending = conn.execute(
                "UPDATE bookings SET status = %s WHERE id = %s AND status = %s", (CONFIRMED, booking.id, PENDING)
            )
            if pending.rowcount == 0:
                raise BookingGoneError("Confirmation aborted: the booking has been cancelled")
            kept = conn.execute("DELETE FROM holds WHERE id = %s", (hold.id,))
            if kept.rowcount == 0:
                raise HoldLostError("Hold conflict: the hold expired before it was confirmed")
            conn.execute(
                "INSERT INTO assignments (booking_id, table_id, during) SELECT %s, unnest(%s::integer[]), %s",
                (booking.id, hold.table_ids, _stay(booking)),
            )
            conn.execute(
                "UPDATE restaurants SET covers = covers + %s WHERE id = %s", (booking.party, booking.restaurant_id)
            )

    def choose(self, booking: Booking, strategy: Strategy) -> Choice:
        """Look which combinations are free while the guests would be there."""
        service = service_of(booking.starts_at)
        if booking.ends_at > service.end_on(booking.starts_at):
            text = f"Reservation would overrun {service.name} service (end {service.ends:%H:%M})."
            return Choice([], 0, text, hard=True)
        floor = self._floor(booking.restaurant_id)
        possible = combinations(floor, booking.party, strategy)
        if not possible:
            return Choice([], 0, why_none(floor, booking.party, strategy), hard=True)
        taken, held = self._occupied(booking)
        untaken = [one for one in possible if taken.isdisjoint(one.table_ids)]
        free = [one for one in untaken if held.keys().isdisjoint(one.table_ids)]
        if free:
            return Choice(free, len(possible))
        if not untaken:
            text = f"No capacity left at {booking.starts_at:%H:%M} for a party of {booking.party}"
            return Choice([], len(possible), text, hard=True)
        blocking = {t: held[t.id] for one in untaken for t in one.tables if t.id in held}
        labels = ", ".join(sorted(table.label.removeprefix("T").lstrip("0") for table in blocking))
        text = f"Conflicts with holds on tables {labels}; retry after {min(blocking.values()):%H:%M:%S}"
        return Choice([], len(possible), text)

    def place_hold(self, booking: Booking, combination: Combination) -> Hold:
        """Hold tables for a booking.

        Raises:
            psycopg.errors.ExclusionViolation: If another planner was faster.
            psycopg.errors.DeadlockDetected: If another planner was as fast.
            psycopg.Error: If the database fails, or a lock is waited for too long.
        """
        hold = Hold(uuid.uuid4(), booking.id, combination.table_ids)
        with self._database.transaction() as conn:
            conn.execute(
                "INSERT INTO holds (id, booking_id, restaurant_id, expires_at) VALUES (%s, %s, %s, %s)",
                (hold.id, booking.id, booking.restaurant_id, self._clock.now() + self._hold_life),
            )
            conn.execute(
                "INSERT INTO held_tables (hold_id, table_id, during) SELECT %s, unnest(%s::integer[]), %s",
                (hold.id, hold.table_ids, _stay(booking)),
            )
        return hold

    def _quote(self, booking: Booking, strategy: Strategy) -> Quote:
        choice = self.choose(booking, strategy)
        conflicts = 0
        for combination in choice.free[:MOST_TRIES]:
            try:
                hold = self.place_hold(booking, combination)
            except (psycopg.errors.ExclusionViolation, psycopg.errors.DeadlockDetected):
                # Two that insert at the same instant wait for one another: the server ends one of them.
                conflicts += 1
            else:
                stats = _stats(choice, conflicts)
                return Quote(hold, strategy, alternates=len(choice.free) - 1, planner_stats=stats)
        reason = choice.reason or "Hold conflicts prevented all candidates"
        return Quote(None, strategy, reason, choice.hard, planner_stats=_stats(choice, conflicts))

    def _floor(self, restaurant_id: uuid.UUID) -> FloorPlan:
        floor = self._floors.get(restaurant_id)
        if floor is None:
            with self._database.transaction() as conn:
                floor = self._floors[restaurant_id] = load(conn, restaurant_id)
        return floor

    def _occupied(self, booking: Booking) -> tuple[set[int], dict[int, datetime]]:
        """Give the tables that are assigned, and those that are held with the time their hold expires."""
        stay = _stay(booking)
        with self._database.transaction() as conn:
            conn.execute(  # whoever comes first clears the expired holds away; nobody waits for that
                "DELETE FROM holds WHERE id IN (SELECT id FROM holds WHERE restaurant_id = %s AND expires_at <= %s "
                "FOR UPDATE SKIP LOCKED)",
                (booking.restaurant_id, self._clock.now()),
            )
            taken = conn.execute("SELECT table_id FROM assignments WHERE during && %s", (stay,)).fetchall()
            held = conn.execute(
                "SELECT table_id, expires_at FROM held_tables JOIN holds ON holds.id = hold_id WHERE during && %s",
                (stay,),
            ).fetchall()
        return {table_id for (table_id,) in taken}, dict(held)


def _stay(booking: Booking) -> Range[datetime]:
    return Range(booking.starts_at, booking.ends_at)


def _stats(choice: Choice, conflicts: int) -> dict[str, int]:
    return {"considered": choice.considered, "free": len(choice.free), "conflicts": conflicts}
