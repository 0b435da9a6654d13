"""One HTTP/1.1 connection: h11 takes the protocol apart, how long each step may take is ours."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

import h11

FIRST_SECONDS: Final = 10.0  # from the connection, its TLS included, to the end of the first request's headers
IDLE_SECONDS: Final = 120.0  # from an answer to the next request's: longer than Go's clients keep a connection, 90 s
LINGER_SECONDS: Final = 1.0  # to read what is still coming: closed before, the answer would be lost with it
HEADER_BYTES: Final = 16 * 2**10
CHUNK_BYTES: Final = 2**16


class Answer(NamedTuple):
    """To one request."""

    status: int
    body: bytes = b""
    form: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()


class Line:
    """What h11 knows of a connection, and the socket's two ends."""

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

    async def answer(self, answer: Answer, *, head: bool, close: bool) -> None:
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
