"""The rows of a job whose process died → the summary that the job is owed: a pure function.

The job's span never ended, so it is put together again from what the job's rows say, and the catalogue makes the
summary from it as from any other. Nothing is taken on trust: any program may have written to the table.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from observability_events.facts import NS_PER_MS
from observability_events.plain_span import Context, PlainSpan, Resource, Status
from observability_events.rows import Row, row_id, rows_of, started_row
from observability_events.wire import REFERENCES
from otel_auto_assign import semconv
from otel_auto_assign.values import safe_id

_NS_PER_US: Final = 1_000
_TRACE_ID: Final = re.compile("[0-9a-f]{32}")
_JOB_ID: Final = re.compile("[0-9a-f]{16}")
_ATTEMPTS: Final = frozenset({semconv.EVENT_ATTEMPT, semconv.EVENT_ATTEMPT_ERROR})
_SKIP: Final = {
    semconv.INLINE_ATTEMPT_ID: "inline_attempt_id",
    semconv.INLINE_SKIP_REASON: "reason",
    semconv.INLINE_SKIP_REASON_CODE: "reasonCode",
    semconv.JOB_MAX_ATTEMPTS: "nextMaxAttempts",
}
_TOLD_BY: Final[Mapping[str, Mapping[str, str]]] = {
    semconv.EVENT_HARD_STOP: {
        semconv.JOB_HARD_STOP_REASON: "reason",
        semconv.JOB_HARD_STOP_REASON_CODE: "reasonCode",
    },
    semconv.EVENT_INLINE_SKIP_ATTEMPT: _SKIP,
    semconv.EVENT_INLINE_TIMEOUT_ADJUSTMENT: {semconv.JOB_MAX_ATTEMPTS: "maxAttempts"},
    semconv.EVENT_CUTOFF_SKIPPED: {semconv.INLINE_REASON: "inline_reason"},
}
"""Event type → what its row alone tells of the job: attribute of the job's span ← key of the row's context."""


class JobRow(NamedTuple):
    """What is read of one row of a job.

    Attributes:
        id: As text.
        time_us: Its ``created_at``, Unix microseconds.
        context: Of any JSON type.
        restaurant_id, booking_id: As text.
    """

    id: str
    time_us: int
    event_type: str
    context: Any
    restaurant_id: str | None
    booking_id: str | None


class Abandoned(NamedTuple):
    """A job without a summary, and what is to be written for it.

    Attributes:
        trace_id, job_id: In hex.
        last_us: The time of its last row, in Unix microseconds.
        summary: With ``result: "abandoned"``; its time is the job's start.
        started: The row of its start, where that is missing too.
    """

    trace_id: str
    job_id: str
    last_us: int
    summary: Row
    started: Row | None

    @property
    def rows(self) -> list[Row]:
        """What is to be written, the start first."""
        return [self.summary] if self.started is None else [self.started, self.summary]


def is_job(trace_id: object, job_id: object) -> bool:
    """Say whether these are the ids of a job of ours: 32 and 16 digits of hex.

    >>> is_job("0" * 31 + "a", "0" * 15 + "b"), is_job("0" * 32, "n/a"), is_job(None, "0" * 16)
    (True, False, False)
    """
    return (
        type(trace_id) is str
        and type(job_id) is str
        and _TRACE_ID.fullmatch(trace_id) is not None
        and _JOB_ID.fullmatch(job_id) is not None
    )


def abandoned(trace_id: str, job_id: str, rows: Iterable[JobRow]) -> Abandoned | None:
    """Give what is to be written for a job; None where it has a summary, or no row at all.

    Args:
        trace_id: The job's, in hex (`is_job`).
        job_id: Likewise.
        rows: All rows of the job, ``started`` first, then by time. They are read once and not kept, however many.
    """
    seen = _Seen()
    for row in rows:
        if row.event_type == semconv.EVENT_SUMMARY:
            return None
        seen.add(row)
    if seen.first is None:
        return None
    start_us = seen.first.time_us
    context = Context(int(trace_id, 16), int(job_id, 16))
    span = PlainSpan(
        semconv.SPAN_JOB,
        context,
        seen.attributes | {semconv.JOB_RESULT: semconv.RESULT_ABANDONED, semconv.JOB_ATTEMPTS_USED: seen.attempts},
        start_us * _NS_PER_US,
        max(start_us, seen.last_in_time_us) * _NS_PER_US,
        Status(0, None),
        Resource(seen.resource),
    )
    summary = next(row for row in rows_of(span) if row.event_type == semconv.EVENT_SUMMARY)
    key = row_id(semconv.EVENT_SUMMARY, *context, _start_ns(seen.first, context)).bytes
    return Abandoned(
        trace_id,
        job_id,
        seen.last_us,
        seen.with_references(summary._replace(key=key, time_us=start_us)),
        None if seen.started else seen.with_references(started_row(span)._replace(time_us=start_us)),
    )


def _start_ns(first: JobRow, context: Context) -> int:
    """Give the start as the real summary's id has it, to its millisecond.

    The id of a ``started`` row of ours says it, even where the column keeps times less exactly than they were given.
    """
    by_column = first.time_us * _NS_PER_US
    try:
        given = uuid.UUID(first.id)
    except ValueError:
        return by_column
    by_id = (given.int >> 80) * NS_PER_MS
    return by_id if row_id(semconv.EVENT_STARTED, *context, by_id) == given else by_column


class _Seen:
    """What the rows of a job have told so far; of two that tell the same the first counts."""

    def __init__(self) -> None:
        self.first: JobRow | None = None
        self.started = False
        self.last_us = self.last_in_time_us = 0
        self.attempts = 0
        self.attributes: dict[str, Any] = {}
        self.resource: dict[str, Any] = {}
        self._references: dict[str, str] = {}

    def add(self, row: JobRow) -> None:
        """Read one more row."""
        context = row.context if type(row.context) is dict else {}
        if self.first is None:
            self.first, self.last_us, self.last_in_time_us = row, row.time_us, row.time_us
            self.started = row.event_type == semconv.EVENT_STARTED
        self.last_us = max(self.last_us, row.time_us)
        if context.get("late") is not True:  # late rows came after the job's end, and stand outside its counts
            self.last_in_time_us = max(self.last_in_time_us, row.time_us)
            self.attempts += row.event_type in _ATTEMPTS
        self._tell(self.resource, semconv.SERVICE_NAME, _text(context.get("service")))
        self._tell(self.resource, semconv.DEPLOYMENT_ENVIRONMENT_NAME, _text(context.get("environment")))
        self._tell(self.attributes, semconv.TRIGGER, _text(context.get("trigger")))
        self._tell(self.attributes, semconv.BOOKING_ID, row.booking_id)
        self._tell(self.attributes, semconv.RESTAURANT_ID, row.restaurant_id)
        for reference in REFERENCES.values():
            self._tell(self._references, reference, safe_id(context.get(reference)))
        self._flags(context.get("flags"))
        for attribute, key in _TOLD_BY.get(row.event_type, {}).items():
            self._tell(self.attributes, attribute, context.get(key))
        if row.event_type == semconv.EVENT_INLINE_SKIP_ATTEMPT:
            self.attributes[semconv.JOB_SKIPPED_INITIAL_ATTEMPT] = True

    def with_references(self, row: Row) -> Row:
        """Keep the ids that the job's own rows could not have in their columns where those rows have them."""
        kept = {reference: text for reference, text in self._references.items() if row.context.get(reference) is None}
        for column, reference in REFERENCES.items():
            if getattr(row, column) is not None:
                kept.pop(reference, None)
        return row._replace(context={**row.context, **kept})

    def _flags(self, given: Any) -> None:
        if type(given) is dict and semconv.FLAG_SOURCE not in self.attributes:
            self.attributes[semconv.FLAG_RETRY_POLICY_V2] = given.get("retry_policy_v2")
            self.attributes[semconv.FLAG_PLANNER_CACHE] = given.get("planner_cache")
            self.attributes[semconv.FLAG_SOURCE] = given.get("source")

    @staticmethod
    def _tell(known: dict[str, Any], name: str, value: Any) -> None:
        if value is not None:
            known.setdefault(name, value)


def _text(value: object) -> str | None:
    return value if type(value) is str and value else None
