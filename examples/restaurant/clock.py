"""The restaurant's clock, and the house rules that are stated in its time.

One factor, the *scale*, says how many real seconds a second in the restaurant lasts. At 0.005 the twelve seconds that
a request may take are 60 ms, and a real second is three minutes and twenty seconds of the restaurant's day. Retry
delays, the inline time-out, the cutoff, the cache's and the holds' life-times all pass through this clock, so that they
keep their proportions. The work between them does not: it is real, on a real database.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class HouseRules:
    """How the house works; every duration is in the restaurant's time."""

    inline_timeout: timedelta = timedelta(seconds=12)
    """How long a guest's request waits for a table before it answers "we will tell you"."""
    retry_delays: tuple[timedelta, ...] = tuple(timedelta(seconds=s) for s in (20, 40, 80, 160, 320))
    """What a background job waits before its second, third … attempt; one more attempt than delays."""
    cutoff: timedelta = timedelta(minutes=110)
    """This close to the meal, tables are given by the staff, not by a job."""
    hold_life: timedelta = timedelta(minutes=3)
    cache_life: timedelta = timedelta(seconds=60)
    lock_timeout: timedelta = timedelta(seconds=60)
    slow_stage: timedelta = timedelta(seconds=10)

    @property
    def max_attempts(self) -> int:
        """How often a job may ask the planner."""
        return len(self.retry_delays) + 1


class Clock:
    """Tells the restaurant's time, which began at ``start`` and runs at ``1 / scale`` of ours.

    Args:
        start: What the clock shows now.
        scale: Real seconds a second of the restaurant lasts; above 0.
        monotonic: Real time, in seconds.
        wait: Waits so many real seconds.
    """

    def __init__(
        self,
        start: datetime,
        scale: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._start = start
        self._scale = scale
        self._monotonic = monotonic
        self._wait = wait
        self._began = monotonic()

    def now(self) -> datetime:
        """Give the time in the restaurant."""
        return self._start + timedelta(seconds=(self._monotonic() - self._began) / self._scale)

    def sleep(self, duration: timedelta) -> None:
        """Wait while ``duration`` passes in the restaurant."""
        self._wait(self.real_seconds(duration))

    def real_seconds(self, duration: timedelta) -> float:
        """Say how long ``duration`` takes outside, in seconds."""
        return duration.total_seconds() * self._scale
