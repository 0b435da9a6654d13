"""Spans and rows ↔ the payloads of a segment's records, as JSON.

A span's payload has what its rows are made from and nothing else: not the host's own attributes, no address in an error
message. Read back it gives the same rows under the same ids, and so do rows that were made already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson
from opentelemetry.trace import StatusCode

from observability_events import segment
from observability_events.facts import EndedSpan
from observability_events.plain_span import Context, PlainSpan, Resource, Status
from observability_events.rows import Row, all_rows_of, deployment, rows_of, started_rows
from otel_auto_assign import semconv
from otel_auto_assign.values import scrub

Make = Callable[[Any], Sequence[Row]]

_MAKERS: Final[Mapping[str, Callable[[Any], list[Row]]]] = {
    "ended": rows_of,
    "started": started_rows,
    "all": all_rows_of,
}
_NAMES: Final[dict[Any, str]] = {make: name for name, make in _MAKERS.items()}
_LENIENT: Final = b" "  # begins what Python's own JSON has written, and must read
_UNSET: Final = StatusCode.UNSET
_LOW: Final = (1 << 64) - 1
_DEPLOYMENTS_REMEMBERED: Final = 64
_KNOWN: Final = frozenset(
    value
    for value in vars(semconv).values()
    if isinstance(value, str) and (value.startswith(semconv.OWN_PREFIX) or value == semconv.ERROR_TYPE)
)
"""Among others, every attribute that a row is made from."""


def made_already(row: Row) -> list[Row]:
    """Give the rows of a row."""
    return [row]


def known(make: object) -> bool:
    """Say whether another process would know the function ``make``."""
    return make in _NAMES


def of_span(make: object, span: EndedSpan) -> bytes:
    """Give the payload of a span whose rows are made by ``make``.

    Raises:
        KeyError: if ``make`` is none of the functions of `observability_events.rows`: no other process would know it.
    """
    context, status, given = span.context, span.status, span.attributes
    trace_id, code, description = context.trace_id, status.status_code, status.description
    attributes: dict[str, Any]
    try:
        attributes = given.copy()  # type: ignore[union-attr] # the SDK's mapping hands its dict over in one go
    except AttributeError:
        attributes = dict(given or {})
    attributes.pop(semconv.FUNCTION_NAME, None)  # on every span of ours, and in no row
    if not _KNOWN.issuperset(attributes):
        attributes = {name: attributes[name] for name in attributes if name in _KNOWN}
    service, environment = deployment(span.resource)
    fields = (
        _NAMES[make],
        span.name,
        trace_id >> 64,
        trace_id & _LOW,
        context.span_id,
        span.start_time,
        span.end_time,
        0 if code is _UNSET else getattr(code, "value", code),  # an enumeration's value is a slow thing to ask for
        scrub(description) if description else None,
        attributes,
        service,
        environment,
    )
    try:
        return orjson.dumps(fields, _nothing)
    except TypeError:
        return _lenient(fields)


def of_row(row: Row) -> bytes:
    """Give the payload of a row."""
    restaurant, booking = row.restaurant_id, row.booking_id
    fields = (
        row.key.hex(),
        row.time_us,
        row.source,
        row.event_type,
        row.severity,
        row.context,
        None if restaurant is None else restaurant.hex,
        None if booking is None else booking.hex,
    )
    try:
        return orjson.dumps(fields, _nothing)
    except TypeError:
        return _lenient(fields)


def read(kind: int, payload: bytes) -> tuple[Make, Any]:
    """Give what a record holds: a function and what it makes rows from.

    Raises:
        ValueError: if the payload is not of this version's form.
    """
    try:
        if kind == segment.SPAN:
            return _span(_load(payload))
        if kind == segment.ROW:
            return made_already, _row(_load(payload))
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError("the record's payload is not what its kind says") from error
    raise ValueError(f"records of kind {kind} are not known")


def _span(fields: list[Any]) -> tuple[Make, PlainSpan]:
    made_by, name, high, low, span_id, start, end, code, description, attributes, service, environment = fields
    span = PlainSpan(
        name,
        Context(high << 64 | low, span_id),
        attributes,
        start,
        end,
        Status(code, description),
        _resource(service, environment),
    )
    return _MAKERS[made_by], span


def _row(fields: list[Any]) -> Row:
    key, time_us, source, event_type, severity, context, restaurant, booking = fields
    return Row(
        bytes.fromhex(key),
        time_us,
        source,
        event_type,
        severity,
        context,
        None if restaurant is None else UUID(restaurant),
        None if booking is None else UUID(booking),
    )


@lru_cache(maxsize=_DEPLOYMENTS_REMEMBERED)  # one object each, for `deployment` remembers by identity
def _resource(service: str, environment: str) -> Resource:
    return Resource({semconv.SERVICE_NAME: service, semconv.DEPLOYMENT_ENVIRONMENT_NAME: environment})


def _lenient(fields: tuple[Any, ...]) -> bytes:
    """Say what orjson cannot: a lone surrogate, an integer of 70 bits. What makes the rows takes both."""
    return _LENIENT + json.dumps(fields, default=_nothing, skipkeys=True).encode()


def _load(payload: bytes) -> Any:
    return json.loads(payload) if payload.startswith(_LENIENT) else orjson.loads(payload)


def _nothing(value: object) -> None:
    """Stand for a value that no attribute can have: the rows would not show it."""
