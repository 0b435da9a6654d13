"""Bookings: what a guest asks for, when the house is open for it, and where it is kept."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from examples.restaurant.database import Connection, Database

PENDING: Final = "pending"
CONFIRMED: Final = "confirmed"
CANCELLED: Final = "cancelled"


@dataclass(frozen=True, slots=True)
class Hint:
    """What the request's own attempt left for the background job: why it gave no table, and whether that will last."""

    attempt_id: str
    reason: str
    hard: bool


@dataclass(frozen=True, slots=True)
class Booking:
    """A party of guests that wants to sit down at ``starts_at``, in the restaurant's time (UTC)."""

    id: uuid.UUID
    restaurant_id: uuid.UUID
    party: int
    starts_at: datetime
    status: str = PENDING
    hint: Hint | None = None

    @property
    def ends_at(self) -> datetime:
        """When the tables are free again: larger parties stay longer."""
        minutes = 75 if self.party <= 2 else 90 if self.party <= 4 else 120
        return self.starts_at + timedelta(minutes=minutes)


@dataclass(frozen=True, slots=True)
class Service:
    """A meal: the kitchen serves until ``ends``, on the day it began."""

    name: str
    ends: time

    def end_on(self, day: datetime) -> datetime:
        """Give the end of the service on a day."""
        return datetime.combine(day.date(), self.ends, tzinfo=day.tzinfo)


LUNCH: Final = Service("lunch", time(15, 0))
DINNER: Final = Service("dinner", time(23, 0))


def service_of(starts_at: datetime) -> Service:
    """Say which meal somebody who comes at ``starts_at`` will have."""
    return LUNCH if starts_at < LUNCH.end_on(starts_at) else DINNER


class BookingBook:
    """The bookings in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, booking: Booking) -> None:
        """Write a new booking down."""
        with self._database.transaction() as conn:
            conn.execute(
                "INSERT INTO bookings (id, restaurant_id, party, starts_at, status) VALUES (%s, %s, %s, %s, %s)",
                (booking.id, booking.restaurant_id, booking.party, booking.starts_at, booking.status),
            )

    def load(self, booking_id: uuid.UUID) -> Booking | None:
        """Read a booking as it stands now; None if there is no such booking."""
        with self._database.transaction() as conn:
            row = conn.execute(
                "SELECT id, restaurant_id, party, starts_at, status, hint_attempt_id, hint_reason, hint_hard "
                "FROM bookings WHERE id = %s",
                (booking_id,),
            ).fetchone()
        if row is None:
            return None
        identity, restaurant, party, starts_at, status, *hint = row
        return Booking(identity, restaurant, party, starts_at, status, Hint(*hint) if hint[0] is not None else None)

    def leave_hint(self, booking_id: uuid.UUID, hint: Hint) -> None:
        """Tell the job that will work on this booking what its request has met."""
        with self._database.transaction() as conn:
            conn.execute(
                "UPDATE bookings SET hint_attempt_id = %s, hint_reason = %s, hint_hard = %s WHERE id = %s",
                (hint.attempt_id, hint.reason, hint.hard, booking_id),
            )

    def cancel(self, booking_id: uuid.UUID) -> None:
        """Cancel a booking; its tables are free at once."""
        with self._database.transaction() as conn:
            conn.execute("UPDATE bookings SET status = %s WHERE id = %s", (CANCELLED, booking_id))
            release(conn, booking_id)


def release(conn: Connection, booking_id: uuid.UUID) -> None:
    """Give back whatever tables a booking holds or has."""
    conn.execute("DELETE FROM holds WHERE booking_id = %s", (booking_id,))
    conn.execute("DELETE FROM assignments WHERE booking_id = %s", (booking_id,))
