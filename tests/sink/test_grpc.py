"""OTLP/gRPC: what a sender is answered, by the real program."""

from __future__ import annotations

import socket
import sys
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING

import grpc
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from observability_events.dead_letters import DeadLetters
from observability_events.folder import destination
from observability_events.rows import all_rows_of
from observability_events.sink.grpc_door import EXPORT
from observability_events.sink.receiving import MESSAGE_BYTES, RETRY_SECONDS
from tests.exporters.support import count, locked, read, settings, span
from tests.exporters.test_otlp import message as one_span
from tests.postgres import create_events_table
from tests.sink.program import TOKEN, Sink, message, refusal
from tests.sink.test_same_rows import by_grpc

if TYPE_CHECKING:
    from tests.faults.proxy import Proxy
    from tests.postgres import Connection

AGAIN = (grpc.StatusCode.UNAVAILABLE, float(RETRY_SECONDS))
BROKEN = """
import sys
from observability_events.sink import receiving
from otel_auto_assign.cli import main

def decoded(body, form):
    raise ZeroDivisionError

receiving.decoded = decoded
sys.argv = ["otel-auto-assign", "sink", "otlp", *sys.argv[1:]]
main()
"""


def ids(spans: list[ReadableSpan]) -> set[uuid.UUID]:
    """The ids of their rows."""
    return {row.id for each in spans for row in all_rows_of(each)}


@pytest.mark.usefixtures("events_table")
def test_it_answers_when_the_rows_are_there(conn: Connection, dsn: str) -> None:
    """Many rows in one call, and in many calls; spans of other programs are none of its business."""
    spans = [span() for _ in range(1200)]
    with Sink(dsn) as sink:
        sink.export(message(spans[:1000]))
        assert count(conn) == 1000
        for each in spans[1000:]:
            sink.export(message([each, span("GET /tables")]))
        sink.export(b"")
        assert {key for (key,) in read(conn)} == ids(spans)


@pytest.mark.usefixtures("events_table")
def test_without_a_database_nothing_is_acknowledged(conn: Connection, proxy: Proxy) -> None:
    """UNAVAILABLE with RetryInfo, and then the SDK's exporter, which sends again, has every row in the table once."""
    spans = [span() for _ in range(20)]
    with Sink(proxy.dsn, OTEL_AUTO_ASSIGN_SINK_TIMEOUT="0.5") as sink:
        sink.export(message([span()]))
        proxy.refuse()
        for _ in range(3):
            assert refusal(sink.export, message(spans)) == AGAIN
        assert count(conn) == 1
        proxy.accept()
        exporter = by_grpc(sink)
        assert exporter.export(spans) is SpanExportResult.SUCCESS
        exporter.shutdown()
    assert ids(spans) < {key for (key,) in read(conn)}
    assert count(conn) == 21


@pytest.mark.usefixtures("events_table")
def test_a_call_that_is_held_is_answered_before_its_deadline(dsn: str) -> None:
    """The sender's, or where that is further away or missing, the sink's."""
    with Sink(dsn, OTEL_AUTO_ASSIGN_SINK_TIMEOUT="1.5") as sink:
        sink.export(message([span()]))
        with locked(dsn, "LOCK observability_events"):
            for timeout in (0.7, 30.0, None):
                assert refusal(sink.export, message([span()]), timeout=timeout) == AGAIN


@pytest.mark.usefixtures("events_table")
def test_who_does_not_know_the_token_may_try_again(conn: Connection, dsn: str) -> None:
    """A collector would drop for good what is answered otherwise, and the token may be changed here first."""
    with Sink(dsn, **{TOKEN: "right-é"}) as sink:
        for token in ("", "wrong", "right"):
            assert refusal(sink.export, message([span()]), token=token) == AGAIN
        assert count(conn) == 0
    right = "right"
    with Sink(dsn, **{TOKEN: right}) as sink:
        sink.export(message([span()]), token=right)
        assert count(conn) == 1
        assert sink.post(message([span()]))[0].status == 503
        assert sink.post(message([span()]), authorization="bearer right")[0].status == 200
    assert not [line for line in sink.lines if "right" in line["body"]]


