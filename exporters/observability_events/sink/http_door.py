"""OTLP/HTTP: ``POST /v1/traces``, ``/healthz`` and ``/readyz``, on the event loop.

h11 takes the protocol apart; the sockets and how long each step may take are ours, so that connections which send
nothing, or a byte a minute, are closed. What was not taken is 503 with Retry-After; 400 is only for what can never be
read, and 404, 405, 413 and 415 for who speaks to the wrong place or in the wrong way.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import h11
import orjson
from google.rpc.status_pb2 import Status

from observability_events.sink.decoding import (
    FORMS,
    GZIP,
    JSON,
    PROTOBUF,
    TooLargeError,
    UndecodableError,
    unpacked,
)
from observability_events.sink.receiving import MESSAGE_BYTES, RETRY_SECONDS, LaterError
from otel_auto_assign import _guard

if TYPE_CHECKING:
    from observability_events.sink.receiving import Receiver, Room

TRACES: Final = "/v1/traces"
HEALTHY: Final = "/healthz"
READY: Final = "/readyz"
METHODS: Final = {TRACES: ("POST",), HEALTHY: ("GET", "HEAD"), READY: ("GET", "HEAD")}

FIRST_SECONDS: Final = 10.0  # from the connection, its TLS included, to the end of the first request's headers
IDLE_SECONDS: Final = 120.0  # from an answer to the next request's: longer than Go's clients keep a connection, 90 s
LINGER_SECONDS: Final = 1.0  # to read what is still coming: closed before, the answer would be lost with it
HEADER_BYTES: Final = 16 * 2**10
CHUNK_BYTES: Final = 2**16
MOST_CONNECTIONS: Final = 1000

_UNAVAILABLE: Final = 14  # of gRPC, which OTLP/HTTP's statuses speak, too
_INVALID: Final = 3


class _Answer(NamedTuple):
    status: int
    body: bytes = b""
    form: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()


class HttpDoor:
    """Takes requests for ``receiver``, with TLS if ``tls`` says how."""

    def __init__(self, receiver: Receiver, tls: ssl.SSLContext | None = None) -> None:
        self._receiver = receiver
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._idle: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._closing = False

    async def open(self, host: str, port: int) -> int:
        """Take requests from now on; give the port.

        Raises:
            OSError: if the address cannot be had.
        """
        handshake = None if self._tls is None else FIRST_SECONDS
        self._server = await asyncio.start_server(
            self._connected, host, port, ssl=self._tls, ssl_handshake_timeout=handshake, limit=CHUNK_BYTES
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self, grace: float) -> None:
        """Take no more requests, and end those that are not answered after ``grace`` seconds."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        for task in self._idle:
            task.cancel()
        if self._busy:
            await asyncio.wait(self._busy, timeout=grace)
        for task in self._busy | self._idle:
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine that runs is a task's
        line = _Line(reader, writer)
        try:
            more = len(self._idle) + len(self._busy) < MOST_CONNECTIONS
            seconds = FIRST_SECONDS
            while more and not self._closing:
                self._idle.add(task)
                async with asyncio.timeout(seconds):
                    event = await line.event()
                self._idle.discard(task)
                if not isinstance(event, h11.Request):
                    break
                self._busy.add(task)
                more = await self._exchange(line, event)
                self._busy.discard(task)
                seconds = IDLE_SECONDS
        except (TimeoutError, OSError, h11.RemoteProtocolError, asyncio.CancelledError):
            pass  # whoever it was is gone, or is to go
        except Exception as error:
            _guard.swallowed("answering a request", error)
        finally:
            self._idle.discard(task)
            self._busy.discard(task)
            writer.close()

    async def _exchange(self, line: _Line, request: h11.Request) -> bool:
        """Answer one request; give whether there may be another on this connection."""
        answer = await self._answer(line, request)
        await line.answer(answer, head=request.method == b"HEAD", close=self._closing)
        if line.next():
            return True
        await line.linger()
        return False

    async def _answer(self, line: _Line, request: h11.Request) -> _Answer:
        path, method = request.target.decode("latin-1").partition("?")[0], request.method.decode("latin-1")
        if path not in METHODS:
            return _Answer(404)
        if method not in METHODS[path]:
            return _Answer(405, headers=(("Allow", ", ".join(METHODS[path])),))
        if path == TRACES:
            return await self._traces(line, request)
        if path == HEALTHY or self._receiver.ready:
            return _Answer(200, b"ok\n")
        return _Answer(503, b"not ready\n")

    async def _traces(self, line: _Line, request: h11.Request) -> _Answer:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        form = headers.get("content-type", "").partition(";")[0].strip().lower()
        packing = headers.get("content-encoding", "identity").strip().lower()
        if form not in FORMS or packing not in {GZIP, "identity"}:
            return _Answer(415)
        try:
            await self._take(line, headers, form, packing)
        except TooLargeError:
            return _Answer(413)
        except UndecodableError as error:
            return _status(400, _INVALID, str(error), form)
        except (LaterError, TimeoutError) as error:
            return _later(str(error) or "the body did not come in time", form)
        except (OSError, h11.RemoteProtocolError):
            raise
        except Exception as error:
            _guard.swallowed("answering a request", error)
            return _later("a fault of the sink", form)
        return _Answer(200, b"{}" if form == JSON else b"", form)  # never a partial success: it is not sent again

    async def _take(self, line: _Line, headers: dict[str, str], form: str, packing: str) -> None:
        deadline = self._receiver.deadline()
        self._receiver.admit(headers.get("authorization"))
        if int(headers.get("content-length", 0)) > MESSAGE_BYTES:
            raise TooLargeError
        with self._receiver.room() as room:
            async with asyncio.timeout(deadline - time.monotonic()):
                body = await _body(line, room)
            if packing == GZIP:
                loop = asyncio.get_running_loop()
                body = await loop.run_in_executor(self._receiver.decoders, unpacked, body, MESSAGE_BYTES)
                room.grow(len(body))
            await self._receiver.take(body, form, deadline)


