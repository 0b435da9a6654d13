"""OTLP → spans: pure functions from protobuf messages to what rows are made from.

What OTLP says by leaving out is left out here, too: a time of zero is no time. Nothing is taken on trust: whatever a
message holds, `observability_events.rows` reads it as it reads any other SDK's span.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

try:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"observability_events.sink needs {missing.name}: pip install 'otel-auto-assign[sink]'", name=missing.name
    ) from None

from observability_events.plain_span import Context, PlainSpan, Resource, Status

TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8


def spans_of(request: bytes) -> Iterator[PlainSpan]:
    """Give the spans of a serialized ``ExportTraceServiceRequest``, ours and foreign ones, in their order.

    Raises:
        google.protobuf.message.DecodeError: if it is none.

    >>> list(spans_of(b""))
    []
    """
    return spans_in(ExportTraceServiceRequest.FromString(request).resource_spans)


def spans_in(resource_spans: Iterable[ResourceSpans]) -> Iterator[PlainSpan]:
    """Give the spans of messages that are parsed already; those of one message share one resource object.

    A span whose ids are not of 16 and 8 bytes is invalid by the specification: it has no identity, and is left out.
    """
    for of_resource in resource_spans:
        resource = Resource(_attributes(of_resource.resource.attributes))
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                if len(span.trace_id) == TRACE_ID_BYTES and len(span.span_id) == SPAN_ID_BYTES:
                    yield _span(span, resource)


def _span(span: Span, resource: Resource) -> PlainSpan:
    return PlainSpan(
        span.name,
        Context(int.from_bytes(span.trace_id, "big"), int.from_bytes(span.span_id, "big")),
        _attributes(span.attributes),
        span.start_time_unix_nano or None,
        span.end_time_unix_nano or None,
        Status(span.status.code, span.status.message),
        resource,
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    """Give a value as the SDK would have it: a list is a tuple there, and what has no value is None."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return tuple(_value(each) for each in value.array_value.values)
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)
