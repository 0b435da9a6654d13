"""A topic of the real Kafka: made, filled and read, and what a group has committed of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # its stubs do not export it

from tests.exporters.support import until

LETTERS = ".dead-letters"


@dataclass(frozen=True)
class Topic:
    """One of a broker's, with its dead letters.

    Attributes:
        broker: Its address.
        name: Of its own, unless it is given.
        partitions: How many.
    """

    broker: str
    name: str = field(default_factory=lambda: f"spans-{uuid.uuid4()}")
    partitions: int = 4

    @property
    def letters(self) -> Topic:
        """Its dead letters' topic."""
        return Topic(self.broker, self.name + LETTERS, 1)

    def make(self, *, letters: bool = True, config: dict[str, str] | None = None) -> Topic:
        """Make it, as an operator would."""
        client = AdminClient({"bootstrap.servers": self.broker})
        new = [NewTopic(self.name, self.partitions, 1, config=config or {})]
        if letters:
            new.append(NewTopic(self.letters.name, 1, 1))
        for made in client.create_topics(new).values():
            made.result(20)
        return self

    def send(
        self, *bodies: bytes | None, partition: int | None = None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Send messages, in turn to each partition, or all to one; they are acknowledged when it returns."""
        refused: list[object] = []
        producer = Producer({"bootstrap.servers": self.broker, "acks": "all", "message.max.bytes": 10**8})
        for number, body in enumerate(bodies):
            to = number % self.partitions if partition is None else partition
            producer.produce(
                self.name, body, partition=to, headers=list(headers),
                on_delivery=lambda error, _: refused.append(error) if error is not None else None,
            )  # fmt: skip
        assert producer.flush(30) == 0
        assert refused == []

    def read(self, number: int) -> list[Message]:
        """Read so many messages from the beginning."""
        consumer = Consumer({"bootstrap.servers": self.broker, "group.id": "the test", "enable.auto.commit": False})
        consumer.assign([TopicPartition(self.name, each, 0) for each in range(self.partitions)])
        found: list[Message] = []

        def enough() -> bool:
            if (message := consumer.poll(0.1)) is not None:
                assert message.error() is None, message.error()
                found.append(message)
            return len(found) >= number

        try:
            until(enough, seconds=30)
            assert consumer.poll(0.2) is None
        finally:
            consumer.close()
        return found

    def committed(self, group: str) -> int:
        """Tell how many messages of it a group has finished."""
        client = AdminClient({"bootstrap.servers": self.broker})
        places = [TopicPartition(self.name, each) for each in range(self.partitions)]
        asked = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
        found = asked[group].result(20).topic_partitions
        return sum(max(0, each.offset) for each in found)
