"""What a consumer has in hand, and what of it may be committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st

from observability_events.sink.hand import Hand

if TYPE_CHECKING:
    from confluent_kafka import Message


class Read:
    """A message as librdkafka gives it: its own cannot be made."""

    def __init__(self, partition: int, offset: int, value: bytes | None = b"value") -> None:
        self._place = (partition, offset)
        self._value = value

    def partition(self) -> int:
        return self._place[0]

    def offset(self) -> int:
        return self._place[1]

    def value(self) -> bytes | None:
        return self._value


def hand_of(*places: tuple[int, int]) -> Hand:
    """Read one after the other."""
    hand = Hand()
    for place in places:
        hand.add(read(*place))
    return hand


def read(partition: int, offset: int, value: bytes | None = b"value") -> Message:
    """Read one."""
    return cast("Message", Read(partition, offset, value))


def test_offsets_are_those_of_the_next() -> None:
    """For each partition, whatever the order."""
    assert hand_of((0, 5), (1, 9), (0, 6)).offsets() == {0: 7, 1: 10}


def test_what_is_safe_is_not_tried_again_but_committed() -> None:
    """A dead letter beside rows that could not be written yet."""
    hand = hand_of((0, 1), (0, 2))
    (first, second) = hand.unsafe
    hand.safe([first])
    assert hand.unsafe == [second]
    assert hand.offsets() == {0: 3}
    hand.clear()
    assert (len(hand), hand.bytes, hand.offsets()) == (0, 0, {})


def test_an_offset_that_comes_again_is_tried_again() -> None:
    """A partition went away and came back: what was safe then is another reading now."""
    hand = hand_of((0, 1), (1, 1))
    hand.safe(hand.unsafe)
    hand.drop([0])
    again = read(0, 1)
    hand.add(again)
    assert hand.unsafe == [again]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=4) | st.none())),
    st.sets(st.integers(0, 3)),
)
def test_nothing_of_a_partition_that_is_gone_is_committed(
    messages: list[tuple[int, bytes | None]], gone: set[int]
) -> None:
    """And of the others everything, as large as it is."""
    hand = Hand()
    for offset, (partition, value) in enumerate(messages):
        hand.add(read(partition, offset, value))
    hand.drop(gone)
    kept = {offset: (each, value) for offset, (each, value) in enumerate(messages) if each not in gone}
    assert hand.offsets() == {each: offset + 1 for offset, (each, _) in kept.items()}
    assert hand.bytes == sum(len(value or b"") for _, value in kept.values())
