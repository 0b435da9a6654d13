"""A pilot's rows: restaurants whose days are switched in pairs, ten jobs and ten inline runs a day."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from otel_auto_assign import semconv
from tests.analysis.rows import Row

START = datetime(2026, 9, 1, tzinfo=UTC)
RESTAURANTS = (uuid.UUID(int=7), uuid.UUID(int=8))
Switch = Callable[[int, int, int], "bool | None"]
"""Of day, restaurant and number of the booking: both flags on, off, or set by nobody."""


def in_pairs(day: int, restaurant: int, _: int) -> bool:
    """Days by turns, the restaurants against each other."""
    return (day + restaurant) % 2 == 0


@dataclass(frozen=True)
class Pilot:
    """What a pilot is like.

    Attributes:
        days: How long it lasts, from `START`.
        per_day: Jobs and inline runs of a restaurant's day.
        switch: Which bookings have the flags on.
        speed: What the flags do to the planner's time.
        calls: Uncached planner calls of a job, with the flags off and on.
        success: Share of jobs that succeed, likewise.
        timeouts: Share of inline runs that time out, likewise.
        seed: Of all that is random.
        environment: Of every row.
        first_booking: Ids of bookings count from it.
        start: Its first midnight.
    """

    days: int = 28
    per_day: int = 10
    switch: Switch = in_pairs
    speed: float = 0.3
    calls: tuple[int, int] = (2, 1)
    success: tuple[float, float] = (0.8, 0.9)
    timeouts: tuple[float, float] = (0.2, 0.1)
    seed: int = 1
    environment: str = "production"
    first_booking: int = 1
    start: datetime = START

    def rows(self) -> list[Row]:
        """Give all of them."""
        random = np.random.default_rng(self.seed)
        found: list[Row] = []
        number = self.first_booking
        for day in range(self.days):
            for place in range(len(RESTAURANTS)):
                for _ in range(self.per_day):
                    on = self.switch(day, place, number)
                    at = self.start + timedelta(days=day, hours=9, seconds=float(random.uniform(0, 36_000)))
                    found += self._booking(random, number, RESTAURANTS[place], at, on)
                    number += 1
        return found

    def _booking(
        self, random: np.random.Generator, number: int, restaurant: uuid.UUID, at: datetime, on: bool | None
    ) -> list[Row]:
        booking, state = uuid.UUID(int=10_000 + number), int(on or 0)
        speed = self.speed if on else 1.0
        flags = {"retry_policy_v2": bool(on), "planner_cache": bool(on), "source": "default" if on is None else "env"}

        def own(event: str, seconds: float, source: str, **context: Any) -> Row:
            common = {"environment": self.environment, "service": "app", "flags": flags, "trigger": "cron"}
            return Row(event, {**common, **context}, at + timedelta(seconds=seconds), source, booking, restaurant)

        def job(event: str, seconds: float, **context: Any) -> Row:
            return own(event, seconds, semconv.SOURCE_JOB, job_id=f"{number:016x}", **context)

        def inline(event: str, seconds: float, **context: Any) -> Row:
            return own(event, seconds, semconv.SOURCE_INLINE, attemptId=f"i{number:015x}", **context)

        well = random.random() < self.success[state]
        rows, elapsed = [job(semconv.EVENT_STARTED, 100)], 100.0
        for index in range(self.calls[state]):
            last = index == self.calls[state] - 1
            reason = "success" if well and last else "hard.no_capacity"
            ms = float(round(speed * 1000 * random.lognormal(0, 0.5), 3))
            elapsed += ms / 1000
            asked = {"planner_duration_ms": ms, "durationMs": ms, "flow": "job", "reasonCode": reason}
            rows.append(job(semconv.EVENT_QUOTE, elapsed, **asked, attempt_index=index, cache_hit=False))
            rows.append(job(semconv.EVENT_ATTEMPT, elapsed, attempt_index=index, reasonCode=reason, planner_calls=1))
        total = (elapsed - 100) * 1000
        result = "succeeded" if well else "exhausted"
        used = self.calls[state]
        rows.append(job(semconv.EVENT_SUMMARY, elapsed, attemptsUsed=used, result=result, totalDurationMs=total))
        if random.random() < self.timeouts[state]:
            return [*rows, inline(semconv.EVENT_INLINE_TIMEOUT, 12, durationMs=12_000, timeoutMs=12_000)]
        ms = float(round(speed * 1500 * random.lognormal(0, 0.3), 3))
        asked = {"planner_duration_ms": ms, "durationMs": ms, "flow": "inline", "reasonCode": "success"}
        return [
            *rows,
            inline(semconv.EVENT_QUOTE, ms / 1000, **asked, cache_hit=False),
            inline(semconv.EVENT_INLINE_SUCCEEDED, ms / 1000, durationMs=ms),
        ]
