"""What a whole job costs the process with its rows, against what hosts do today: spans by hand, an INSERT an event."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from opentelemetry.trace import Tracer

from benchmarks.measure import Side, interleaved, process_cpu
from benchmarks.report import Goal, Result, microseconds, show_source
from benchmarks.stage import ANSWER, RESTAURANT, Database, batch, meters, next_booking, provider, rows_processor, use
from otel_auto_assign import traced_confirm, traced_job, traced_quote

JOBS: Final = 100
ROUNDS: Final = 11
HELD: Final = {**ANSWER, "hold": "h-1", "reason": None}
ROWS: Final = 7


@traced_quote
def quote(booking_id: str, tables: int) -> dict[str, Any]:
    """Two tables are enough."""
    return HELD if tables > 1 else ANSWER


@traced_confirm
def confirm(hold: str) -> None:
    """Confirm a hold."""


@traced_job(trigger="cron")
def assign(booking_id: str, restaurant_id: str) -> bool:
    """A job with two attempts, the second one successful: seven rows."""
    for tables in (1, 2):
        found = quote(booking_id, tables)
        if found["hold"]:
            confirm(found["hold"])
            return True
    return False


class ByHand:
    """The same job as most people write it: six spans, seven events."""

    def __init__(self, tracer: Tracer, conn: psycopg.Connection) -> None:
        self.tracer = tracer
        self.conn = conn

    def assign(self, booking_id: str, restaurant_id: str) -> bool:
        """A job with two attempts, the second one successful."""
        with self.tracer.start_as_current_span("job") as span:
            span.set_attribute("booking.id", booking_id)
            span.set_attribute("restaurant.id", restaurant_id)
            span.set_attribute("trigger", "cron")
            self.event("auto_assign.started", booking_id, {"status": None, "trigger": "cron"})
            for index, tables in enumerate((1, 2)):
                with self.tracer.start_as_current_span("attempt") as attempt:
                    attempt.set_attribute("index", index)
                    found = self.quote(booking_id, tables, index)
                    if found["hold"]:
                        with self.tracer.start_as_current_span("confirm") as confirmed:
                            confirmed.set_attribute("hold.id", found["hold"])
                    done = {"attempt_index": index, "success": bool(found["hold"]), "reason": found["reason"]}
                    self.event("auto_assign.attempt", booking_id, {**done, "trigger": "cron", "cache_hit": False})
                    if found["hold"]:
                        self.event("auto_assign.succeeded", booking_id, {"attempt_index": index, "durationMs": 1.5})
                        summary = {
                            "attemptsUsed": index + 1,
                            "maxAttempts": 2,
                            "result": "succeeded",
                            "trigger": "cron",
                        }
                        self.event("auto_assign.summary", booking_id, {**summary, "totalDurationMs": 1.5})
                        return True
            return False

    def quote(self, booking_id: str, tables: int, index: int) -> dict[str, Any]:
        """Two tables are enough."""
        with self.tracer.start_as_current_span("quote") as span:
            found = HELD if tables > 1 else ANSWER
            span.set_attribute("booking.id", booking_id)
            span.set_attribute("attempt.index", index)
            span.set_attribute("success", bool(found["hold"]))
            span.set_attribute("reason", str(found["reason"]))
            span.set_attribute("alternates", 3)
            span.set_attribute("cache_hit", False)
            self.event(
                "auto_assign.quote",
                booking_id,
                {
                    "planner_duration_ms": 0.5,
                    "durationMs": 0.5,
                    "success": bool(found["hold"]),
                    "reason": found["reason"],
                    "strategy": found["strategy"],
                    "attempt_index": index,
                    "cache_hit": False,
                    "trigger": "cron",
                },
            )
            return found

    def event(self, event_type: str, booking_id: str, context: dict[str, Any]) -> None:
        """One autocommitted INSERT."""
        self.conn.execute(
            "INSERT INTO observability_events (id, created_at, source, event_type, severity, context, restaurant_id,"
            " booking_id) VALUES (%s, %s, 'auto_assign', %s, 'info', %s, %s, %s)",
            (uuid.uuid4(), datetime.now(UTC), event_type, json.dumps(context), RESTAURANT, booking_id),
        )


def run(db: Database) -> Iterator[Result]:
    """Measure, and give the line of the table."""
    show_source("A whole job with its rows", quote, confirm, assign, ByHand)
    ours, theirs = provider(rows_processor(db), batch()), provider(batch())
    with db.connect() as conn:
        hand = ByHand(theirs.get_tracer("by hand"), conn)

        measuring = meters()

        def with_rows() -> float:
            use(ours)
            return process_cpu(jobs, JOBS)

        def with_rows_and_metrics() -> float:
            use(ours, measuring)
            return process_cpu(measured_jobs, JOBS)

        def measured_jobs() -> None:
            jobs()
            measuring.force_flush()  # collects, and so records what waits

        def jobs() -> None:
            for _ in range(JOBS):
                assign(next_booking(), RESTAURANT)
            assert ours.force_flush()

        def jobs_by_hand() -> None:
            for _ in range(JOBS):
                hand.assign(next_booking(), RESTAURANT)
            theirs.force_flush()

        check_that_both_write_the_same_number_of_rows(db, with_rows, jobs_by_hand)
        measured = interleaved(
            Side("ours", with_rows),
            Side("ours + metrics", with_rows_and_metrics),
            Side("hand", lambda: process_cpu(jobs_by_hand, JOBS)),
            rounds=ROUNDS,
        )
    ours.shutdown()
    theirs.shutdown()
    use(None)
    for what, ours_by, goal in (
        ("process CPU of a job, its 7 rows committed", "ours", Goal(0.40)),
        ("process CPU of a job, its 7 rows committed, its metrics recorded", "ours + metrics", Goal(0.45)),
    ):
        yield Result(
            what,
            "spans by hand, one autocommitted INSERT an event",
            measured.ratio(ours_by, "hand"),
            microseconds(measured.spread(ours_by), measured.spread("hand")),
            goal,
        )


def check_that_both_write_the_same_number_of_rows(db: Database, *sides: Any) -> None:
    """Seven rows a job, on either side."""
    for side in sides:
        db.empty()
        side()
        assert db.count() == JOBS * ROWS, f"{db.count()} rows of {JOBS} jobs"
