"""Span → rows of ``observability_events``: a pure function (CONTRACT §4 and §6).

A row follows from a span's name, attributes, times, status, ids and resource and from nothing else, so the same span
gives the same rows, under the same ids, in the process, from a replay and behind a collector. Which event types a span
gives, and when, is said in ``conditions``; what those look like, in ``catalogue``.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from observability_events.catalogue import ABSENT, CATALOGUE, Event, attempt_id
from observability_events.conditions import SOURCES, SPAN_ROWS, all_hold
from observability_events.facts import NS_PER_MS, EndedSpan, Facts
from otel_auto_assign import semconv
from otel_auto_assign.values import safe_id, safe_text

__all__ = [
    "EndedSpan",
    "Row",
    "all_rows_of",
    "deployment",
    "is_ours",
    "row_id",
    "rows_of",
    "started_row",
    "started_rows",
]

SERVICE_UNKNOWN: Final = "unknown_service"  # OpenTelemetry's own default
ENVIRONMENT_UNKNOWN: Final = "unknown"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_US: Final = 1_000
_UUID_LENGTHS: Final = (32, 36)  # without and with hyphens; no other text is kept in memory
_IDS_REMEMBERED: Final = 4096
_VERSION_8: Final = 8 << 76
_VARIANT: Final = 2 << 62
_NOT_LAYOUT: Final = ~(0xF << 76 | 3 << 62)
_FLAG_SOURCES: Final = frozenset(
    {semconv.FLAGS_FROM_ENVIRONMENT, semconv.FLAGS_FROM_PROVIDER, semconv.FLAGS_BY_DEFAULT}
)


class Row(NamedTuple):
    """One row; ``context`` holds JSON values only.

    A tuple, for a frozen dataclass takes four times as long to make; and id and time as the database takes them, for a
    ``UUID`` and a ``datetime`` take as long as the rest of the row.

    Attributes:
        key: The id's sixteen bytes.
        time_us: Unix microseconds.
    """

    key: bytes
    time_us: int
    source: str
    event_type: str
    severity: str
    context: dict[str, Any]
    restaurant_id: uuid.UUID | None
    booking_id: uuid.UUID | None

    @property
    def id(self) -> uuid.UUID:
        """The row's id."""
        return uuid.UUID(bytes=self.key)

    @property
    def created_at(self) -> datetime:
        """When it happened, in UTC."""
        return _EPOCH + timedelta(microseconds=self.time_us)


_RULES: Final = {
    (name, flow): tuple(
        (event, all_hold(conditions))
        for event, conditions in ((CATALOGUE[event_type], conditions) for event_type, conditions in rules)
        if event.source is None or event.source == source
    )
    for name, rules in SPAN_ROWS.items()
    for flow, source in SOURCES.items()
}
"""Span's name and flow → the events that it can give: those of the flow's source, and those of any."""


# -- the rows -----------------------------------------------------------------------------------------------------


def is_ours(name: str) -> bool:
    """Say whether a span of this name can give rows; foreign ones are passed over."""
    return name in SPAN_ROWS


def rows_of(span: EndedSpan) -> list[Row]:
    """Give the rows of an ended span: none for a foreign one, and never a job's ``started``."""
    if span.name not in SPAN_ROWS:
        return []
    facts = Facts(span)
    given = facts.given
    restaurant = given.get(semconv.RESTAURANT_ID)
    shared = _Shared(span, facts, given.get(semconv.JOB_RESTAURANT_ID) if restaurant is None else restaurant)
    return [_row(event, facts, shared) for event, applies in _RULES[facts.name, facts.flow] if applies(facts)]


def started_row(span: EndedSpan) -> Row:
    """Give a job's ``started`` row, from its span or from a snapshot of it taken at its start.

    Only attributes given at the start are read, and those are never overwritten: both give the same row.
    """
    facts = Facts(span)
    shared = _Shared(span, facts, facts.given.get(semconv.RESTAURANT_ID))
    return _row(CATALOGUE[semconv.EVENT_STARTED], facts, shared)


def started_rows(span: EndedSpan) -> list[Row]:
    """Give the rows of a job's start: `started_row`, as the other functions that make rows do."""
    return [started_row(span)]


def all_rows_of(span: EndedSpan) -> list[Row]:
    """Give the rows of a span whose start nobody saw: behind a collector, or in an exporter."""
    rows = rows_of(span)
    return [started_row(span), *rows] if span.name == semconv.SPAN_JOB else rows


def row_id(event_type: str, trace_id: int, span_id: int, time_ns: int) -> uuid.UUID:
    """Give the id of a row (CONTRACT §6): version 8, Unix milliseconds first, then a hash of what happened.

    ``time_ns`` is the row's time; of a summary, the job's start, so that its ``abandoned`` twin is the same row.
    """
    return uuid.UUID(bytes=_key(event_type, _ids(trace_id, span_id), time_ns))


