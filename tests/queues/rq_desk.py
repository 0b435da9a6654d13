"""A desk that takes bookings and hands to RQ what it could not do: ``rq_desk REDIS RESTAURANT PARTY …``.

With ``--traced`` each is a request with a span, as a web framework's instrumentation makes them, and RQ's own is on.
"""

from __future__ import annotations

import importlib
import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from opentelemetry import trace
from redis import Redis
from rq import Queue

from examples.restaurant import layout
from examples.restaurant.bookings import Booking
from examples.zero_code.bookings.desk import seat
from examples.zero_code.bookings.house import house
from tests.queues import rq_jobs


@contextmanager
def request(*, traced: bool) -> Iterator[None]:
    """Stand for a web framework."""
    if not traced:
        yield
        return
    with trace.get_tracer("web").start_as_current_span("POST /bookings"):
        yield


def main(place: str, restaurant: str, parties: list[int], *, traced: bool) -> None:
    """Print the bookings' ids, by the size of the party."""
    if traced:
        importlib.import_module("tests.queues.rq_traced")
    queue = Queue(connection=Redis(unix_socket_path=place))
    tomorrow = datetime.now(UTC).replace(hour=19, minute=30) + timedelta(days=1)
    ids: dict[int, str] = {}
    for party in parties:
        booking = Booking(uuid.uuid4(), layout.restaurant_id(restaurant), party, tomorrow)
        with request(traced=traced):
            answer = seat(booking, house().planner, house().book)
            if not answer.seated:
                queue.enqueue(rq_jobs.assign_tables, str(booking.id), note=answer.note)
        ids[party] = str(booking.id)
    print(json.dumps(ids))  # noqa: T201 - this is its answer


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "--traced"]
    main(given[0], given[1], [int(party) for party in given[2:]], traced="--traced" in sys.argv)
