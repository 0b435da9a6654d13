"""Kafka → rows: one batch at a time, from the messages to their offsets, and nothing of it is kept here.

::

    reading ──► in hand ──► rows safe, unreadable ones in the dead-letter topic ──► offsets committed ──► reading
                   │  ▲
                   └──┘ not safe yet: the partitions are paused, the group goes on hearing of us, and all is tried again

A process that ends anywhere in between has its messages read again by the next, and the ids of rows make that harmless.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait
from itertools import chain
from typing import TYPE_CHECKING, Final

from observability_events.complaints import Complaint
from observability_events.sink.decoding import JSON, PROTOBUF, UndecodableError, decoded
from observability_events.sink.hand import Hand
from observability_events.sink.writing import ANSWER_SECONDS
from otel_auto_assign._guard import SafeLog
from otel_auto_assign.settings import OTLP_JSON

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from concurrent.futures import Future

    from confluent_kafka import Message

    from observability_events.plain_span import PlainSpan
    from observability_events.sink.group import Group
    from observability_events.sink.letterbox import Letterbox
    from observability_events.sink.writing import SinkWriter
    from otel_auto_assign.settings import Settings

BATCH_BYTES: Final = 4 * 2**20  # of messages, which take about six times that when they are taken apart
BATCH_MESSAGES: Final = 1000
SHARED_BYTES: Final = 2**18  # from so many on, a batch is shared by the connections
READ_SECONDS: Final = 0.5  # to look whether the end has come
LINGER_SECONDS: Final = 0.1  # for more to come: a commit of rows and one of offsets cost the same for one message
PATIENCE_SECONDS: Final = 1.0  # a batch that takes longer is waited for with the partitions paused
POLL_SECONDS: Final = 0.1
AGAIN_SECONDS: Final = 1.0

_log = SafeLog(__name__)


class Consuming:
    """Reads until it is stopped.

    Args:
        writer: Started; closed by whoever made it.
        letterbox: For what cannot be read.
        settings: The encoding and time-outs.

    Attributes:
        messages: How many were finished.
        retries: How often a batch had to be tried again.
    """

    def __init__(self, writer: SinkWriter, letterbox: Letterbox, settings: Settings) -> None:
        self._writer = writer
        self._letterbox = letterbox
        self._form = JSON if settings.sink_kafka_encoding == OTLP_JSON else PROTOBUF
        self._timeout = settings.sink_timeout
        self._connections = settings.sink_connections
        self._hand = Hand()
        self._ended = threading.Event()
        self._until = float("inf")
        self._complaint = Complaint(_log, "what was in hand is written")
        self.messages = 0
        self.retries = 0

    def stop(self, grace: float) -> None:
        """Read no more, and finish what is in hand within ``grace`` seconds; for another thread."""
        self._until = time.monotonic() + grace
        self._ended.set()

    def drop(self, partitions: Collection[int]) -> None:
        """Forget what is in hand of ``partitions``."""
        self._hand.drop(partitions)

    def run(self, group: Group) -> None:
        """Read from ``group`` until `stop`.

        Raises:
            FencedError: if another process has taken its place there.
            GroupError: if it cannot go on.
        """
        while not self._ended.is_set():
            self._read(group)
            while self._hand and not self._finish(group) and time.monotonic() < self._until:
                self.retries += 1
                self._rest(group)
            group.release()
        group.settle(max(0.0, self._until - time.monotonic()))

    def _read(self, group: Group) -> None:
        message = group.take(READ_SECONDS)
        until = time.monotonic() + LINGER_SECONDS
        while message is not None:
            self._hand.add(message)
            if self._hand.bytes >= BATCH_BYTES or len(self._hand) >= BATCH_MESSAGES:
                break
            message = group.take(max(0.0, until - time.monotonic()))

    def _finish(self, group: Group) -> bool:
        """Have what is in hand be safe; give whether it is, and its offsets are on their way."""
        readable: list[tuple[Message, Iterator[PlainSpan]]] = []
        letters: list[tuple[Message, str]] = []
        for message in self._hand.unsafe:
            try:
                readable.append((message, decoded(_body(message), self._form)))
            except UndecodableError as error:
                letters.append((message, str(error)))
        deadline = min(time.monotonic() + self._timeout, self._until)
        written = self._submitted([spans for _, spans in readable], deadline)
        if letters:
            self._hand.safe(self._letterbox.put(letters))
        if self._written(group, written, deadline):
            self._hand.safe(message for message, _ in readable)
        if self._hand.unsafe:
            self._complaint.trouble(f"messages are read again and again, and wait: {self._trouble}")
            return False
        self._complaint.over()
        self.messages += len(self._hand)
        group.commit(self._hand.offsets())
        self._hand.clear()
        return True

    def _submitted(self, spans: list[Iterator[PlainSpan]], deadline: float) -> list[Future[None]]:
        lanes = self._connections if self._hand.bytes >= SHARED_BYTES else 1
        shares = [spans[first::lanes] for first in range(lanes)]
        return [self._writer.submit(chain.from_iterable(share), deadline) for share in shares if share]

    def _written(self, group: Group, written: list[Future[None]], deadline: float) -> bool:
        patience = time.monotonic() + PATIENCE_SECONDS
        while (left := wait(written, POLL_SECONDS).not_done) and self._hand:
            now = time.monotonic()
            if now > deadline + ANSWER_SECONDS:
                break
            if now > patience:
                group.hold()
                group.tend()
        for each in left:
            each.cancel()
        return not left and all(each.exception() is None for each in written)

    def _rest(self, group: Group) -> None:
        """Be heard of by the group, for a while."""
        group.hold()
        until = min(time.monotonic() + AGAIN_SECONDS, self._until)
        while self._hand and time.monotonic() < until:
            group.tend()
            self._ended.wait(POLL_SECONDS) if not self._ended.is_set() else time.sleep(POLL_SECONDS)

    @property
    def _trouble(self) -> str:
        letters, rows = self._letterbox.trouble, self._writer.trouble
        if letters:
            return f"the dead-letter topic does not take them: {letters}"
        return rows or "the rows were not written in time"


def _body(message: Message) -> bytes:
    body = message.value()
    if body is None:
        raise UndecodableError("the message has no value")
    return body
