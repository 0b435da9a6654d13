"""The retry policy: how often a job tries, how it searches, and what it learns from the request before it."""

from __future__ import annotations

from dataclasses import dataclass

from examples.restaurant.bookings import Hint
from examples.restaurant.clock import HouseRules
from examples.restaurant.combinations import Strategy
from examples.restaurant.flags import Features
from examples.restaurant.inline import TIMEOUT_REASON

USUAL = Strategy()
WIDER = Strategy(require_adjacency=False)
"""After a time-out: the crowd is after the neat combinations, so take tables that need not touch."""

ATTEMPTS_AFTER_HARD_REASON = 2
ATTEMPTS_AFTER_TIMEOUT = 4


@dataclass(frozen=True, slots=True)
class AttemptPlan:
    """The attempts of one job.

    Attributes:
        max_attempts: How many there may be, one that is skipped included.
        skipped: The hint that makes the initial attempt pointless.
        adjusted: The strategy of the initial attempt, where it is not the usual one.
    """

    max_attempts: int
    skipped: Hint | None = None
    adjusted: Strategy | None = None

    def indexes(self) -> range:
        """Give the indexes of the attempts that are made."""
        return range(0 if self.skipped is None else 1, self.max_attempts)

    def strategy(self, index: int) -> Strategy:
        """Say how the attempt with this index searches."""
        return self.adjusted if index == 0 and self.adjusted is not None else USUAL


def plan_attempts(rules: HouseRules, features: Features, hint: Hint | None) -> AttemptPlan:
    """Plan a job's attempts. Only version 2 of the policy makes use of the hint."""
    if hint is None or not features.retry_policy_v2:
        return AttemptPlan(rules.max_attempts)
    if hint.hard:
        return AttemptPlan(min(rules.max_attempts, ATTEMPTS_AFTER_HARD_REASON), skipped=hint)
    if hint.reason == TIMEOUT_REASON:
        return AttemptPlan(min(rules.max_attempts, ATTEMPTS_AFTER_TIMEOUT), adjusted=WIDER)
    return AttemptPlan(rules.max_attempts)
