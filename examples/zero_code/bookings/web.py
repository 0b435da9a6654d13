"""The web server: ``POST /bookings``."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import FastAPI

from examples.restaurant.bookings import Booking
from examples.zero_code.bookings.desk import seat
from examples.zero_code.bookings.house import house
from examples.zero_code.bookings.jobs import assign_tables

app = FastAPI()


@dataclass
class Wish:
    """What a guest sends."""

    restaurant_id: uuid.UUID
    party: int
    starts_at: datetime


@app.post("/bookings")
def book(wish: Wish) -> dict[str, Any]:
    """Seat the guests now, or have the queue look for tables."""
    booking = Booking(uuid.uuid4(), wish.restaurant_id, wish.party, wish.starts_at)
    answer = seat(booking, house().planner, house().book)
    if not answer.seated:
        assign_tables.delay(str(booking.id), str(booking.restaurant_id), answer.note)
    return {"id": str(booking.id), "seated": answer.seated, "reason": answer.reason}
