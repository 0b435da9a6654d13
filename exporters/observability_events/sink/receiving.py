"""What both doors of a sink do with a message: who may send, how much at a time, and until when it must be answered.

Everything here runs on one event loop; a message is taken apart on threads of its own and written on the lanes'.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from observability_events.complaints import Remarks
from observability_events.sink.decoding import UndecodableError, decoded
from observability_events.sink.writing import ANSWER_SECONDS, NotWrittenError
from otel_auto_assign import _guard
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from observability_events.sink.writing import SinkWriter
    from otel_auto_assign.settings import Settings

MESSAGE_BYTES: Final = 64 * 2**20  # the most that one message may have, unpacked
MARGIN_SHARE: Final = 0.1
MARGIN_MOST_SECONDS: Final = 1.0
"""What is kept of a sender's deadline for the answer to reach it."""
RETRY_SECONDS: Final = 1  # after which a sender may try again; its own back-off grows from there
DECODERS: Final = 2

_log = SafeLog(__name__)


class LaterError(Exception):
    """The message was not taken and is to be sent again; the text is for the sender, and says nothing of the inside."""


class Receiver:
    """Takes messages for ``writer``.

    Args:
        writer: Started; closed by whoever made it.
        settings: ``sink_timeout`` and ``sink_bytes``.
        token: What senders must know; empty: nothing.

    Attributes:
        decoders: Threads for what would hold the event loop up.
        draining: Whether the end has come.
    """

    def __init__(self, writer: SinkWriter, settings: Settings, token: str) -> None:
        self._writer = writer
        self._timeout = settings.sink_timeout
        self._most_bytes = settings.sink_bytes
        self._expected = token.encode()
        self._bytes = 0
        self.decoders = ThreadPoolExecutor(DECODERS, "otel-auto-assign-decoder")
        self._remarks = Remarks(_log)
        self.draining = False

    @property
    def ready(self) -> bool:
        """Whether the next message has a good chance."""
        return self._writer.ready and not self.draining

    def admit(self, authorization: str | None) -> None:
        """Let in who knows the token.

        Raises:
            LaterError: for who does not: it may be that the token was changed here first, and a collector drops for
                good what it is told not to send again.
        """
        if not self._expected:
            return
        scheme, _, given = (authorization or "").partition(" ")
        known = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._expected)
        if scheme.lower() != "bearer" or not known:
            self._remarks.warning("a sender did not give the token: it is told to try again later")
            raise LaterError("not authorized")

    @contextmanager
    def room(self) -> Iterator[Room]:
        """Give room for one message, while the block has it in memory."""
        room = Room(self)
        try:
            yield room
        finally:
            self._bytes -= room.bytes

    def deadline(self, remaining: float | None = None) -> float:
        """Give when a message that comes now must be answered; ``remaining`` are the seconds that its sender waits."""
        seconds = self._timeout
        if remaining is not None:
            seconds = min(seconds, remaining - min(remaining * MARGIN_SHARE, MARGIN_MOST_SECONDS))
        return time.monotonic() + seconds

    async def take(self, body: bytes, form: str, deadline: float) -> None:
        """Have the spans of ``body`` written; returns when all is safe.

        Raises:
            UndecodableError: if it can never be.
            LaterError: if it is not, at ``deadline`` or before, for whatever reason.
        """
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic()) + ANSWER_SECONDS):
                spans = await asyncio.get_running_loop().run_in_executor(self.decoders, decoded, body, form)
                await asyncio.wrap_future(self._writer.submit(spans, deadline))
        except UndecodableError as error:
            self._remarks.warning(f"a message was refused for good: {error}")
            raise
        except (NotWrittenError, TimeoutError):
            raise LaterError("the rows are not in the database yet") from None
        except Exception as error:
            _guard.swallowed("taking what was sent to the sink", error)
            raise LaterError("a fault of the sink") from None

    def close(self) -> None:
        """Let the threads go."""
        self.decoders.shutdown(wait=False, cancel_futures=True)

    def _grow(self, size: int) -> None:
        if self._bytes and self._bytes + size > self._most_bytes:  # one message is taken, however large
            self._remarks.warning("more was sent at once than `sink_bytes` allows in memory: senders wait")
            raise LaterError("too much at once")
        self._bytes += size


class Room:
    """What one message takes of the memory for all.

    Attributes:
        bytes: So many.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.bytes = 0

    def grow(self, size: int) -> None:
        """Take ``size`` bytes more.

        Raises:
            LaterError: if there are no more.
        """
        self._receiver._grow(size)  # noqa: SLF001 - the module's own
        self.bytes += size
