"""What is kept of spans and rows: enough to make the same rows, and nothing else."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, Status, StatusCode

from observability_events import records, segment
from observability_events.rows import all_rows_of, rows_of, started_rows
from otel_auto_assign import semconv
from tests.exporters.spans import EVERY, JOB, QUOTE, foreign

GOLDEN = Path(__file__).parent.parent / "data" / "spool_v1.segment"
MAKERS = (rows_of, all_rows_of, started_rows)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("event_type", EVERY)
def test_a_span_read_back_gives_the_same_rows(event_type: str, make: Any) -> None:
    """Of every event type, ids and times included, by each of the functions that make rows."""
    span = EVERY[event_type].span()
    again, stored = records.read(segment.SPAN, records.of_span(make, span))
    assert again is make
    assert again(stored) == make(span)


@pytest.mark.parametrize("event_type", EVERY)
def test_a_row_read_back_is_the_same(event_type: str) -> None:
    """Rows that were made already come back as they were."""
    for row in all_rows_of(EVERY[event_type].span()):
        make, again = records.read(segment.ROW, records.of_row(row))
        assert make(again) == [row]


@pytest.mark.parametrize(
    "value", ["\ud800", "a\0b", 2**70, -(2**70), math.nan, math.inf, b"\xff", (1, "two", None), object(), {"a": 1}]
)
@pytest.mark.parametrize("name", [semconv.REASON, semconv.BOOKING_ID, semconv.ATTEMPT_INDEX, semconv.STAGE_NAME])
def test_hostile_values_give_the_same_rows(name: str, value: object) -> None:
    """What JSON cannot say is said another way, or was nothing that a row shows."""
    for given in ({**QUOTE.attributes, name: value}, {name: value}):
        span = foreign(semconv.SPAN_QUOTE, given, start_time=5, end_time=9)
        make, stored = records.read(segment.SPAN, records.of_span(rows_of, span))
        assert make(stored) == rows_of(span)


def test_a_start_has_no_end() -> None:
    """The snapshot of a job's start gives its row without an end or a status."""
    context = SpanContext(2**128 - 1, 2**64 - 1, is_remote=False)
    given = {semconv.BOOKING_STATUS: "pending"}
    span = ReadableSpan(semconv.SPAN_JOB, context=context, resource=Resource({}), attributes=given, start_time=10**18)
    make, stored = records.read(segment.SPAN, records.of_span(started_rows, span))
    assert make(stored) == started_rows(span)


def test_nothing_of_the_hosts_is_kept() -> None:
    """Attributes of the host's on our span stay out of the file, and so do addresses in an error message."""
    span = JOB.span()
    given = dict(span.attributes or {}) | {"enduser.id": "ann", semconv.ERROR_TYPE: "KeyError"}
    status = Status(StatusCode.ERROR, "no table for ann@example.org, +44 20 7946 0958")
    span = ReadableSpan(span.name, context=span.context, resource=span.resource, attributes=given, status=status)
    payload = records.of_span(rows_of, span)
    assert b"enduser" not in payload
    assert b"ann@" not in payload
    assert b"7946 0958" not in payload
    assert b"KeyError" in payload


def test_a_function_of_the_hosts_is_refused() -> None:
    """A function that no other process knows cannot be named in a file."""
    with pytest.raises(KeyError):
        records.of_span(lambda span: [], QUOTE.span())


@pytest.mark.parametrize(
    ("kind", "payload"),
    [(1, b"[]"), (2, b"[1,2]"), (1, b"nonsense"), (2, b"{}"), (9, b"[]"), (2, b'["zz",0,0,0,0,0,0,0]')],
)
def test_a_payload_of_another_form_is_told(kind: int, payload: bytes) -> None:
    """A record whose checksum is right and whose payload is not of this version is not guessed at."""
    with pytest.raises(ValueError, match="record"):
        records.read(kind, payload)


def test_version_1_is_read() -> None:
    """A file that version 1 has written gives its rows for ever: never renew the file, add one for a new version."""
    found = segment.read(GOLDEN.read_bytes())
    assert found.about == {"pid": 4711, "service": "tables"}
    assert (found.damaged, found.torn) == (0, False)
    spans = [recipe.span() for recipe in EVERY.values()]
    again = [
        made
        for record in found.records
        for make, it in [records.read(record.kind, record.payload)]
        for made in make(it)
    ]
    assert [row.event_type for row in again] == [
        *[row.event_type for span in spans for row in all_rows_of(span)],
        semconv.EVENT_STARTED,
        semconv.EVENT_SUMMARY,
    ]
    assert {row.context["service"] for row in again} == {"tables"}
    assert str(again[0].id) == "019a556d-0740-8a95-9af3-e9eef3401717"
