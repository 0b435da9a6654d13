"""Tests of otel_auto_assign.analysis.sides: who is on which side."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from otel_auto_assign.analysis.loading import load
from otel_auto_assign.analysis.plans import Stage, Unit
from otel_auto_assign.analysis.sides import Sides, divide
from otel_auto_assign.analysis.windows import Window
from tests.analysis.flows import RESTAURANT, flags, job
from tests.analysis.rows import NOON, Row, insert

Connection = psycopg.Connection[Any]
WINDOW = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 4, tzinfo=UTC))
pytestmark = pytest.mark.usefixtures("events_table")


def runs(number: int, *, on: bool, day: int = 0, nowhere: bool = False) -> list[Row]:
    """A job of a booking of its own."""
    rows = job(f"{number:016x}", NOON + timedelta(days=day), uuid.UUID(int=number), flags=flags(on=on))
    return [replace(row, restaurant=None) for row in rows] if nowhere else rows


def divided(conn: Connection, rows: list[Row], unit: Unit) -> Sides:
    """Insert rows, and share them out."""
    insert(conn, rows)
    stage = Stage("pilot", unit, 0.5, 28)
    return divide(load(conn, WINDOW, now=datetime(2026, 12, 1, tzinfo=UTC)), stage)


@pytest.mark.parametrize(("unit", "units"), [(Unit.RESTAURANT_DAY, 2), (Unit.BOOKING, 4)])
def test_runs_at_no_restaurant_are_in_no_unit_of_days(conn: Connection, unit: Unit, units: int) -> None:
    """Two days of a restaurant, and two bookings that name none: these are on a side, and in no unit of it."""
    rows = [*runs(1, on=True), *runs(2, on=True, day=1)]
    rows += [*runs(3, on=True, nowhere=True), *runs(4, on=True, day=2, nowhere=True)]
    side = Sides.who(divided(conn, rows, unit).post, unit)
    assert side.units == units
    assert {place for place, _ in side.restaurant_days} == {str(RESTAURANT)}
    assert (len(side.bookings), side.exposure.on) == (4, 4)


def test_a_day_is_on_the_side_of_most_of_its_runs(conn: Connection) -> None:
    """The run that saw other flags stays there, and counts against it; a booking is where it was."""
    rows = [*runs(1, on=True), *runs(2, on=True), *runs(3, on=False)]
    by_day = divided(conn, rows, Unit.RESTAURANT_DAY)
    assert (len(by_day.post.jobs), len(by_day.baseline.jobs)) == (3, 0)
    assert (Sides.who(by_day.post, Unit.RESTAURANT_DAY).exposure.off, by_day.nowhere) == (1, 0)
    conn.execute("TRUNCATE observability_events")
    by_booking = divided(conn, rows, Unit.BOOKING)
    assert (len(by_booking.post.jobs), len(by_booking.baseline.jobs)) == (2, 1)
