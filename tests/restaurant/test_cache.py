"""The planner's memory of refusals."""

import uuid
from datetime import timedelta

from examples.restaurant.bookings import Booking
from examples.restaurant.cache import PlannerCache, Question
from examples.restaurant.combinations import Strategy
from tests.restaurant.support import EVENING, Time

HERE, THERE = uuid.uuid4(), uuid.uuid4()


def question(restaurant: uuid.UUID = HERE, party: int = 2) -> Question:
    """Give what a new booking asks."""
    return Question.of(Booking(uuid.uuid4(), restaurant, party, EVENING), Strategy())


def test_an_answer_lives_as_long_as_it_was_given() -> None:
    """Up to its life an answer is there; from then on it is not."""
    time = Time()
    clock = time.clock()
    cache: PlannerCache[str] = PlannerCache(timedelta(seconds=60), clock.now)
    cache.put(question(), "no")

    time.seconds = 59.9
    assert cache.get(question()) == "no"
    time.seconds = 60
    assert cache.get(question()) is None


def test_bookings_share_an_answer_only_if_they_ask_the_same() -> None:
    """Two parties of two get one answer, a party of three does not."""
    cache: PlannerCache[str] = PlannerCache(timedelta(seconds=60), Time().clock().now)
    cache.put(question(party=2), "no")

    assert cache.get(question(party=2)) == "no"
    assert cache.get(question(party=3)) is None


def test_forgetting_is_for_one_restaurant() -> None:
    """Tables that become free here say nothing about there."""
    cache: PlannerCache[str] = PlannerCache(timedelta(seconds=60), Time().clock().now)
    cache.put(question(HERE), "no")
    cache.put(question(THERE), "no")

    cache.forget(HERE)

    assert cache.get(question(HERE)) is None
    assert cache.get(question(THERE)) == "no"
