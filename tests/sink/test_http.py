"""OTLP/HTTP: what a sender is answered, by the real program."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import tracemalloc
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observability_events.rows import all_rows_of
from observability_events.sink import http_door, http_line
from observability_events.sink.decoding import TooLargeError, unpacked
from observability_events.sink.receiving import MESSAGE_BYTES
from otel_auto_assign import semconv
from tests.exporters.support import count, read, span, until
from tests.sink.program import Sink, message

if TYPE_CHECKING:
    from tests.faults.proxy import Proxy
    from tests.postgres import Connection

PROTOBUF, JSON = "application/x-protobuf", "application/json"
HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: here\r\nContent-Type: application/x-protobuf\r\n"


def as_json(body: bytes) -> Any:
    """The same message in OTLP's JSON: camel case, ids in hex."""
    document = MessageToDict(ExportTraceServiceRequest.FromString(body))
    for of_resource in document["resourceSpans"]:
        for of_scope in of_resource["scopeSpans"]:
            for each in of_scope["spans"]:
                for name in ("traceId", "spanId"):
                    each[name] = base64.b64decode(each[name]).hex()
                each["kind"] = 1  # enumerations are numbers there
    return document


@pytest.mark.usefixtures("events_table")
def test_every_form_gives_the_same_row(conn: Connection, dsn: str) -> None:
    """Protobuf and JSON, packed and not, with ids in hex of either case and with fields that nobody knows yet."""
    one = span(semconv.SPAN_JOB)
    binary, document = message([one]), as_json(message([one]))
    document["resourceSpans"][0]["newField"] = {"a": [1]}
    text = json.dumps(document).encode()
    shouted = json.dumps(json.loads(text, object_pairs_hook=_shouting)).encode()
    with Sink(dsn) as sink:
        seen = []
        for body, form, answer in ((binary, PROTOBUF, b""), (text, JSON, b"{}"), (shouted, JSON, b"{}")):
            for packed in (False, True):
                more = {"Content_Encoding": "gzip"} if packed else {}
                got, said = sink.post(gzip.compress(body) if packed else body, f"{form}; charset=utf-8", **more)
                assert (got.status, got.headers["Content-Type"], said) == (200, form, answer)
                seen.append(read(conn, "id, created_at, context::text"))
                conn.execute("DELETE FROM observability_events")
    assert [{key for key, *_ in rows} for rows in seen] == [{row.id for row in all_rows_of(one)}] * 6
    assert all(rows == seen[0] for rows in seen)


def _shouting(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.upper() if name in {"traceId", "spanId"} else value for name, value in pairs}


NOT_JSON = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"resourceSpans": 5}',
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}',
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 7}]}]}]}',
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "soon"}]}]}]}',
    b"[" * 100_000,
]


@pytest.mark.usefixtures("events_table")
def test_what_is_wrong_is_said_as_the_protocol_has_it(conn: Connection, dsn: str) -> None:
    """A status for each mistake, in the form that was sent; none of them is an answer to what could be sent again."""
    good = message([span()])
    bomb = gzip.compress(bytes(2 * MESSAGE_BYTES))
    with Sink(dsn) as sink:
        for method, path, status in (("GET", "/v1/traces", 405), ("POST", "/readyz", 405), ("GET", "/v1/metrics", 404)):
            answer, _ = sink.ask(method, path)
            assert answer.status == status
        assert sink.ask("PUT", "/v1/traces", b"")[0].headers["Allow"] == "POST"
        assert sink.post(good, "text/plain")[0].status == 415
        assert sink.post(good, Content_Encoding="zstd")[0].status == 415
        assert sink.post(bomb, Content_Encoding="gzip")[0].status == 413
        half = gzip.compress(good)[:-9]
        for body, packed in ((b"\xff\xff", False), (good[:-3], False), (b"no gzip", True), (half, True)):
            more = {"Content_Encoding": "gzip"} if packed else {}
            answer, said = sink.post(body, **more)
            assert (answer.status, answer.headers["Content-Type"]) == (400, PROTOBUF)
            assert answer.headers["Retry-After"] is None
            assert Status.FromString(said).message
        for body in NOT_JSON:
            answer, said = sink.post(body, JSON)
            assert (answer.status, answer.headers["Content-Type"]) == (400, JSON)
            assert json.loads(said)["message"]
        assert sink.post(good)[0].status == 200
    assert count(conn) == 1


