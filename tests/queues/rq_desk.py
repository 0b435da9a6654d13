"""A desk that takes three bookings and hands to RQ what it could not do: ``python -m tests.queues.rq_desk REDIS``."""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime, timedelta

from redis import Redis
from rq import Queue

from examples.restaurant import layout
from examples.restaurant.bookings import Booking
from examples.zero_code.bookings.desk import seat
from examples.zero_code.bookings.house import house
from tests.queues import rq_jobs


def main(place: str, restaurant: str, parties: list[int]) -> None:
    """Print the bookings' ids, by the size of the party."""
    queue = Queue(connection=Redis(unix_socket_path=place))
    tomorrow = datetime.now(UTC).replace(hour=19, minute=30) + timedelta(days=1)
    ids: dict[int, str] = {}
    for party in parties:
        booking = Booking(uuid.uuid4(), layout.restaurant_id(restaurant), party, tomorrow)
        answer = seat(booking, house().planner, house().book)
        if not answer.seated:
            queue.enqueue(rq_jobs.assign_tables, str(booking.id), note=answer.note)
        ids[party] = str(booking.id)
    print(json.dumps(ids))  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(party) for party in sys.argv[3:]])
