"""OTLP/HTTP: ``POST /v1/traces``, beside the health.

What was not taken is 503 with Retry-After; 400 is only for what can never be read, and 404, 405, 413 and 415 for who
speaks to the wrong place or in the wrong way.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final

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
from observability_events.sink.health_door import HealthDoor
from observability_events.sink.http_line import Answer, Line
from observability_events.sink.receiving import MESSAGE_BYTES, RETRY_SECONDS, LaterError
from otel_auto_assign import _guard

if TYPE_CHECKING:
    from observability_events.sink.receiving import Receiver, Room

TRACES: Final = "/v1/traces"

_UNAVAILABLE: Final = 14  # of gRPC, which OTLP/HTTP's statuses speak, too
_INVALID: Final = 3


class HttpDoor(HealthDoor):
    """Takes requests for ``receiver``, with TLS if ``tls`` says how."""

    methods: ClassVar[Mapping[str, tuple[str, ...]]] = {TRACES: ("POST",), **HealthDoor.methods}

    def __init__(self, receiver: Receiver, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(receiver, tls)
        self._receiver = receiver

    async def _work(self, line: Line, request: h11.Request) -> Answer:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        form = headers.get("content-type", "").partition(";")[0].strip().lower()
        packing = headers.get("content-encoding", "identity").strip().lower()
        if form not in FORMS or packing not in {GZIP, "identity"}:
            return Answer(415)
        try:
            await self._take(line, headers, form, packing)
        except TooLargeError:
            return Answer(413)
        except UndecodableError as error:
            return _status(400, _INVALID, str(error), form)
        except (LaterError, TimeoutError) as error:
            return _later(str(error) or "the body did not come in time", form)
        except (OSError, h11.RemoteProtocolError):
            raise
        except Exception as error:
            _guard.swallowed("answering a request", error)
            return _later("a fault of the sink", form)
        return Answer(200, b"{}" if form == JSON else b"", form)  # never a partial success: it is not sent again

    async def _take(self, line: Line, headers: dict[str, str], form: str, packing: str) -> None:
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


async def _body(line: Line, room: Room) -> bytes:
    body = bytearray()
    while isinstance(event := await line.event(), h11.Data):
        room.grow(len(event.data))
        body += event.data
        if len(body) > MESSAGE_BYTES:
            raise TooLargeError
    return bytes(body)


def _later(text: str, form: str) -> Answer:
    return _status(503, _UNAVAILABLE, text, form, (("Retry-After", str(RETRY_SECONDS)),))


def _status(status: int, code: int, text: str, form: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Say what is wrong as OTLP has it: a ``google.rpc.Status`` in the form of the request."""
    said = Status(code=code, message=text).SerializeToString()
    return Answer(status, said if form == PROTOBUF else orjson.dumps({"code": code, "message": text}), form, headers)
