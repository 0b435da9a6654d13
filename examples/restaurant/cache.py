"""The planner's memory of refusals: the same question, asked again soon, gets the same no without any work."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from examples.restaurant.bookings import Booking
from examples.restaurant.combinations import Strategy

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer hangs on; two bookings that ask the same get the same."""

    restaurant_id: uuid.UUID
    party: int
    starts_at: datetime
    strategy: Strategy

    @classmethod
    def of(cls, booking: Booking, strategy: Strategy) -> Question:
        """Give the question that ``booking`` asks."""
        return cls(booking.restaurant_id, booking.party, booking.starts_at, strategy)


class PlannerCache(Generic[Answer]):
    """Answers, each kept for ``life`` on the clock ``now``."""

    def __init__(self, life: timedelta, now: Callable[[], datetime]) -> None:
        self._life = life
        self._now = now
        self._lock = threading.Lock()
        self._answers: dict[Question, tuple[datetime, Answer]] = {}

    def get(self, question: Question) -> Answer | None:
        """Give the answer, if there is one that has not expired."""
        with self._lock:
            kept = self._answers.get(question)
            if kept is None:
                return None
            expires, answer = kept
            if self._now() < expires:
                return answer
            del self._answers[question]
            return None

    def put(self, question: Question, answer: Answer) -> None:
        """Keep an answer."""
        with self._lock:
            self._answers[question] = (self._now() + self._life, answer)

    def forget(self, restaurant_id: uuid.UUID) -> None:
        """Drop what is known of a restaurant: tables have become free there."""
        with self._lock:
            for question in [q for q in self._answers if q.restaurant_id == restaurant_id]:
                del self._answers[question]
