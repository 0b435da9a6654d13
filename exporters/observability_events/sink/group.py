"""A member of a consumer group: what it reads, what it may commit, and what it has lost.

::

    joining ──assigned──► reading ◄──release── held: paused, and polled, so that the group keeps it
                             └──────hold─────────►┘
    either ──revoked──► without those partitions: what is in hand of them is dropped, their offsets are the next owner's

Rebalancing is cooperative: who keeps a partition goes on with it. A partition that was revoked and comes back is as it
was, paused too, so after every assignment all are told how they are to be.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from observability_events.complaints import Complaint
from observability_events.sink.hand import place
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from confluent_kafka import Message

COMMIT_AGAIN_SECONDS: Final = 1.0
_log = SafeLog(__name__)


class FencedError(Exception):
    """Another process has joined under the same name, and this one is no member any more."""


class GroupError(Exception):
    """The group cannot be read from any more, and a restart may help; without secrets."""


class Group:
    """A consumer of one topic; to be used by one thread.

    Args:
        properties: Of librdkafka's consumer.
        topic: What is read.
        hidden: Takes secrets out of a text.
        on_dropped: Told of partitions that are no longer its own.
        on_committed: Told of the seconds that it took to commit offsets, and the error's name if they were not.

    Raises:
        KafkaException: if librdkafka does not take the properties.

    Attributes:
        assigned: The partitions that are its own.
        joined: Whether it was ever given any, be it none.
    """

    def __init__(
        self,
        properties: dict[str, Any],
        topic: str,
        *,
        hidden: Callable[[str], str],
        on_dropped: Callable[[Collection[int]], None],
        on_committed: Callable[[float, str | None], None],
    ) -> None:
        self._topic = topic
        self._hidden = hidden
        self._on_dropped = on_dropped
        self._on_committed = on_committed
        self._early: deque[Message] = deque()  # came between a pause and its effect
        self._owed: dict[int, int] = {}
        self._sent_at = 0.0
        self._in_flight = False
        self._held = False
        self._fatal: KafkaError | None = None
        self._complaint = Complaint(_log, "Kafka answers again")
        self.assigned: frozenset[int] = frozenset()
        self.joined = False
        self._consumer = Consumer(properties | {"on_commit": self._committed, "error_cb": self._failed})
        self._consumer.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke)

    def take(self, seconds: float) -> Message | None:
        """Give the next message, if there is one within ``seconds``.

        Raises:
            FencedError: if another has its place.
            GroupError: if it cannot go on.
        """
        if self._early and not self._held:
            return self._early.popleft()
        message = self._polled(seconds)
        if message is not None and self._held:
            self._early.append(message)
            return None
        return message

    def tend(self) -> None:
        """Be heard of by the group, and have nothing given.

        Raises:
            FencedError: as `take`.
            GroupError: likewise.
        """
        message = self._polled(0.0)
        if message is not None:
            self._early.append(message)

    def hold(self) -> None:
        """Have nothing fetched until `release`."""
        if not self._held:
            self._held = True
            self._consumer.pause(self._consumer.assignment())

    def release(self) -> None:
        """Go on reading."""
        if self._held:
            self._held = False
            self._consumer.resume(self._consumer.assignment())

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Have ``offsets`` committed, those of its own partitions alone; what the brokers do not take is sent again."""
        self._owed |= offsets
        self._pay()

    def settle(self, seconds: float) -> bool:
        """Wait until the brokers have all offsets; give whether they have them after ``seconds``."""
        until = time.monotonic() + seconds
        while self._owed and time.monotonic() < until:
            self._polled(0.05)
        return not self._owed

    def close(self) -> None:
        """Leave the group; with static membership: go, and let the partitions wait."""
        self._consumer.close()

    def _polled(self, seconds: float) -> Message | None:
        if self._owed and not self._in_flight and time.monotonic() - self._sent_at >= COMMIT_AGAIN_SECONDS:
            self._pay()
        message = self._consumer.poll(seconds)
        if self._fatal is not None:
            if "fenced" in self._fatal.str():  # of what was fatal there is only the text
                raise FencedError
            raise GroupError(self._hidden(self._fatal.str()))
        if message is None:
            return None
        error = message.error()
        if error is None:
            self._complaint.over()
            return message if place(message)[0] in self.assigned else None
        self._failed(error)
        return None

    def _pay(self) -> None:
        self._owed = {each: offset for each, offset in self._owed.items() if each in self.assigned}
        if self._owed:
            self._sent_at = time.monotonic()
            self._in_flight = True
            offsets = [TopicPartition(self._topic, each, offset) for each, offset in self._owed.items()]
            try:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                self._committed(error.args[0], offsets)

    # -- what librdkafka calls, out of a poll -------------------------------------------------------------------------

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self._in_flight = False
        failed = error or next((each.error for each in partitions if each.error is not None), None)
        self._on_committed(time.monotonic() - self._sent_at, None if failed is None else failed.name())
        if failed is not None:
            self._complaint.trouble(f"offsets were not committed: {self._hidden(failed.str())}")
            return
        self._complaint.over()
        for each in partitions:
            if self._owed.get(each.partition) == each.offset:
                del self._owed[each.partition]

    def _failed(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001 - librdkafka's own code is called so
            self._fatal = error
        elif error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._complaint.trouble(
                f"there is no topic {self._topic}: make it, with a partition for each sink at least"
            )
        else:
            self._complaint.trouble(f"Kafka: {self._hidden(error.str())}")

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        self.assigned |= {each.partition for each in partitions}
        self.joined = True
        (consumer.pause if self._held else consumer.resume)(consumer.assignment())
        _log.info("of %s it has partitions %s", self._topic, sorted(self.assigned))

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {each.partition for each in partitions}
        self.assigned -= gone
        self._early = deque(each for each in self._early if place(each)[0] not in gone)
        self._owed = {each: offset for each, offset in self._owed.items() if each not in gone}
        self._on_dropped(gone)
        _log.info("of %s it has partitions %s, others have %s", self._topic, sorted(self.assigned), sorted(gone))
