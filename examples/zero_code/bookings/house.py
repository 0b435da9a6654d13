"""The parts of the restaurant as each process of this application puts them together."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from examples.restaurant.bookings import BookingBook
from examples.restaurant.cache import PlannerCache
from examples.restaurant.clock import Clock, HouseRules
from examples.restaurant.database import Database
from examples.restaurant.job import AssignJob
from examples.restaurant.observer import JobObserver
from examples.restaurant.planner import Planner, Quote

DATABASE: Final = "BOOKINGS_DATABASE"
"""The variable that names the database."""
RULES: Final = HouseRules(retry_delays=(timedelta(milliseconds=100), timedelta(milliseconds=200)))


@dataclass(frozen=True)
class House:
    """What requests and jobs work with."""

    book: BookingBook
    planner: Planner
    job: AssignJob


@functools.cache
def house() -> House:
    """Give this process's house; its connections are made by the first call, for a worker's children are forked."""
    clock = Clock(datetime.now(UTC), scale=1)
    database = Database(os.environ[DATABASE], size=2)
    cache: PlannerCache[Quote] = PlannerCache(RULES.cache_life, clock.now)
    planner = Planner(database, clock, hold_life=RULES.hold_life, cache=cache)
    book = BookingBook(database)
    return House(book, planner, AssignJob(planner, book, clock, RULES, observer=JobObserver()))
