"""What the application can say of its running job or inline run, at no risk.

Every method is safe anywhere: outside a run and after its end it does nothing, an odd value is made safe or left out,
and none of them raises.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, MutableMapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from opentelemetry.context import get_current
from opentelemetry.trace import set_span_in_context

from otel_auto_assign import reasons, semconv, values
from otel_auto_assign._attempts import Attributes, put
from otel_auto_assign._guard import swallowed
from otel_auto_assign._inline_run import InlineRun
from otel_auto_assign._job_run import JobRun
from otel_auto_assign._origins import write
from otel_auto_assign._scopes import said
from otel_auto_assign._spans import end_run, place_in

P = ParamSpec("P")
S = TypeVar("S")


class Handle:
    """Given by ``with traced_…() as handle``."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: Any = None

    def record(self, value: Any) -> None:
        """Say what the block came to: the value that a decorated function would have returned."""
        self._value = value


def _safely(method: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """Keep what goes wrong in a method of ours from the application."""

    @functools.wraps(method)
    def guarded(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as failure:
            swallowed(f"{method.__qualname__}()", failure)

    return guarded


class JobHandle(Handle):
    """What the application can say of a job; ``current_job()`` gives the one of the job around the call."""

    __slots__ = ("_run",)

    def __init__(self, run: JobRun | None) -> None:
        super().__init__()
        self._run = run

    @_safely
    def booking(self, *, restaurant_id: object = None, status: object = None) -> None:
        """Say what the job learned of its booking after its start."""
        self._tell(
            {
                semconv.JOB_RESTAURANT_ID: values.safe_id(restaurant_id),
                semconv.JOB_BOOKING_STATUS: said(status),
            }
        )

    @_safely
    def max_attempts(self, attempts: int) -> None:
        """Say how many attempts the job may make."""
        number = values.safe_int(attempts)
        run = self._run
        if run is not None and number is not None and number >= 0:
            with run.lock:
                run.max_attempts = number

    @_safely
    def hard_stop(self, reason: object) -> None:
        """Say that the job gives up for a deterministic failure: its result is ``exhausted``."""
        text, code = reasons.explain(reason)
        self._say(
            semconv.RESULT_EXHAUSTED,
            {semconv.JOB_HARD_STOP_REASON: text, semconv.JOB_HARD_STOP_REASON_CODE: code},
        )

    @_safely
    def cutoff(self, minutes: float | None = None) -> None:
        """Say that the job stops because it is ``minutes`` before the booking's start, too close: ``cutoff``."""
        self._say(semconv.RESULT_CUTOFF, {semconv.JOB_CUTOFF_MINUTES: values.safe_float(minutes)})

    @_safely
    def already_confirmed(self) -> None:
        """Say that somebody else has confirmed the booking: ``already_confirmed``."""
        self._say(semconv.RESULT_ALREADY_CONFIRMED, {})

    @_safely
    def skip_initial(self, reason: object, *, previous: int | None = None, next: int | None = None) -> None:  # noqa: A002 - the contract's word
        """Say that the first attempt is skipped because of the inline run's ``reason``.

        Args:
            reason: why the inline run failed.
            previous: how many attempts were allowed.
            next: how many are allowed now; 0 makes the job's result ``skipped``.
        """
        text, code = reasons.explain(reason)
        allowed = values.safe_int(next)
        run = self._run
        if run is None:
            return
        self._tell(
            {
                semconv.JOB_SKIPPED_INITIAL_ATTEMPT: True,
                semconv.INLINE_SKIP_REASON: text,
                semconv.INLINE_SKIP_REASON_CODE: code,
                semconv.INLINE_SKIP_PREVIOUS_MAX_ATTEMPTS: values.safe_int(previous),
                semconv.INLINE_SKIP_NEXT_MAX_ATTEMPTS: allowed,
            }
        )
        with run.lock:
            run.skip_initial()
            if allowed is not None and allowed >= 0:
                run.max_attempts = allowed
        if allowed == 0:
            self._say(semconv.RESULT_SKIPPED, {})

    @_safely
    def adjust(self, *, require_adjacency: bool | None = None, max_tables: int | None = None) -> None:
        """Say how the attempt around the call, else the next one, was changed after an inline time-out."""
        if self._run is not None:
            place = place_in(get_current())
            self._run.adjust(
                place.attempt if place.run is self._run else None,
                require_adjacency=values.safe_bool(require_adjacency),
                max_tables=values.safe_int(max_tables),
            )

    @_safely
    def inline_hint(self, attempt_id: object, reason: object = None, trigger: object = None) -> None:
        """Say which inline run came before this job, and how it ended."""
        self._tell(
            {
                semconv.INLINE_ATTEMPT_ID: values.safe_id(attempt_id),
                semconv.INLINE_REASON: reasons.explain(reason)[0],
                semconv.INLINE_TRIGGER: said(trigger),
            }
        )

    def _tell(self, facts: dict[str, Any]) -> None:
        run = self._run
        if run is None:
            return
        with run.lock:
            for key, value in facts.items():
                put(run.facts, key, value)
            restaurant = run.facts.get(semconv.JOB_RESTAURANT_ID)
            if restaurant is not None and semconv.RESTAURANT_ID not in run.common:
                run.common = {**run.common, semconv.RESTAURANT_ID: restaurant}

    def _say(self, result: str, facts: dict[str, Any]) -> None:
        run = self._run
        if run is None:
            return
        known: Attributes = {}
        for key, value in facts.items():
            put(known, key, value)
        with run.lock:
            run.said, run.said_facts = result, known


class InlineHandle(Handle):
    """What the application can say of an inline run; ``current_inline()`` gives the one around the call."""

    __slots__ = ("_run",)

    def __init__(self, run: InlineRun | None) -> None:
        super().__init__()
        self._run = run

    @_safely
    def timed_out(self) -> None:
        """Say that the run's time is over; it is closed now, and what still runs in it will be late."""
        run = self._run
        if run is not None:
            end_run(semconv.SPAN_INLINE, run, run.timed_out())

    def inject(self, carrier: MutableMapping[str, Any] | None = None) -> MutableMapping[str, Any]:
        """Write into ``carrier`` what the job that will follow has to know: `continue_from` reads it there.

        The run's place in its trace (by the propagators that are in force), its id, its trigger, and why there is no
        table yet. The run may have ended; outside a run what is current is written.

        Args:
            carrier: a mapping of texts, such as the headers of a queue's message; default: a new one, for a JSON
                column.

        Returns:
            The carrier. What goes wrong on the way is logged once and leaves it as it is.
        """
        carrier = {} if carrier is None else carrier
        try:
            run, context = self._run, get_current()
            if run is not None:
                context = set_span_in_context(run.span, context)
            write(carrier, context, {} if run is None else run.hint())
        except Exception as failure:
            swallowed("InlineHandle.inject()", failure)
        return carrier

    @_safely
    def hold(self, id: object, *, idempotency_key: object = None) -> None:  # noqa: A002 - the contract's word
        """Say which hold the run has, and by which key its confirm is made idempotent."""
        run = self._run
        if run is not None:
            with run.lock:
                run.hold_id = values.safe_id(id) or run.hold_id
                run.idempotency_key = values.safe_id(idempotency_key) or run.idempotency_key


def current_job() -> JobHandle:
    """Give the handle of the job around the call; outside a job one that does nothing.

    >>> current_job().max_attempts(5)
    """
    run = place_in(get_current()).run
    return JobHandle(run if isinstance(run, JobRun) else None)


def current_inline() -> InlineHandle:
    """Give the handle of the inline run around the call; outside one a handle that does nothing.

    >>> current_inline().timed_out()
    """
    run = place_in(get_current()).run
    return InlineHandle(run if isinstance(run, InlineRun) else None)
