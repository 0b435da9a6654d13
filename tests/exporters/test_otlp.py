"""Spans that came by wire give the rows that they would have given at home."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from opentelemetry.sdk.trace import ReadableSpan

from observability_events.catalogue import CATALOGUE
from observability_events.console import as_json
from observability_events.plain_span import PlainSpan
from observability_events.rows import Row, all_rows_of
from observability_events.sink.otlp import spans_of
from otel_auto_assign import Flags, semconv
from otel_auto_assign.testing import Recording
from tests.exporters.spans import EVERY, Recipe, foreign
from tests.exporters.test_rows import CASES
from tests.project.test_imports import GROUND
from tests.test_contract import ATTRIBUTES
from tests.test_every_event import run_everything

BEHIND_THE_COLLECTOR = """
import sys
from observability_events.console import as_json
from observability_events.rows import all_rows_of
from observability_events.sink.otlp import spans_of

for span in spans_of(sys.stdin.buffer.read()):
    for row in all_rows_of(span):
        sys.stdout.buffer.write(as_json(row) + b"\\n")
print(*sys.modules, file=sys.stderr)
"""


def by_wire(*spans: ReadableSpan) -> list[PlainSpan]:
    """Send spans through OTLP, with the SDK's own encoder."""
    return list(spans_of(encode_spans(spans).SerializeToString()))


def lines(rows: list[Row]) -> list[bytes]:
    """Give the rows as bytes, in an order that does not depend on theirs."""
    return sorted(as_json(row) for row in rows)


def test_rows_of_every_type_are_the_same_in_another_process() -> None:
    """The program that forces every event type: its rows, made here, and made of its OTLP in a process of its own.

    Byte for byte in all columns; a job's `started` by id, type and time, for here it was made when the job started.
    """
    with Recording(flags=Flags(retry_policy_v2=True, planner_cache=True), real_time=True) as seen:
        run_everything()
    sent = encode_spans(seen.spans).SerializeToString()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BEHIND_THE_COLLECTOR], input=sent, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()

    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["event_type"] for row in made} == set(CATALOGUE)
    others = [line for line in done.stdout.splitlines() if json.loads(line)["event_type"] != semconv.EVENT_STARTED]
    assert sorted(others) == lines([row for row in seen.rows if row.event_type != semconv.EVENT_STARTED])
    started = [
        {(row["id"], row["created_at"]) for row in rows if row["event_type"] == semconv.EVENT_STARTED}
        for rows in (made, seen.dicts())
    ]
    assert started[0] == started[1]

    imported = {name for name in done.stderr.decode().split() if name.startswith("otel_auto_assign")}
    assert imported <= {"otel_auto_assign"}.union(*GROUND)


@pytest.mark.parametrize(("recipe", "more", "expected"), CASES)
def test_every_shape_is_the_same_by_wire(recipe: Recipe, more: dict[str, Any], expected: list[str]) -> None:
    """For each span of the contract, whatever its flow, lateness and outcome."""
    span = recipe.span(**more)
    assert [as_json(row) for there in by_wire(span) for row in all_rows_of(there)] == [
        as_json(row) for row in all_rows_of(span)
    ]


text = st.text(max_size=30)
whole = st.integers(-(2**63), 2**63 - 1)
values = (
    text | st.booleans() | whole | st.floats() | st.lists(text, max_size=2) | st.lists(whole, max_size=2)
    | st.sampled_from(sorted(semconv.RESULTS | semconv.INLINE_OUTCOMES | {"job", "inline", "direct"}))
)  # fmt: skip


@given(
    name=st.sampled_from(sorted(semconv.SPANS)),
    attributes=st.dictionaries(st.sampled_from([*ATTRIBUTES, semconv.ERROR_TYPE]), values, max_size=12),
    error=st.none() | text,
)
def test_whatever_an_sdk_sends_is_the_same_by_wire(name: str, attributes: dict[str, Any], error: str | None) -> None:
    """Attributes of any type that OTLP has, and any status."""
    span = Recipe(name, attributes, error).span()
    assert lines([row for there in by_wire(span) for row in all_rows_of(there)]) == lines(all_rows_of(span))


@pytest.mark.parametrize(("start", "end"), [(0, 5_000_000_000), (5_000_000_000, 0), (0, 0)])
def test_a_time_of_zero_is_the_same_by_wire(start: int, end: int) -> None:
    """OTLP's zero is a time that is missing; so it is at home."""
    span = foreign(semconv.SPAN_JOB, {}, start_time=start, end_time=end)
    assert lines([row for there in by_wire(span) for row in all_rows_of(there)]) == lines(all_rows_of(span))


def test_spans_of_several_resources_keep_their_own() -> None:
    """A collector's batch holds many processes: each row names its own service."""
    request = ExportTraceServiceRequest()
    for service in ("a", "b"):
        (sent,) = encode_spans([EVERY[semconv.EVENT_QUOTE].span()]).resource_spans
        sent.resource.attributes[0].value.string_value = service
        request.resource_spans.append(sent)
    spans = list(spans_of(request.SerializeToString()))
    assert [row.context["service"] for span in spans for row in all_rows_of(span)] == ["a", "b"]


def message(**fields: Any) -> bytes:
    """A request of one span with these fields."""
    span = Span(**({"trace_id": b"\1" * 16, "span_id": b"\2" * 8, "name": semconv.SPAN_JOB} | fields))
    spans = ResourceSpans(resource=Resource(), scope_spans=[ScopeSpans(spans=[span])])
    sent: bytes = ExportTraceServiceRequest(resource_spans=[spans]).SerializeToString()
    return sent


def test_what_is_left_out_is_not_there() -> None:
    """No times, no status, no attributes, no resource: still a span, and still its rows."""
    (span,) = spans_of(message())
    assert tuple(span) == ("auto_assign.job", (0x01010101010101010101010101010101, 0x0202020202020202), {}, None, None,
                    (0, ""), ({},))  # fmt: skip
    assert [row.event_type for row in all_rows_of(span)] == [semconv.EVENT_STARTED, semconv.EVENT_SUMMARY]


def test_every_kind_of_value_is_read() -> None:
    """Lists, maps, bytes and nothing at all, one inside the other."""
    kinds = {
        "list": AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()])),
        "map": AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(bool_value=False))])),
        "bytes": AnyValue(bytes_value=b"\0"),
        "nothing": AnyValue(),
        "number": AnyValue(double_value=0.0),
    }
    (span,) = spans_of(message(attributes=[KeyValue(key=key, value=value) for key, value in kinds.items()]))
    assert span.attributes == {"list": (1, None), "map": {"k": False}, "bytes": b"\0", "nothing": None, "number": 0.0}


@pytest.mark.parametrize("ids", [{"trace_id": b""}, {"span_id": b"\1" * 9}, {"trace_id": b"\1" * 40}])
def test_a_span_without_identity_is_left_out(ids: dict[str, bytes]) -> None:
    """Ids of another length are invalid: no row could be told from another's."""
    assert list(spans_of(message(**ids))) == []


def test_what_is_no_message_is_refused() -> None:
    """At once, by protobuf's own error."""
    with pytest.raises(DecodeError):
        spans_of(b"\xff\xff")
