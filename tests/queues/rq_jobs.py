"""The booking system's job as a function for RQ; like the rest of that application it knows nothing of telemetry."""

from __future__ import annotations

import uuid

from examples.zero_code.bookings.house import house


def assign_tables(booking_id: str, *, note: dict[str, str]) -> str:
    """Look for tables until there are some, or there is no point."""
    return house().job.run(uuid.UUID(booking_id), "queue").result
