"""What a call does from its start to its end: the common part, and the two roots, job and inline run.

A scope is made when the call starts and told once how it ended: ``returned(value)`` or ``raised(exception)``. Both
are safe to call from the host's code: nothing leaves them but an error under ``_guard.strict()``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any, Final, NamedTuple

from opentelemetry.context import Context, attach, get_current
from opentelemetry.trace import INVALID_SPAN, Link, Span, get_current_span, set_span_in_context

from otel_auto_assign import semconv, values
from otel_auto_assign._attempts import Attributes, put
from otel_auto_assign._errors import Error, error_of
from otel_auto_assign._exceptions import log_exception
from otel_auto_assign._guard import swallowed
from otel_auto_assign._inline_run import InlineRun
from otel_auto_assign._job_run import JobRun
from otel_auto_assign._origins import Origin, followed, origin_in, write
from otel_auto_assign._runs import Clock, Run
from otel_auto_assign._runtime import runtime
from otel_auto_assign._spans import (
    Place,
    activate,
    around,
    end_run,
    end_span,
    is_suppressed,
    place_in,
    restore,
    start_span,
)
from otel_auto_assign.flags import flags_in_force
from otel_auto_assign.outcomes import Extractor, Outcome, outcome_of

UNREAD: Final = Outcome()
"""The outcome of a call whose value nobody reads."""


UNFINISHED: Final = Error(semconv.ERROR_TYPE_OTHER, "", semconv.CODE_UNKNOWN, cancelled=False)
"""What a call ends by whose end we could not read."""


class Given(NamedTuple):
    """What a decorator's options and the call's named arguments say of the call, as it came."""

    booking_id: object = None
    restaurant_id: object = None
    trigger: object = None
    attempt_id: object = None
    status: object = None
    carrier: object = None
    """What the inline run before a job has written down for it."""


ReadArguments = Callable[[tuple[Any, ...], dict[str, Any]], Given]


class Spec(NamedTuple):
    """What a decorator's options say of all its calls."""

    name: str
    """The decorated function's, for log lines."""
    read: ReadArguments
    """Finds what a call's arguments say; asked only where the run around the call does not know it."""
    function: str | None = None
    """The decorated function's with its module's, for the span; a block has none."""
    extractor: Extractor | None = None
    max_attempts: int | None = None
    timeout_s: float | None = None
    threshold_s: float | None = None


class Scope:
    """A call of some role whose span is current."""

    __slots__ = ("_context", "_previous", "_waiting", "run", "span", "spec")

    def __init__(self, spec: Spec, run: Run, span: Span, previous: Context, place: Place | None) -> None:
        self.spec = spec
        self.run = run
        self.span = span
        self._previous = previous
        self._context = activate(previous, span, place)
        self._waiting: Context
        run.logged = None  # an exception that leaves this call is another one

    def returned(self, value: Any) -> None:
        """End the span after the call returned ``value``."""
        try:
            restore(self._context, self._previous)
            self._finish(value, None)
        except Exception as failure:
            self._failed(failure)
        except BaseException as told:  # the process is told to end while we read the value
            self._end_anyway(error_of(told))
            raise

    def raised(self, exception: BaseException) -> None:
        """End the span after ``exception`` left the call, which the caller raises again itself."""
        try:
            restore(self._context, self._previous)
            if runtime.settings.exception_logs:
                self._log_safely(exception)
            self._finish(None, exception)
        except Exception as failure:
            self._failed(failure)
        except BaseException as told:
            self._end_anyway(error_of(told))
            raise

    def suspended(self) -> None:
        """Leave the call's context until its next step; what the call itself put on top waits with it."""
        self._waiting = restore(self._context, self._previous)

    def resumed(self) -> None:
        """Enter the call's context again, from whatever is current now."""
        self._previous = get_current()
        attach(self._waiting)

    def _finish(self, value: Any, exception: BaseException | None) -> None:
        raise NotImplementedError

    def _log_safely(self, exception: BaseException) -> None:
        """Log ``exception``; a log pipeline of the host's that raises does not cost the span its facts."""
        try:
            error = error_of(exception)
            seen = (id(exception), error)
            if not error.cancelled and seen != self.run.logged:
                self.run.logged = seen
                log_exception(runtime.logger, self.span, exception, error, self.run.clock.now())
        except Exception as failure:
            swallowed("logging an exception", failure)

    def _failed(self, failure: Exception) -> None:
        """End the span all the same after a fault of ours: a job has its summary, an inline run its terminal."""
        try:
            self._end_anyway(UNFINISHED)
        except RecursionError:  # the stack is at its end; a moment ago there was room for the context
            pass
        swallowed(f"finishing {self.spec.name}", failure)

    def _end_anyway(self, error: Error) -> None:
        with suppress(Exception):  # it may be what has failed a moment ago
            self._close(error)
        if self.span.is_recording():
            end_span(self.span, {}, (error.type, error.message), self.run.clock.now())

    def _close(self, error: Error) -> None:
        """End what the call has open, by ``error``."""


class UnseenScope:
    """A call whose span nobody records, in a run that nobody records: only its place in the trace is kept."""

    __slots__ = ("_context", "_previous", "_waiting")

    def __init__(self, previous: Context, span: Span, place: Place) -> None:
        self._previous = previous
        self._context = activate(previous, span, place)
        self._waiting: Context

    def returned(self, value: Any) -> None:
        """Leave the span's context; a span that is not recorded needs no end."""
        restore(self._context, self._previous)

    raised = returned
    suspended = Scope.suspended
    resumed = Scope.resumed


