"""The job flow: in the background, a booking's table is looked for until it is found or there is no point."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Literal

import psycopg

from examples.restaurant.bookings import CANCELLED, CONFIRMED, Booking, BookingBook
from examples.restaurant.clock import Clock, HouseRules
from examples.restaurant.flags import read_features
from examples.restaurant.observer import JobObserver
from examples.restaurant.planner import ConfirmError, Planner, Quote
from examples.restaurant.policy import AttemptPlan, plan_attempts


@dataclass(frozen=True, slots=True)
class JobReport:
    """How a job ended, and after how many attempts."""

    result: Literal["succeeded", "exhausted", "cutoff", "already_confirmed", "skipped"]
    attempts: int = 0
    reason: str | None = None


class AssignJob:
    """Looks for tables in the background. One object serves every thread; `run` is one job."""

    def __init__(
        self, planner: Planner, book: BookingBook, clock: Clock, rules: HouseRules, *, observer: JobObserver
    ) -> None:
        self._planner = planner
        self._book = book
        self._clock = clock
        self._rules = rules
        self.observer = observer

    def run(self, booking_id: uuid.UUID, trigger: str) -> JobReport:
        """Try, wait, and try again; ``trigger`` says what started the job.

        Returns ``skipped`` when there was nothing to do: no such booking, or one that was cancelled.
        """
        booking = self._book.load(booking_id)
        if booking is None:
            return JobReport("skipped", reason="not found")
        features = read_features()
        plan = plan_attempts(self._rules, features, booking.hint)
        self.observer.loaded(booking, trigger, plan.max_attempts)
        if plan.skipped is not None:
            self.observer.initial_attempt_skipped(plan.skipped, self._rules.max_attempts, plan.max_attempts)
        attempts = 0
        reason = None
        for index in plan.indexes():
            if index > 0:
                self._clock.sleep(self._rules.retry_delays[index - 1])
                booking = self._book.load(booking_id)
            if (over := self._over(booking, attempts)) is not None:
                return over
            assert booking is not None  # noqa: S101 - `_over` says so
            attempts += 1
            try:
                quote = self.attempt(booking, index, plan)
            except (psycopg.Error, ConfirmError) as error:
                reason = str(error).splitlines()[0]
                continue
            if quote.hold is not None:
                return JobReport("succeeded", attempts)
            reason = quote.reason or "no table"
            if quote.hard and features.retry_policy_v2:
                self.observer.stopped_hard(reason)
                break
        return JobReport("exhausted", attempts, reason)

    def attempt(self, booking: Booking, index: int, plan: AttemptPlan) -> Quote:
        """Ask the planner once, and confirm what it holds.

        Raises:
            ConfirmError: If the hold or the booking was lost on the way.
            psycopg.Error: If the database fails, or another confirmed first.
        """
        strategy = plan.strategy(index)
        if strategy is plan.adjusted:
            self.observer.search_adjusted(strategy)
        quote = self._planner.quote(booking, strategy)
        if quote.hold is not None:
            self._planner.confirm(quote.hold, booking)
        return quote

    def _over(self, booking: Booking | None, attempts: int) -> JobReport | None:
        """Say how the job ends if the booking, as it stands now, needs no attempt."""
        if booking is None or booking.status == CANCELLED:
            return JobReport("skipped", attempts, "cancelled")
        if booking.status == CONFIRMED:
            self.observer.already_confirmed()
            return JobReport("already_confirmed", attempts)
        if self._clock.now() > booking.starts_at - self._rules.cutoff:
            self.observer.too_late(round(self._rules.cutoff.total_seconds() / 60))
            return JobReport("cutoff", attempts)
        return None
