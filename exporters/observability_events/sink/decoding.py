"""Bodies of requests → spans: what OTLP/HTTP says in two forms and may pack."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import TYPE_CHECKING, Any, Final

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observability_events.sink.otlp import spans_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from observability_events.plain_span import PlainSpan

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
FORMS: Final = (PROTOBUF, JSON)
GZIP: Final = "gzip"
_IDS: Final = ("traceId", "spanId", "parentSpanId")
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS  # of zlib: with gzip's header and its checksum


class UndecodableError(Exception):
    """Sent again it would be no better; the text says why."""


class TooLargeError(Exception):
    """More than may be in one message."""


def unpacked(body: bytes, most: int) -> bytes:
    """Unpack gzip.

    Raises:
        TooLargeError: if that is more than ``most`` bytes.
        UndecodableError: if it is not gzip, or not all of it.
    """
    parts: list[bytes] = []
    size = 0
    while body or not parts:  # members may follow each other
        unpacking = zlib.decompressobj(_GZIP_WINDOW)
        try:
            part = unpacking.decompress(body, most - size + 1)
        except zlib.error:
            raise UndecodableError("the body is not gzip") from None
        size += len(part)
        if size > most:
            raise TooLargeError
        if not unpacking.eof:
            raise UndecodableError("the gzip of the body is not complete")
        parts.append(part)
        body = unpacking.unused_data
    return b"".join(parts)


def decoded(body: bytes, form: str) -> Iterator[PlainSpan]:
    """Give the spans of an ``ExportTraceServiceRequest`` in one of `FORMS`, made one by one as they are asked for.

    Raises:
        UndecodableError: at once, if it is none.
    """
    try:
        request = ExportTraceServiceRequest.FromString(body) if form == PROTOBUF else _of_json(body)
    except DecodeError:
        raise UndecodableError("the body is no ExportTraceServiceRequest") from None
    except (ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UndecodableError(f"the body is no ExportTraceServiceRequest in JSON ({type(error).__name__})") from None
    return spans_in(request.resource_spans)


def _of_json(body: bytes) -> ExportTraceServiceRequest:
    """Read OTLP/JSON: ids are hex there, where protobuf's own JSON has base64; what is not known is passed over."""
    document: Any = orjson.loads(body)
    for of_resource in _listed(document, "resourceSpans", "resource_spans"):
        for of_scope in _listed(of_resource, "scopeSpans", "scope_spans"):
            for span in _listed(of_scope, "spans"):
                _with_base64(span)
                for link in _listed(span, "links"):
                    _with_base64(link)
    request = ExportTraceServiceRequest()
    ParseDict(document, request, ignore_unknown_fields=True)
    return request


def _listed(of: Any, *names: str) -> list[Any]:
    return next((of[name] for name in names if of.get(name) is not None), [])


def _with_base64(of: dict[str, Any]) -> None:
    for name in _IDS:
        if of.get(name):
            try:
                of[name] = base64.b64encode(bytes.fromhex(of[name])).decode()
            except (TypeError, ValueError, binascii.Error):
                raise ParseError(f"{name} is not hex") from None
