"""Rows for the tests of the reading half: as the contract has them, as older writers left them, and worse."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """One row, as the host application might insert it."""

    event_type: str
    context: Any = None
    at: datetime = NOON
    source: str = "test"
    booking: uuid.UUID | None = None
    restaurant: uuid.UUID | None = None


def insert(conn: psycopg.Connection[Any], rows: Iterable[Row], table: str = "observability_events") -> None:
    """Insert rows, and the parents that they reference."""
    rows = list(rows)
    with conn.cursor() as cursor:
        for parent, ids in (("bookings", {r.booking for r in rows}), ("restaurants", {r.restaurant for r in rows})):
            cursor.executemany(
                f"INSERT INTO {parent} (id) VALUES (%s) ON CONFLICT DO NOTHING".encode(),
                [(one,) for one in ids if one is not None],
            )
        cursor.executemany(
            f"INSERT INTO {table} (created_at, source, event_type, context, booking_id, restaurant_id) "
            "VALUES (%s, %s, %s, %s, %s, %s)".encode(),
            [
                (r.at, r.source, r.event_type, None if r.context is None else Jsonb(r.context), r.booking, r.restaurant)
                for r in rows
            ],
        )
