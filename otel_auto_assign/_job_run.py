"""A job's run: its attempts, what the application says of it, and the one result it comes to."""

from __future__ import annotations

from opentelemetry.trace import Span, format_span_id

from otel_auto_assign import semconv
from otel_auto_assign._attempts import ABORTED, Adjustment, Attempt, Attributes, Child, Ending, put
from otel_auto_assign._errors import Error
from otel_auto_assign._runs import Clock, Run
from otel_auto_assign.outcomes import Outcome
from otel_auto_assign.values import scrub


class JobRun(Run):
    """A job: its attempts, and what the application says of it."""

    __slots__ = (
        "_attempts",
        "_before_last",
        "_next_index",
        "_pending",
        "attempts_used",
        "facts",
        "last",
        "max_attempts",
        "said",
        "said_facts",
    )

    def __init__(
        self, span: Span, clock: Clock, common: Attributes, max_attempts: int | None, *, measured: bool
    ) -> None:
        job_id = format_span_id(span.get_span_context().span_id)
        super().__init__(span, clock, {**common, semconv.JOB_ID: job_id}, measured=measured)
        self.max_attempts = max_attempts
        self.facts: Attributes = {}
        """What the application told, for the job's span."""
        self.said: str | None = None
        """The result the application named; the last word counts, and only its own facts go with it."""
        self.said_facts: Attributes = {}
        self.attempts_used = 0
        self.last: Attempt | None = None
        self._before_last: Attempt | None = None
        self._attempts: list[Attempt] = []
        self._next_index = 0
        self._pending: tuple[bool | None, int | None] | None = None

    # -- attempts -------------------------------------------------------------------------------------------------

    def open_attempt(self, attempt: Attempt) -> tuple[Attempt | None, list[Ending]]:
        """Take ``attempt``, whose block begins now, among the job's; None when the job has ended."""
        with self.lock:
            if self.ended:
                return None, []
            endings = self._supersede(None)
            self._open(attempt)
            return attempt, endings

    def ask(self, inside: Attempt | None) -> tuple[Attempt | None, list[Ending]]:
        """Find the attempt of a quote that starts now; None when there is none yet, or the job has ended."""
        with self.lock:
            if self.ended:
                return None, []
            attempt = inside if inside is not None and not inside.ended else self._asking()
            return attempt, self._asked(attempt) if attempt is not None else []

    def ask_in(self, attempt: Attempt) -> tuple[Attempt | None, list[Ending]]:
        """Take the implicit ``attempt``, started for a quote, unless another's has come first or the job has ended.

        Its span was started without the lock: samplers and processors of the host run in there.
        """
        with self.lock:
            if self.ended:
                return None, [Ending(attempt.span, {semconv.LATE: True}, None, self.clock.now())]
            first = self._asking()
            if first is not None:
                return first, [*self._asked(first), Ending(attempt.span, {}, None, self.clock.now())]
            self._open(attempt)
            return attempt, self._asked(attempt)

    def not_asked(self, attempt: Attempt) -> list[Ending]:
        """Take back a quote whose span could not be started; an attempt that is left without one has not asked."""
        with self.lock:
            attempt.not_asked()
            if not attempt.planner_calls and attempt is self.last and attempt.last_child is None:
                self._next_index -= 1
                self.attempts_used -= 1
                self.last, attempt.index = self._before_last, None
            return [] if attempt.ended else self._close_if_over(attempt)

    def index_of(self, attempt: Attempt | None) -> int | None:
        """Give the attempt's index; a child of none belongs to the last that there was."""
        attempt = self.last if attempt is None else attempt
        return None if attempt is None else attempt.index

    def held(self, attempt: Attempt | None) -> str | None:
        """Give the id of the attempt's last hold."""
        quote = attempt.last_quote if attempt is not None else None
        return quote.hold_id if quote is not None else None

    def confirming(self, inside: Attempt | None) -> Attempt | None:
        """Find the attempt of a confirm: the one around it, else the last that holds."""
        with self.lock:
            if self.ended:
                return None
            attempt = inside if inside is not None and not inside.ended else None
            if attempt is None or not attempt.planner_calls:  # one that never asked holds nothing
                holding = (a for a in reversed(self._attempts) if a.last_quote is not None and a.last_quote.success)
                attempt = next(holding, attempt)
            if attempt is not None:
                attempt.running += 1
            return attempt

    def not_confirming(self, attempt: Attempt | None) -> list[Ending]:
        """Let the attempt wait for no confirm that has no span."""
        if attempt is None:
            return []
        with self.lock:
            attempt.running -= 1
            return [] if attempt.ended else self._close_if_over(attempt)

    def child_ended(self, attempt: Attempt | None, child: Child) -> list[Ending]:
        """Count it for its attempt, which may be over by that."""
        if attempt is None or attempt.ended:
            return []
        attempt.child_ended(child)
        if child.error is not None:
            self._take_index(attempt)
        return self._close_if_over(attempt)

    def block_ended(self, attempt: Attempt, error: Error | None) -> list[Ending]:
        """Note that the block of ``attempt`` is over."""
        with self.lock:
            if attempt.ended:
                return []
            attempt.block_ended(self.clock.now(), error)
            if attempt.raised_itself:
                self._take_index(attempt)
            return self._close_if_over(attempt)

    def adjust(self, inside: Attempt | None, *, require_adjacency: bool | None, max_tables: int | None) -> None:
        """Note an adjustment of the attempt around the caller, else of the next."""
        with self.lock:
            if inside is not None and not inside.ended and inside.busy:
                inside.adjustment = Adjustment(require_adjacency, max_tables, self.max_attempts)
            else:
                self._pending = (require_adjacency, max_tables)

    def skip_initial(self) -> None:
        """Use up the first index."""
        self._next_index = max(self._next_index, 1)

    def _open(self, attempt: Attempt) -> None:
        if self._pending is not None:
            attempt.adjustment = Adjustment(*self._pending, self.max_attempts)
            self._pending = None
        self._attempts.append(attempt)

    def _asking(self) -> Attempt | None:
        """Find the implicit attempt whose quote still runs: one that starts now joins it."""
        return next((a for a in self._attempts if a.implicit and a.quotes_running), None)

    def _asked(self, attempt: Attempt) -> list[Ending]:
        endings = self._supersede(attempt) if len(self._attempts) > 1 else []
        self._take_index(attempt)
        attempt.asked()
        return endings

    def _take_index(self, attempt: Attempt) -> None:
        if attempt.index is None:
            attempt.index = self._next_index
            self._next_index += 1
            self.attempts_used += 1
            self._before_last, self.last = self.last, attempt

    def _supersede(self, by: Attempt | None) -> list[Ending]:
        """Close the attempts that only waited for a confirm: the next one has begun."""
        waiting = [a for a in self._attempts if a is not by and not a.busy]
        return [self._close(a, unconfirmed_is_failure=True) for a in waiting]

    def _close_if_over(self, attempt: Attempt) -> list[Ending]:
        return [self._close(attempt)] if attempt.over else []

    def _close(self, attempt: Attempt, *, unconfirmed_is_failure: bool = False, error: Error | None = None) -> Ending:
        self._attempts.remove(attempt)
        if attempt.index is None and attempt.adjustment is not None:  # it never asked: the next one is meant
            self._pending = attempt.adjustment[:2]
        return attempt.end(unconfirmed_is_failure=unconfirmed_is_failure, error=error)

    # -- the end --------------------------------------------------------------------------------------------------

    def end(self, outcome: Outcome, error: Error | None) -> list[Ending]:
        """Close the job, whatever is open in it first; nothing when it has ended already."""
        with self.lock:
            if self.ended:
                return []
            self.ended = True
            end_ns = self.clock.now()
            reports_failure = outcome.reports_failure() or self._named(outcome) not in (None, semconv.RESULT_SUCCEEDED)
            endings = []
            for attempt in list(self._attempts):
                attempt.until_ns = end_ns if attempt.busy else attempt.until_ns
                by = ABORTED if attempt.busy else error
                endings.append(self._close(attempt, unconfirmed_is_failure=reports_failure, error=by))
            attributes = {**self.facts, **self.said_facts}
            result = self._result(outcome, error)
            attributes[semconv.JOB_RESULT] = result
            attributes[semconv.JOB_ATTEMPTS_USED] = self.attempts_used
            put(attributes, semconv.JOB_MAX_ATTEMPTS, self.max_attempts)
            if self.last is not None:
                put(attributes, semconv.JOB_LAST_ATTEMPT_INDEX, self.last.index)
            status = error and (error.type, error.message)
            if error is None and result in (semconv.RESULT_ERROR, semconv.RESULT_CANCELLED):
                status = (semconv.ERROR_TYPE_OTHER, scrub(outcome.reason))
            endings.append(Ending(self.span, attributes, status, end_ns))
            return endings

    def _named(self, outcome: Outcome) -> str | None:
        """Give the result that the application named, by a word to us or in what it returned."""
        return self.said if self.said is not None else outcome.named_result()

    def _result(self, outcome: Outcome, error: Error | None) -> str:
        if error is not None:
            return semconv.RESULT_CANCELLED if error.cancelled else semconv.RESULT_ERROR
        named = self._named(outcome)
        if named == semconv.RESULT_EXHAUSTED and self.said is None and not self.attempts_used:
            return semconv.RESULT_SKIPPED
        if named is not None:
            return named
        if outcome.success is not False and self.last is not None and self.last.success:
            return semconv.RESULT_SUCCEEDED
        return semconv.RESULT_EXHAUSTED if self.attempts_used else semconv.RESULT_SKIPPED
