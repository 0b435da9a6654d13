"""The instrumentation: everything this product asks of the booking system is in this file.

The first half is enough for complete spans and rows: it decorates the functions that the team already has. The second
half passes on what the team's observers hear, which says more than function calls show.
"""

from __future__ import annotations

from examples.restaurant.app import Parts
from examples.restaurant.bookings import Booking, Hint
from examples.restaurant.combinations import Strategy
from examples.restaurant.inline import InlineAssigner
from examples.restaurant.job import AssignJob
from examples.restaurant.observer import InlineObserver, JobObserver
from examples.restaurant.planner import Hold, Planner
from otel_auto_assign import (
    current_inline,
    current_job,
    traced_attempt,
    traced_confirm,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)


class TracedPlanner(Planner):
    """The planner, with a span for each quote and confirm, and for stages that are slow."""

    quote = traced_quote(Planner.quote)
    confirm = traced_confirm(Planner.confirm)
    choose = traced_stage("choose tables")(Planner.choose)
    place_hold = traced_stage("place hold")(Planner.place_hold)


class TracedInline(InlineAssigner):
    """The inline flow, with a span for each run; its time-out is the settings'."""

    assign = traced_inline(trigger="web")(InlineAssigner.assign)


class TracedJob(AssignJob):
    """The job flow, with a span for each job and each attempt."""

    run = traced_job(AssignJob.run)
    attempt = traced_attempt(AssignJob.attempt)


class TellingInlineObserver(InlineObserver):
    """Passes on what happens to a request."""

    def timed_out(self) -> None:
        """From here on, whatever the search still finds is late."""
        super().timed_out()
        current_inline().timed_out()

    def holding(self, hold: Hold) -> None:
        """The run's rows name the hold."""
        super().holding(hold)
        current_inline().hold(hold.id, idempotency_key=hold.idempotency_key)


class TellingJobObserver(JobObserver):
    """Passes on what a job decides."""

    def loaded(self, booking: Booking, trigger: str, max_attempts: int) -> None:
        """The job's rows know the restaurant, the status and the request before."""
        super().loaded(booking, trigger, max_attempts)
        job = current_job()
        job.booking(restaurant_id=booking.restaurant_id, status=booking.status)
        job.max_attempts(max_attempts)
        if booking.hint is not None:
            job.inline_hint(booking.hint.attempt_id, booking.hint.reason, "web")

    def initial_attempt_skipped(self, hint: Hint, before: int, after: int) -> None:
        """Index 0 is used up."""
        super().initial_attempt_skipped(hint, before, after)
        current_job().skip_initial(hint.reason, previous=before, next=after)

    def search_adjusted(self, strategy: Strategy) -> None:
        """The attempt's rows show how it searched."""
        super().search_adjusted(strategy)
        current_job().adjust(require_adjacency=strategy.require_adjacency, max_tables=strategy.max_tables)

    def stopped_hard(self, reason: str) -> None:
        """The job is exhausted, by this reason."""
        super().stopped_hard(reason)
        current_job().hard_stop(reason)

    def too_late(self, cutoff_minutes: int) -> None:
        """The job ends by its cutoff."""
        super().too_late(cutoff_minutes)
        current_job().cutoff(cutoff_minutes)

    def already_confirmed(self) -> None:
        """The job ends because there is nothing left to do."""
        super().already_confirmed()
        current_job().already_confirmed()


INSTRUMENTED = Parts(TracedPlanner, TracedInline, TracedJob, TellingInlineObserver, TellingJobObserver)
"""What `App` is made of where its telemetry is wanted."""
