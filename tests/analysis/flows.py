"""A job and an inline run as the contract wants them, row by row, to be broken by tests."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from otel_auto_assign import semconv
from tests.analysis.rows import NOON, Row

RESTAURANT = uuid.UUID(int=7)
BOOKING = uuid.UUID(int=1)


def flags(on: bool = False, source: str = "env") -> dict[str, Any]:
    """Give the flags of a row."""
    return {"retry_policy_v2": on, "planner_cache": on, "source": source}


def row(event_type: str, at: datetime, booking: uuid.UUID | None, source: str, **context: Any) -> Row:
    """Give one row of the contract's kind."""
    common = {"environment": "production", "service": "app", "flags": flags(), "trigger": "cron"}
    return Row(event_type, {**common, **context}, at, source, booking, RESTAURANT)


def job(job_id: str = "a" * 16, at: datetime = NOON, booking: uuid.UUID | None = BOOKING, **more: Any) -> list[Row]:
    """Two attempts in ten seconds, the second answered by the cache and successful."""

    def own(event_type: str, seconds: float, **context: Any) -> Row:
        moment = at + timedelta(seconds=seconds)
        return row(event_type, moment, booking, semconv.SOURCE_JOB, job_id=job_id, **context, **more)

    asked: dict[str, Any] = {"planner_duration_ms": 900.5, "durationMs": 900.5, "flow": "job"}
    return [
        own(semconv.EVENT_STARTED, 0),
        own(semconv.EVENT_QUOTE, 1, **asked, attempt_index=0, cache_hit=False, reasonCode="hard.no_capacity"),
        own(semconv.EVENT_ATTEMPT, 1, attempt_index=0, success=False, reasonCode="hard.no_capacity", planner_calls=1),
        own(semconv.EVENT_QUOTE, 9, **asked, attempt_index=1, cache_hit=True, reasonCode="success"),
        own(semconv.EVENT_PLANNER_CACHE_HIT, 9, attempt_index=1, cache_hit=True, reasonCode="success"),
        own(semconv.EVENT_ATTEMPT, 10, attempt_index=1, success=True, reasonCode="success", planner_calls=1),
        own(semconv.EVENT_SUCCEEDED, 10, attempt_index=1, durationMs=10_000),
        own(semconv.EVENT_SUMMARY, 10, attemptsUsed=2, maxAttempts=3, result="succeeded", totalDurationMs=10_000),
    ]


def inline(run_id: str = "b" * 16, at: datetime = NOON, booking: uuid.UUID | None = BOOKING, **more: Any) -> list[Row]:
    """A run that timed out after twelve seconds, and whose quote came late."""

    def own(event_type: str, seconds: float, **context: Any) -> Row:
        moment = at + timedelta(seconds=seconds)
        return row(event_type, moment, booking, semconv.SOURCE_INLINE, attemptId=run_id, **context, **more)

    asked: dict[str, Any] = {"durationMs": 14_000.5, "late": True, "cache_hit": False, "reasonCode": "success"}
    return [
        own(semconv.EVENT_INLINE_TIMEOUT, 12, durationMs=12_000, timeoutMs=12_000),
        own(semconv.EVENT_QUOTE, 14, **asked, flow="inline", planner_duration_ms=14_000.5),
        own(semconv.EVENT_INLINE_QUOTE_RESULT, 14, **asked, hasHold=True),
    ]


def changed(rows: list[Row], event_type: str, /, **context: Any) -> list[Row]:
    """Change the context of the rows of a type."""
    return [
        Row(r.event_type, {**r.context, **context}, r.at, r.source, r.booking, r.restaurant)
        if r.event_type == event_type
        else r
        for r in rows
    ]


def without(rows: list[Row], *event_types: str) -> list[Row]:
    """Leave rows of some types out."""
    return [r for r in rows if r.event_type not in event_types]


def stripped(rows: list[Row], *keys: str) -> list[Row]:
    """Leave keys out of every context."""
    return [
        Row(
            r.event_type,
            {key: value for key, value in r.context.items() if key not in keys},
            r.at,
            r.source,
            r.booking,
            r.restaurant,
        )
        for r in rows
    ]
