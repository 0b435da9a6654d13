"""``/healthz`` and ``/readyz`` over HTTP, on the event loop; what else a door answers is its own.

Connections which send nothing, or a byte a minute, are closed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import ClassVar, Final, Protocol

import h11

from observability_events.sink import http_line
from observability_events.sink.http_line import Answer, Line
from otel_auto_assign import _guard

HEALTHY: Final = "/healthz"
READY: Final = "/readyz"
MOST_CONNECTIONS: Final = 1000


class Asked(Protocol):
    """Whose health it is."""

    @property
    def ready(self) -> bool:
        """Whether its work can be done now."""


class HealthDoor:
    """Says that the process lives, and whether ``asked`` is ready; with TLS if ``tls`` says how."""

    methods: ClassVar[Mapping[str, tuple[str, ...]]] = {HEALTHY: ("GET", "HEAD"), READY: ("GET", "HEAD")}

    def __init__(self, asked: Asked, tls: ssl.SSLContext | None = None) -> None:
        self._asked = asked
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
        handshake = None if self._tls is None else http_line.FIRST_SECONDS
        self._server = await asyncio.start_server(
            self._connected, host, port, ssl=self._tls, ssl_handshake_timeout=handshake, limit=http_line.CHUNK_BYTES
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
        line = Line(reader, writer)
        try:
            more = len(self._idle) + len(self._busy) < MOST_CONNECTIONS
            seconds = http_line.FIRST_SECONDS
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
                seconds = http_line.IDLE_SECONDS
        except (TimeoutError, OSError, h11.RemoteProtocolError, asyncio.CancelledError):
            pass  # whoever it was is gone, or is to go
        except Exception as error:
            _guard.swallowed("answering a request", error)
        finally:
            self._idle.discard(task)
            self._busy.discard(task)
            writer.close()

    async def _exchange(self, line: Line, request: h11.Request) -> bool:
        """Answer one request; give whether there may be another on this connection."""
        answer = await self._answer(line, request)
        await line.answer(answer, head=request.method == b"HEAD", close=self._closing)
        if line.next():
            return True
        await line.linger()
        return False

    async def _answer(self, line: Line, request: h11.Request) -> Answer:
        path, method = request.target.decode("latin-1").partition("?")[0], request.method.decode("latin-1")
        if path not in self.methods:
            return Answer(404)
        if method not in self.methods[path]:
            return Answer(405, headers=(("Allow", ", ".join(self.methods[path])),))
        if path == HEALTHY:
            return Answer(200, b"ok\n")
        if path == READY:
            return Answer(200, b"ok\n") if self._asked.ready else Answer(503, b"not ready\n")
        return await self._work(line, request)

    async def _work(self, line: Line, request: h11.Request) -> Answer:
        """Answer a request for another of the `methods`."""
        raise NotImplementedError