class _Line:
    """A connection: what h11 knows of it, and the socket's two ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES)

    async def event(self) -> h11.Event:
        """Wait for the next part of a request.

        Raises:
            h11.RemoteProtocolError: if it is not HTTP/1.1.
            OSError: if the connection broke.
        """
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self._send(h11.InformationalResponse(status_code=100, headers=[]))
                self._http.receive_data(await self._reader.read(CHUNK_BYTES))
            elif event is h11.PAUSED:
                raise h11.RemoteProtocolError("another request before the answer")
            else:
                return event  # type: ignore[return-value] # the two that are no events are above

    async def answer(self, answer: _Answer, *, head: bool, close: bool) -> None:
        """Answer the request in hand."""
        if self._http.their_state is h11.SEND_BODY:
            self._http.next_event()  # of a request without a body this is its end; of another there is more to come
        headers = [
            ("Content-Type", answer.form),
            ("Content-Length", str(len(answer.body))),
            *answer.headers,
            *((("Connection", "close"),) if close or self._http.their_state is not h11.DONE else ()),
        ]
        await self._send(h11.Response(status_code=answer.status, headers=headers))
        if not head:
            await self._send(h11.Data(data=answer.body))
        await self._send(h11.EndOfMessage())

    def next(self) -> bool:
        """Begin the next exchange; give false where the connection can have none."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def linger(self) -> None:
        """Read what still comes, for a moment, and forget it."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while await self._reader.read(CHUNK_BYTES):
                    pass
        except TimeoutError:
            pass

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            async with asyncio.timeout(FIRST_SECONDS):
                await self._writer.drain()


async def _body(line: _Line, room: Room) -> bytes:
    body = bytearray()
    while isinstance(event := await line.event(), h11.Data):
        room.grow(len(event.data))
        body += event.data
        if len(body) > MESSAGE_BYTES:
            raise TooLargeError
    return bytes(body)


def _later(text: str, form: str) -> _Answer:
    return _status(503, _UNAVAILABLE, text, form, (("Retry-After", str(RETRY_SECONDS)),))


def _status(status: int, code: int, text: str, form: str, headers: tuple[tuple[str, str], ...] = ()) -> _Answer:
    """Say what is wrong as OTLP has it: a ``google.rpc.Status`` in the form of the request."""
    said = Status(code=code, message=text).SerializeToString()
    return _Answer(status, said if form == PROTOBUF else orjson.dumps({"code": code, "message": text}), form, headers)
