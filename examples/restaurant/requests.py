"""A day's booking requests: made up from a seed, or read from a CSV file."""

from __future__ import annotations

import csv
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from examples.restaurant.bookings import Booking
from examples.restaurant.layout import NAMESPACE, restaurant_id

RESTAURANTS: Final = ("Cafe Linden", "Osteria Sole", "The Anchor", "Mill Dining Room")
REQUESTS_FOR_EACH: Final = 80
GENERATED_DAY: Final = date(2026, 11, 20)  # a Friday
COLUMNS: Final = ("restaurant", "booking", "service_date", "start_time", "party")


@dataclass(frozen=True, slots=True)
class Request:
    """One time that somebody, or something, asks for a table.

    Attributes:
        booking: The caller's name for the booking; a name that comes again is another job for the same booking.
        by_phone: Taken down by the staff, so there is no request that waits; a job alone looks for a table.
        cancelled: The guests call it off before a job gets to it.
    """

    restaurant: str
    booking: str
    starts_at: datetime
    party: int
    by_phone: bool = False
    cancelled: bool = False

    def as_booking(self, phase: str, shift: timedelta) -> Booking:
        """Give the booking to be made for this request in a phase, ``shift`` later, under an id of the phase's own."""
        identity = uuid.uuid5(NAMESPACE, f"{phase}/{self.restaurant}/{self.booking}")
        return Booking(identity, restaurant_id(self.restaurant), self.party, self.starts_at + shift)


class CsvError(ValueError):
    """A CSV that is no list of requests; the message names the file, the line and what is expected."""


def generate(seed: int) -> list[Request]:
    """Make up a full Friday in four restaurants: more guests than tables at noon and at half past seven.

    Every sixteenth request comes too late for its lunch to end in time, every twentieth is for a party that no
    restaurant can seat, every fifth is by phone, every thirtieth is called off; the rest is drawn from ``seed``.
    """
    rng = random.Random(seed)
    requests: list[Request] = []
    for restaurant in RESTAURANTS:
        for _ in range(REQUESTS_FOR_EACH):
            number = len(requests)
            lunch = rng.random() < 0.45
            peak, spread = (12 * 60 + 30, 35) if lunch else (19 * 60 + 30, 60)
            minutes = round(min(max(rng.gauss(peak, spread), peak - spread), peak + spread) / 15) * 15
            party = rng.choice((1, 2, 2, 2, 2, 2, 3, 4, 4, 4, 5, 6, 8))
            if number % 16 == 3:
                minutes = 14 * 60 + 15
            if number % 20 == 7:
                party = rng.randint(40, 60)
            starts_at = datetime.combine(GENERATED_DAY, time(minutes // 60, minutes % 60), tzinfo=UTC)
            requests.append(
                Request(
                    restaurant,
                    f"{seed}-{number}",
                    starts_at,
                    party,
                    by_phone=number % 5 == 1,
                    cancelled=number % 30 == 11,
                )
            )
    rng.shuffle(requests)
    return requests


def read_csv(path: Path) -> list[Request]:
    """Read requests from a file with the columns ``COLUMNS``; other columns are not looked at.

    Raises:
        CsvError: If the file cannot be read, lacks a column or has a line that is no request.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            requests = list(_parsed(path.name, csv.DictReader(file, strict=True)))
    except (OSError, UnicodeError, csv.Error) as error:
        detail = error.strerror if isinstance(error, OSError) else error
        raise CsvError(f"{path.name}: cannot be read: {detail}") from None
    if not requests:
        raise CsvError(f"{path.name}: there is no booking in it")
    return requests


def _parsed(name: str, reader: csv.DictReader[str]) -> Iterator[Request]:
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise CsvError(f"{name}: column {missing[0]!r} is missing; needed are {', '.join(COLUMNS)}")
    for row in reader:
        try:
            yield _request({column: (row[column] or "").strip() for column in COLUMNS})
        except ValueError as error:
            raise CsvError(f"{name}, line {reader.line_num}: {error}") from None


def _request(row: dict[str, str]) -> Request:
    for column in ("restaurant", "booking"):
        if not row[column] or not row[column].isprintable():
            raise ValueError(f"{column} {row[column]!r} is no name")
    try:
        day = date.fromisoformat(row["service_date"])
    except ValueError:
        day = date.max
    if not 1970 <= day.year < 3000:
        raise ValueError(f"service_date {row['service_date']!r} is no date such as 2025-11-05")
    try:
        at = time.fromisoformat(row["start_time"])
    except ValueError:
        raise ValueError(f"start_time {row['start_time']!r} is no time of day such as 19:30:00") from None
    if at.tzinfo is not None:
        raise ValueError(f"start_time {row['start_time']!r} has a time zone; it is the restaurant's own time")
    if not row["party"].isdecimal() or not 1 <= int(row["party"]) <= 1000:
        raise ValueError(f"party {row['party']!r} is no number of guests (1 to 1000)")
    return Request(row["restaurant"], row["booking"], datetime.combine(day, at, tzinfo=UTC), int(row["party"]))


def repeats(requests: Sequence[Request]) -> tuple[list[Request], list[Request]]:
    """Part the requests into those that make a booking and those that are further jobs of one already made."""
    first: dict[tuple[str, str], Request] = {}
    again = [
        request
        for request in requests
        if first.setdefault((request.restaurant, request.booking), request) is not request
    ]
    return list(first.values()), again