def _ids(trace_id: int, span_id: int) -> bytes:
    return (trace_id << 64 | span_id).to_bytes(24, "big")


def _key(event_type: str, ids: bytes, time_ns: int) -> bytes:
    tail = int.from_bytes(blake2b(ids + event_type.encode(), digest_size=10).digest(), "big")
    bits = (time_ns // NS_PER_MS & (1 << 48) - 1) << 80 | tail
    return (bits & _NOT_LAYOUT | _VERSION_8 | _VARIANT).to_bytes(16, "big")


def _row(event: Event, f: Facts, shared: _Shared) -> Row:
    context = event.context(f)
    for key in event.optional:
        if context[key] is ABSENT:
            del context[key]
    context.update(shared.context)
    source, severity = event.source, event.severity
    if source is None:
        source = semconv.SOURCE_INLINE if f.flow == semconv.FLOW_INLINE else semconv.SOURCE_JOB
    if severity is None:
        severity = semconv.SEVERITY_WARNING if f.raised else semconv.SEVERITY_INFO
    return Row(
        _key(event.name, shared.ids, f.start_ns if event.id_at_start else f.end_ns),
        (f.start_ns if event.at_start else f.end_ns) // _NS_PER_US,
        source,
        event.name,
        severity,
        context,
        shared.restaurant_id,
        shared.booking_id,
    )


class _Shared:
    """What the rows of one span have in common."""

    __slots__ = ("booking_id", "context", "ids", "restaurant_id")

    def __init__(self, span: EndedSpan, facts: Facts, restaurant: object) -> None:
        given = facts.given
        self.ids = _ids(span.context.trace_id, span.context.span_id)
        source = given.get(semconv.FLAG_SOURCE)
        flags = _flags(
            given.get(semconv.FLAG_RETRY_POLICY_V2) is True,
            given.get(semconv.FLAG_PLANNER_CACHE) is True,
            source if type(source) is str and source in _FLAG_SOURCES else semconv.FLAGS_BY_DEFAULT,
        )
        service, environment = deployment(span.resource)
        context: dict[str, Any] = {
            "trace_id": facts.trace_id,
            "span_id": facts.span_id,
            "service": service,
            "environment": environment,
            "flags": flags,
            "featureFlags": flags,
        }
        self.context = context
        if facts.flow == semconv.FLOW_JOB:
            context["job_id"] = facts.span_id if facts.name == semconv.SPAN_JOB else safe_id(given[semconv.JOB_ID])
        elif facts.flow == semconv.FLOW_INLINE:
            context["attemptId"] = attempt_id(facts)
        if facts.late:
            context["late"] = True
        self.booking_id = _reference(given.get(semconv.BOOKING_ID), "booking_ref", context)
        self.restaurant_id = _reference(restaurant, "restaurant_ref", context)


@lru_cache  # a dozen of them
def _flags(retry_policy_v2: bool, planner_cache: bool, source: str) -> dict[str, Any]:
    return {
        "retry_policy_v2": retry_policy_v2,
        "planner_cache": retry_policy_v2 and planner_cache,  # what is in effect
        "source": source,
    }


def _reference(given: object, key: str, context: dict[str, Any]) -> uuid.UUID | None:
    """Give an id for its column; one that the column cannot hold is kept in the context instead."""
    found = _uuid(given) if type(given) is str and len(given) in _UUID_LENGTHS else None
    if found is None and (text := safe_id(given)) is not None:
        context[key] = text
    return found


@lru_cache(maxsize=_IDS_REMEMBERED)  # a job's rows name the same booking, a restaurant's jobs the same restaurant
def _uuid(text: str) -> uuid.UUID | None:
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    # uuid.UUID() reads more than UUIDs ("1_2…", braces anywhere): what is not the same text is an id of another kind.
    return found if found.hex == text.replace("-", "").lower() else None


_last_deployment: tuple[object, tuple[str, str]] = (None, (SERVICE_UNKNOWN, ENVIRONMENT_UNKNOWN))


def deployment(resource: Any) -> tuple[str, str]:
    """Give service and environment; a process's spans share one resource, so the last one read is remembered."""
    global _last_deployment  # noqa: PLW0603 - a cache of one
    last, known = _last_deployment
    if resource is None or resource is last:
        return known if resource is last else (SERVICE_UNKNOWN, ENVIRONMENT_UNKNOWN)
    given = resource.attributes
    known = (
        safe_text(given.get(semconv.SERVICE_NAME)) or SERVICE_UNKNOWN,
        safe_text(given.get(semconv.DEPLOYMENT_ENVIRONMENT_NAME))
        or safe_text(given.get(semconv.DEPLOYMENT_ENVIRONMENT))
        or ENVIRONMENT_UNKNOWN,
    )
    _last_deployment = resource, known
    return known
