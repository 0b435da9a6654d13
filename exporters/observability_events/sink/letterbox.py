"""The dead-letter topic: what can never be read is laid there, with its reason and where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from observability_events.sink.hand import place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import Message

REASON: Final = "reason"
TOPIC: Final = "topic"
PARTITION: Final = "partition"
OFFSET: Final = "offset"
"""The headers of a dead letter, after those that the message had."""
MARGIN_SECONDS: Final = 1.0  # beyond librdkafka's own time limit, so that it is its answer that is heard


class Letterbox:
    """Writes dead letters; to be used by one thread.

    Args:
        properties: Of its producer, which is made with the first letter.
        topic: Where to.
        timeout: Seconds until the topic must have acknowledged.

    Attributes:
        written: How many were.
        trouble: Why the last was not; None when it was.
    """

    def __init__(self, properties: dict[str, Any], topic: str, timeout: float) -> None:
        self._properties = properties
        self._topic = topic
        self._timeout = timeout
        self._producer: Producer | None = None
        self.written = 0
        self.trouble: str | None = None

    def put(self, letters: Iterable[tuple[Message, str]]) -> list[Message]:
        """Write messages, each with its reason; give those that the topic has acknowledged."""
        taken: list[Message] = []
        self.trouble = None
        for message, reason in letters:
            self._put(message, reason, taken, whole=True)
        if self._producer is not None:
            self._producer.flush(self._timeout + MARGIN_SECONDS)
        self.written += len(taken)
        return list(taken)

    def _put(self, message: Message, reason: str, taken: list[Message], *, whole: bool) -> None:
        partition, offset = place(message)

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is None:
                taken.append(message)
            elif whole and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                self._put(message, f"{reason}; too large for this topic, look where it came from", taken, whole=False)
            else:
                self.trouble = error.str()

        headers: list[tuple[str, Any]] = [
            *(message.headers() or ()),
            (REASON, reason.encode()),
            (TOPIC, (message.topic() or "").encode()),
            (PARTITION, str(partition).encode()),
            (OFFSET, str(offset).encode()),
        ]
        value = message.value() if whole else None
        try:
            self._made().produce(self._topic, value, message.key(), headers=headers, on_delivery=delivered)
        except BufferError:
            self.trouble = "too many dead letters at once: the others are next"
        except KafkaException as error:
            delivered(error.args[0], message)

    def _made(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(self._properties)
        return self._producer
