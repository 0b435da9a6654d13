"""What a consumer has in hand: messages that were read, and whose offsets may not be committed before they are safe."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from confluent_kafka import Message


class Hand:
    """Messages in the order in which they were read; to be used by one thread.

    Attributes:
        bytes: Of all their values.
    """

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._safe: set[tuple[int, int]] = set()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Message) -> None:
        """Take one more."""
        self._messages.append(message)
        self.bytes += len(message.value() or b"")

    @property
    def unsafe(self) -> list[Message]:
        """Those that are neither written nor dead letters."""
        return [each for each in self._messages if place(each) not in self._safe]

    def safe(self, messages: Iterable[Message]) -> None:
        """Have ``messages`` be safe: tried again with the others, they are left alone."""
        self._safe.update(map(place, messages))

    def drop(self, partitions: Collection[int]) -> None:
        """Forget what is of ``partitions``: it is somebody else's now, who reads it again."""
        self._messages = [each for each in self._messages if place(each)[0] not in partitions]
        self._safe = {each for each in self._safe if each[0] not in partitions}
        self.bytes = sum(len(each.value() or b"") for each in self._messages)

    def offsets(self) -> dict[int, int]:
        """Give for each partition the offset at which whoever has it goes on."""
        return {partition: offset + 1 for partition, offset in sorted(map(place, self._messages))}

    def clear(self) -> None:
        """Have nothing."""
        self._messages, self._safe, self.bytes = [], set(), 0


def place(message: Message) -> tuple[int, int]:
    """Give the partition of a message that was read, and its offset there."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None  # noqa: S101 - for the type checker: of a message that was read
    assert offset is not None  # noqa: S101 - likewise
    return partition, offset
