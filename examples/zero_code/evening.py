"""A few bookings, and what came of them: their spans, and their rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as at
from typing import Any, Final

import psycopg

from examples.restaurant import layout
from examples.zero_code.collector import Span
from examples.zero_code.services import Services
from otel_auto_assign import semconv

RESTAURANT: Final = "The Quick Look"
SEATED: Final = "seated at once"
QUEUED: Final = "seated by the job"
TURNED_AWAY: Final = "turned away"
PARTIES: Final = {SEATED: 2, QUEUED: 8, TURNED_AWAY: 400}
"""A table for two is there; eight need tables put together, which the job does; for 400 the house is too small."""
WAIT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Evening:
    """What came of the bookings.

    Attributes:
        bookings: Their ids, by what was to become of them.
        spans: All that the processes sent, by their start.
        rows: Event type, booking, trace and context of each row.
        complete: Whether all that was expected has come in time.
    """

    bookings: dict[str, str]
    spans: list[Span]
    rows: list[tuple[str, str, str, dict[str, Any]]]
    complete: bool

    def kinds(self, booking: str) -> dict[str, int]:
        """Count a booking's rows by event type."""
        found = [kind for kind, of, _, _ in self.rows if of == self.bookings[booking]]
        return {kind: found.count(kind) for kind in sorted(found)}

    def trace(self, booking: str) -> list[Span]:
        """Give the spans of the request's trace."""
        inline = next(span for span in self._named(semconv.SPAN_INLINE) if self._is_of(span, booking))
        return [span for span in self.spans if span.trace == inline.trace]

    def _named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def _is_of(self, span: Span, booking: str) -> bool:
        return bool(span.attributes.get(semconv.BOOKING_ID) == self.bookings[booking])


def spend(services: Services) -> Evening:
    """Make the bookings, wait for their jobs, and look at what they left."""
    with psycopg.connect(services.sandbox.dsn) as conn:
        layout.save(conn, RESTAURANT, layout.design(RESTAURANT))
    restaurant = layout.restaurant_id(RESTAURANT)
    tomorrow = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), at(19, 30), tzinfo=UTC)
    answers = {name: services.book(restaurant, party, tomorrow) for name, party in PARTIES.items()}
    jobs = sum(not answer["seated"] for answer in answers.values())
    complete = services.collector.wait_for(lambda spans: _whole(spans, jobs), WAIT_SECONDS)
    with psycopg.connect(services.sandbox.dsn, autocommit=True) as conn:
        deadline = time.monotonic() + WAIT_SECONDS
        while (rows := _rows(conn)) and [kind for kind, *_ in rows].count(semconv.EVENT_SUMMARY) < jobs:
            if time.monotonic() > deadline:
                complete = False
                break
            time.sleep(_POLL_SECONDS)
    return Evening({name: answer["id"] for name, answer in answers.items()}, services.collector.spans(), rows, complete)


def orphans(spans: list[Span]) -> list[Span]:
    """Give the spans whose parent is not among them."""
    known = {(span.trace, span.id) for span in spans}
    return [span for span in spans if span.parent and (span.trace, span.parent) not in known]


def _whole(spans: list[Span], jobs: int) -> bool:
    ended = sum(span.name == semconv.SPAN_JOB for span in spans)
    return ended >= jobs and not orphans(spans)


def _rows(conn: psycopg.Connection[tuple[Any, ...]]) -> list[tuple[str, str, str, dict[str, Any]]]:
    return conn.execute(
        "SELECT event_type, booking_id::text, context->>'trace_id', context FROM observability_events "
        "ORDER BY created_at, event_type"
    ).fetchall()