def test_of_what_is_too_large_no_more_is_unpacked_than_may_be() -> None:
    """A hundred kilobytes can become a hundred megabytes: it is stopped at the limit."""
    bomb = gzip.compress(bytes(100 * 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            unpacked(bomb, 2**20)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("events_table")
def test_a_body_that_is_too_large_is_not_read(dsn: str) -> None:
    """By its length, before it has come; and where no length is given, when it has become too large."""
    with Sink(dsn) as sink:
        said = HEAD + b"Content-Length: %d\r\n\r\n" % (MESSAGE_BYTES + 1)
        chunk = b"%x\r\n%s\r\n" % (2**20, bytes(2**20))
        unsaid = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 65
        for body in (said, unsaid):
            with socket.create_connection(("127.0.0.1", sink.ports["http"]), 20) as line:
                line.sendall(body)
                assert line.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.usefixtures("events_table")
def test_a_connection_is_used_again(conn: Connection, dsn: str) -> None:
    """As long as the sender wishes, and whether or not it asks before it sends its body."""
    with Sink(dsn) as sink:
        line = HTTPConnection("127.0.0.1", sink.ports["http"], timeout=20)
        for _ in range(3):
            line.request("POST", "/v1/traces", message([span()]), {"Content-Type": PROTOBUF})
            answer = line.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
            assert line.sock is not None
        line.close()
        body = message([span()])
        with socket.create_connection(("127.0.0.1", sink.ports["http"]), 20) as asking:
            asking.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
            assert asking.recv(100).startswith(b"HTTP/1.1 100 ")
            asking.sendall(body)
            assert asking.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert count(conn) == 4


@pytest.mark.usefixtures("events_table")
def test_without_a_database_it_says_when_to_come_again(conn: Connection, proxy: Proxy) -> None:
    """503 with Retry-After, and `/readyz` says so; `/healthz` is about the process alone. Then all is well again."""
    body = message([span()])
    with Sink(proxy.dsn, OTEL_AUTO_ASSIGN_SINK_TIMEOUT="0.5") as sink:

        def ready() -> bool:
            return sink.ask("GET", "/readyz")[0].status == 200

        until(ready)
        proxy.refuse()
        for form, sent in ((PROTOBUF, body), (JSON, json.dumps(as_json(body)).encode())):
            answer, said = sink.post(sent, form)
            assert (answer.status, answer.headers["Retry-After"], answer.headers["Content-Type"]) == (503, "1", form)
            assert b"the rows are not in the database yet" in said
        until(lambda: not ready())
        assert sink.ask("GET", "/healthz")[0].status == 200
        assert sink.ask("HEAD", "/readyz")[0].status == 503
        assert count(conn) == 0
        proxy.accept()
        assert sink.post(body)[0].status == 200
        assert ready()
    assert count(conn) == 1


@pytest.mark.usefixtures("events_table")
def test_who_says_nothing_is_hung_up_on(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, within and after a request; and one whose body does not come is told to come again."""
    import asyncio

    from observability_events.sink.receiving import Receiver
    from observability_events.sink.writing import SinkWriter
    from otel_auto_assign.settings import Settings

    monkeypatch.setattr(http_line, "FIRST_SECONDS", 0.3)
    monkeypatch.setattr(http_line, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(http_line, "LINGER_SECONDS", 0.1)
    head = HEAD + b"Content-Length: 50\r\n\r\n"

    async def answers() -> tuple[bytes, bytes, bytes, bytes]:
        settings = Settings(dsn=dsn, sink_timeout=0.5)
        writer = SinkWriter(settings)
        receiver = Receiver(writer, settings, "")
        door = http_door.HttpDoor(receiver)
        port = await door.open("127.0.0.1", 0)

        async def sent(body: bytes) -> bytes:
            reader, stream = await asyncio.open_connection("127.0.0.1", port)
            stream.write(body)
            got = await reader.read()
            stream.close()
            return got

        try:
            return await asyncio.gather(
                sent(b""), sent(b"POST /v1/tr"), sent(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"), sent(head + b"x")
            )
        finally:
            await door.close(1)
            receiver.close()
            writer.close(1)

    nothing, half, idle, slow = asyncio.run(answers())
    assert (nothing, half) == (b"", b"")
    assert idle.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" not in idle
    assert slow.startswith(b"HTTP/1.1 503 ")
