"""The demo's two phases: the same day, with the planner team's flags off and then on."""

from __future__ import annotations

import os
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from examples.restaurant import layout
from examples.restaurant.app import App, Parts
from examples.restaurant.bookings import CANCELLED, CONFIRMED
from examples.restaurant.clock import Clock, HouseRules
from examples.restaurant.database import Connection, Database
from examples.restaurant.flags import PLANNER_CACHE, RETRY_POLICY_V2
from examples.restaurant.requests import Request
from examples.restaurant.simulation import Day
from examples.restaurant.stop import Stop
from otel_auto_assign.analysis.windows import Window

DESK_OPENS: Final = timedelta(hours=2)
"""So long before the first guests, the clock starts."""
WEEK: Final = timedelta(days=7)


@dataclass(frozen=True)
class Phase:
    """A name, and whether both flags are on."""

    name: str
    flags_on: bool

    @property
    def label(self) -> str:
        """What a person calls it."""
        return "flags on" if self.flags_on else "flags off"


BASELINE: Final = Phase("baseline", flags_on=False)
POST: Final = Phase("post", flags_on=True)
PHASES: Final = (BASELINE, POST)


@dataclass(frozen=True)
class PhaseRun:
    """What came of a phase.

    Attributes:
        window: Every row of the phase was created in it.
        refusals: How often the server refused, by SQLSTATE.
        bookings: How many bookings were made and not called off.
        seated: How many of them have tables in the end.
    """

    phase: Phase
    window: Window
    refusals: Counter[str]
    bookings: int
    seated: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.window.end - self.window.start).total_seconds()


def open_restaurants(dsn: str, requests: Sequence[Request]) -> int:
    """Build every restaurant that is asked for; give their number."""
    names = sorted({request.restaurant for request in requests})
    with psycopg.connect(dsn) as conn:
        for name in names:
            layout.save(conn, name, layout.design(name))
    return len(names)


def run_phase(
    phase: Phase,
    requests: Sequence[Request],
    *,
    dsn: str,
    scale: float,
    parts: Parts,
    stop: Stop,
    settled: Callable[[], object],
    flush: Callable[[], object],
) -> PhaseRun:
    """Run the day of ``requests`` with the flags of ``phase``, under booking ids of its own.

    The later phase takes place as many weeks later as the requests span, because tables once given stay given.

    Raises:
        StoppedError: If ``stop`` broke it off.
    """
    for variable in (RETRY_POLICY_V2, PLANNER_CACHE):
        os.environ[variable] = "true" if phase.flags_on else "false"
    times = [request.starts_at for request in requests]
    shift = PHASES.index(phase) * WEEK * ((max(times) - min(times)) // WEEK + 1)
    rules = HouseRules()
    clock = Clock(min(times) - DESK_OPENS + shift, scale, wait=stop.wait)
    database = Database(dsn, lock_timeout=clock.real_seconds(rules.lock_timeout))
    try:
        start = datetime.now(UTC)
        Day(App(database, clock, rules, parts), phase.name, shift, stop, settled).run(requests)
        flush()
        window = Window(start, datetime.now(UTC))
        with database.transaction() as conn:
            bookings, seated = _seated(conn, [request.as_booking(phase.name, shift).id for request in requests])
        return PhaseRun(phase, window, database.refusals, bookings, seated)
    finally:
        database.close()


def _seated(conn: Connection, ids: list[uuid.UUID]) -> tuple[int, int]:
    row = conn.execute(
        "SELECT count(*), count(*) FILTER (WHERE status = %s) FROM bookings WHERE id = ANY (%s) AND status <> %s",
        (CONFIRMED, ids, CANCELLED),
    ).fetchone()
    return (row[0], row[1]) if row else (0, 0)