def said(word: object) -> str | None:
    """Give a word of the application's; anything but a text or a member of an enumeration says nothing."""
    return values.scrub(word, values.TEXT_LIMIT) if isinstance(word, (str, Enum)) else None


def common_attributes(flow: str, given: Given) -> Attributes:
    """Make what a run and all its children carry; flags are read here, once."""
    trigger = (given.trigger is not None and said(given.trigger)) or semconv.TRIGGER_UNKNOWN
    common: Attributes = {semconv.FLOW: flow, semconv.TRIGGER: trigger, **flags_in_force(runtime.flag_provider)}
    if (booking_id := values.safe_id(given.booking_id)) is not None:
        common[semconv.BOOKING_ID] = booking_id
    if (restaurant_id := values.safe_id(given.restaurant_id)) is not None:
        common[semconv.RESTAURANT_ID] = restaurant_id
    return common


class JobScope(Scope):
    """A job's call."""

    __slots__ = ()
    run: JobRun

    def _finish(self, value: Any, exception: BaseException | None) -> None:
        outcome, error = read_end(self.run.recording, self.spec, value, exception)
        end_run(semconv.SPAN_JOB, self.run, self.run.end(outcome, error))

    def _close(self, error: Error) -> None:
        end_run(semconv.SPAN_JOB, self.run, self.run.end(UNREAD, error))


def begin_job(spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> JobScope | None:
    """Start a job; None where the host asked for no instrumentation."""
    context = get_current()
    if is_suppressed(context):
        return None
    clock = Clock()
    given = spec.read(args, kwargs)
    common = common_attributes(semconv.FLOW_JOB, given)
    at_start = dict(common)
    put(at_start, semconv.FUNCTION_NAME, spec.function)
    put(at_start, semconv.BOOKING_STATUS, said(given.status))
    put(at_start, semconv.INLINE_ATTEMPT_ID, values.safe_id(given.attempt_id))
    parent, links = _origin_of_job(context, given.carrier, at_start)
    span = start_span(semconv.SPAN_JOB, parent, at_start, clock.start_ns, links)
    run = JobRun(span, clock, common, spec.max_attempts, measured=runtime.metrics.on)
    return JobScope(spec, run, span, context, Place(run, None, None, around(place_in(context))))


def _origin_of_job(context: Context, carrier: object, attributes: Attributes) -> tuple[Context, tuple[Link, ...]]:
    """Say below what a job starts and what it is linked to; put what it knows of the inline run before it."""
    links: tuple[Link, ...] = ()
    try:
        context = context if carrier is None else followed(context, carrier)
        origin = origin_in(context)
        inline = place_in(context).run
        if isinstance(inline, InlineRun):  # started inside it, in the same process
            origin = Origin(inline.span.get_span_context(), inline.hint())
        if origin is not None:
            origin.put_hint(attributes)
            links = origin.links()
        if runtime.settings.job_starts_trace:
            above = get_current_span(context).get_span_context()
            if above.is_valid and all(link.context != above for link in links):
                links = (*links, Link(above))
            context = set_span_in_context(INVALID_SPAN, context)
    except Exception as failure:  # a propagator of the host's
        swallowed("reading where a job comes from", failure)
    return context, links


class InlineScope(Scope):
    """An inline run's call."""

    __slots__ = ()
    run: InlineRun

    def _finish(self, value: Any, exception: BaseException | None) -> None:
        outcome, error = read_end(self.run.recording, self.spec, value, exception)
        end_run(semconv.SPAN_INLINE, self.run, self.run.end(outcome, exception, error))
        if exception is None:
            self._write_carrier(value)

    def _write_carrier(self, value: Any) -> None:
        """Write what the job has to know into what was returned, where a file of targets says so."""
        carrier_in = getattr(self.spec.extractor, "carrier_in", None)
        carrier = None if carrier_in is None else carrier_in(value)
        if carrier is not None:
            write(carrier, set_span_in_context(self.span, self._previous), self.run.hint())

    def _close(self, error: Error) -> None:
        end_run(semconv.SPAN_INLINE, self.run, self.run.end(UNREAD, None, error))


def begin_inline(spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> InlineScope | None:
    """Start an inline run; None where the host asked for no instrumentation."""
    context = get_current()
    if is_suppressed(context):
        return None
    clock = Clock()
    given = spec.read(args, kwargs)
    common = common_attributes(semconv.FLOW_INLINE, given)
    at_start = dict(common)
    put(at_start, semconv.FUNCTION_NAME, spec.function)
    span = start_span(semconv.SPAN_INLINE, context, at_start, clock.start_ns)
    timeout_s = runtime.settings.inline_timeout if spec.timeout_s is None else spec.timeout_s
    run = InlineRun(span, clock, common, values.safe_id(given.attempt_id), timeout_s, measured=runtime.metrics.on)
    if span.is_recording():
        span.set_attribute(semconv.INLINE_ATTEMPT_ID, run.common[semconv.INLINE_ATTEMPT_ID])
    return InlineScope(spec, run, span, context, Place(run, None, None, around(place_in(context))))


def read_end(recording: bool, spec: Spec, value: Any, exception: BaseException | None) -> tuple[Outcome, Error | None]:
    """Read how a call ended; nothing is read for a span that nobody sees."""
    if not recording:
        return UNREAD, None
    if exception is not None:
        return UNREAD, error_of(exception)
    return outcome_of(value, spec.extractor, spec.name), None