@pytest.mark.usefixtures("events_table")
def test_only_what_cannot_be_read_is_refused_for_good(conn: Connection, dsn: str) -> None:
    """Garbage, and half a message; half a second later the sink does its work as before."""
    with Sink(dsn) as sink:
        for body in (b"\xff\xff", message([span()])[:-5], b"{}"):
            assert refusal(sink.export, body) == (grpc.StatusCode.INVALID_ARGUMENT, None)
        sink.export(message([span()]))
    assert count(conn) == 1


@pytest.mark.usefixtures("events_table")
def test_a_message_may_have_64_mib(conn: Connection, dsn: str) -> None:
    """Just below it is taken; above it, packed or not, it is refused while nothing of it is unpacked beyond that."""
    ballast = KeyValue(key="ballast", value=AnyValue(string_value="x" * (MESSAGE_BYTES - 1000)))
    with Sink(dsn, OTEL_AUTO_ASSIGN_SINK_TIMEOUT="30") as sink:
        sink.export(one_span(attributes=[ballast]), timeout=30)
        assert count(conn) == 2
        exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED, None
        assert refusal(sink.export, bytes(MESSAGE_BYTES + 1)) == exhausted
        assert refusal(sink.export, bytes(2 * MESSAGE_BYTES), compression=grpc.Compression.Gzip) == exhausted
        sink.export(message([span()]))
    assert count(conn) == 3


@pytest.mark.usefixtures("events_table")
def test_a_fault_of_the_sink_costs_no_row(dsn: str) -> None:
    """An exception that nobody foresaw is UNAVAILABLE, too, and logged once."""
    with Sink(dsn, start=[sys.executable, "-c", BROKEN]) as sink:
        for _ in range(2):
            assert refusal(sink.export, message([span()])) == AGAIN
        sink.says("taking what was sent to the sink failed with ZeroDivisionError")
    assert len([line for line in sink.lines if "ZeroDivisionError" in line["body"]]) == 1


@pytest.mark.usefixtures("events_table")
def test_metrics_and_logs_are_not_for_it(dsn: str) -> None:
    """A pipeline that sends them here is a mistake that must be seen."""
    other = EXPORT.replace("Trace", "Metrics").replace("trace", "metrics")
    with Sink(dsn) as sink, grpc.insecure_channel(f"127.0.0.1:{sink.ports['grpc']}") as channel:
        assert refusal(channel.unary_unary(other), b"", timeout=10) == (grpc.StatusCode.UNIMPLEMENTED, None)


def test_a_bad_row_is_acknowledged_and_kept(conn: Connection, dsn: str) -> None:
    """With its reason, on the disk, before the answer."""
    create_events_table(conn, extra="CHECK (context->>'trigger' <> 'poison')")
    bad = span(trigger="poison")
    with Sink(dsn) as sink:
        sink.export(message([span(), bad, span()]))
        assert count(conn) == 2
        (letter,) = DeadLetters(destination(settings(dsn)).path).letters()
        assert {letter.id} == ids([bad])


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_connections_that_send_nothing_hurt_nobody(conn: Connection, dsn: str, protocol: str) -> None:
    """Fifty that are silent, fifty that stop in the middle: a sender beside them is answered as ever."""
    half = {"grpc": b"PRI * HTTP/2.0\r\n\r\nSM", "http": b"POST /v1/traces HTTP/1.1\r\nContent-Le"}[protocol]
    with Sink(dsn) as sink, ExitStack() as open_ones:
        for number in range(100):
            one = open_ones.enter_context(socket.create_connection(("127.0.0.1", sink.ports[protocol])))
            one.sendall(half if number % 2 else b"")
        for _ in range(5):
            sink.export(message([span()]), timeout=5)
            assert sink.post(message([span()]))[0].status == 200
    assert count(conn) == 10
