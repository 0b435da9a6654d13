"""What the calls inside a run do from their start to their end: attempt, quote, confirm, stage.

Without a run around it a quote, confirm or stage is ``direct``: a span with its own reading of flags and clock.
"""

from __future__ import annotations

from typing import Any, ClassVar

from opentelemetry.context import Context, get_current
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

from otel_auto_assign import reasons, semconv, values
from otel_auto_assign._attempts import CONFIRM, QUOTE, Attempt, Attributes, Child, put
from otel_auto_assign._errors import Error, error_of
from otel_auto_assign._job_run import JobRun
from otel_auto_assign._runs import Clock, Run
from otel_auto_assign._runtime import runtime
from otel_auto_assign._scopes import UNREAD, Scope, Spec, UnseenScope, common_attributes, read_end
from otel_auto_assign._spans import (
    Asking,
    Place,
    activate,
    around,
    end_span,
    end_spans,
    is_suppressed,
    measure,
    place_in,
    start_span,
)
from otel_auto_assign.outcomes import Outcome, outcome_of


def run_around(place: Place, spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
    """Find the run around a call; where there is none, one that has no span and never ends carries flags and clock."""
    return place.run if place.run is not None else _run_of_its_own(spec, args, kwargs, measured=runtime.metrics.on)


def _run_of_its_own(spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any], *, measured: bool) -> Run:
    common = common_attributes(semconv.FLOW_DIRECT, spec.read(args, kwargs))
    return Run(INVALID_SPAN, Clock(), common, measured=measured)


def start_attributes(run: Run, spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attributes:
    """Give what the run's children carry; what the run does not know of itself is taken from the call."""
    attributes = run.common
    if semconv.BOOKING_ID in attributes and semconv.RESTAURANT_ID in attributes:
        return attributes
    given = spec.read(args, kwargs)
    attributes = dict(attributes)
    if semconv.BOOKING_ID not in attributes:
        put(attributes, semconv.BOOKING_ID, values.safe_id(given.booking_id))
    if semconv.RESTAURANT_ID not in attributes:
        put(attributes, semconv.RESTAURANT_ID, values.safe_id(given.restaurant_id))
    return attributes


class AttemptScope(Scope):
    """An attempt's block."""

    __slots__ = ("_attempt",)

    def __init__(self, spec: Spec, run: Run, span: Span, context: Context, place: Place) -> None:
        self._attempt = place.attempt
        super().__init__(spec, run, span, context, place)

    def _finish(self, value: Any, exception: BaseException | None) -> None:
        run = self.run
        if isinstance(run, JobRun) and self._attempt is not None:
            _, error = read_end(run.recording, self.spec, None, exception)
            self._block_ended(error)
        else:  # outside a job, or in one that has ended: a span, and nothing that counts
            attributes: Attributes = {semconv.LATE: True} if run.ended else {}
            end_span(self.span, attributes, None, run.clock.now())

    def _close(self, error: Error) -> None:
        self._block_ended(error)

    def _block_ended(self, error: Error | None) -> None:
        if isinstance(self.run, JobRun) and self._attempt is not None:
            end_spans(self.run.block_ended(self._attempt, error))


def begin_attempt(spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AttemptScope | None:
    """Start an attempt."""
    context = get_current()
    if is_suppressed(context):
        return None
    place = place_in(context)
    run = run_around(place, spec, args, kwargs)
    start_ns = run.clock.now()
    attributes = start_attributes(run, spec, args, kwargs)
    if spec.function is not None:
        attributes = {**attributes, semconv.FUNCTION_NAME: spec.function}
    span = start_span(semconv.SPAN_ATTEMPT, context, attributes, start_ns)
    attempt: Attempt | None = None
    if isinstance(run, JobRun) and run.recording:
        attempt = Attempt(span, start_ns, implicit=False, outer=place.attempt)
        attempt, endings = run.open_attempt(attempt)
        end_spans(endings)
    return AttemptScope(spec, run, span, context, Place(run, attempt, place.asking, place))


class _AskingScope(Scope):
    """A quote's or a confirm's call."""

    __slots__ = ("_asking", "_attempt", "_counted", "_nested", "_start_ns")
    role: ClassVar[str]

    def __init__(
        self, spec: Spec, run: Run, span: Span, context: Context, place: Place, start_ns: int, asking: Asking | None,
        *, nested: bool,
    ) -> None:  # fmt: skip
        self.spec = spec  # not by super(): this is made for every planner call of the host
        self.run = run
        self.span = span
        self._attempt = place.attempt
        self._asking = asking
        self._start_ns = start_ns
        self._nested = nested
        self._counted = False
        self._previous = context
        self._context = activate(context, span, place)
        run.logged = None

    def _finish(self, value: Any, exception: BaseException | None, error: Error | None = None) -> None:
        run, span = self.run, self.span
        end_ns = run.clock.now()
        if self._asking is not None:
            self._asking.now = False
        outcome = UNREAD
        if exception is not None:
            error = error_of(exception)
        elif error is None:
            outcome = outcome_of(value, self.spec.extractor, self.spec.name)
        success, reason, code = self._decided(value, outcome, error)
        with run.lock:
            late = run.ended
            if late:
                end_ns = run.clock.now()
            hold_id = outcome.hold_id or self._known_hold()
            child = Child(
                self.role, success, reason, code, error, hold_id, outcome.cache_hit, outcome.alternates,
                self._start_ns, end_ns,
            )  # fmt: skip
            self._counted = True
            endings = [] if late or self._nested else run.child_ended(self._attempt, child)
        status = None if error is None else (error.type, error.message)
        try:
            attributes = self._attributes(child, outcome, late=late)
            try:
                end_span(span, attributes, status, end_ns)
            finally:
                if run.measured and self.role is QUOTE and not self._nested:
                    measure(semconv.SPAN_QUOTE, run, attributes, status, end_ns - self._start_ns, span)
        finally:
            if endings:
                end_spans(endings)

    def _close(self, error: Error) -> None:
        if not self._counted:
            self._finish(None, None, error)

    def _attributes(self, child: Child, outcome: Outcome, *, late: bool) -> Attributes:
        attributes: Attributes = {semconv.SUCCESS: child.success, semconv.REASON_CODE: child.code}
        if self.spec.function is not None:  # at the end: at the start the run's children share what they carry
            attributes[semconv.FUNCTION_NAME] = self.spec.function
        if child.reason is not None:
            attributes[semconv.REASON] = child.reason
        if late:
            attributes[semconv.LATE] = True
        if (index := self.run.index_of(self._attempt)) is not None:
            attributes[semconv.ATTEMPT_INDEX] = index
        if child.hold_id is not None:
            attributes[semconv.HOLD_ID] = child.hold_id
        if child.error is not None and child.error.cancelled:
            attributes[semconv.CANCELLED] = True
        self._put_details(attributes, outcome)
        return attributes

    def _decided(self, value: Any, outcome: Outcome, error: Error | None) -> tuple[bool, str | None, str]:
        """Give success, the reason's text and its code; a call that raised has its message for a reason."""
        if error is not None:
            return False, error.message or None, error.code
        success = outcome.succeeded() or self._taken_anyway(value, outcome)
        if outcome.reason is None:
            return success, None, semconv.CODE_SUCCESS if success else semconv.CODE_UNKNOWN
        text, code = reasons.explain(outcome.reason)
        return success, text, semconv.CODE_SUCCESS if success else code

    def _taken_anyway(self, value: Any, outcome: Outcome) -> bool:
        return False

    def _known_hold(self) -> str | None:
        return None

    def _put_details(self, attributes: Attributes, outcome: Outcome) -> None:
        """Set what only this role knows."""


class QuoteScope(_AskingScope):
    """A quote's call."""

    __slots__ = ()
    role = QUOTE

    def _put_details(self, attributes: Attributes, outcome: Outcome) -> None:
        attributes[semconv.CACHE_HIT] = outcome.cache_hit
        if outcome.alternates is not None:
            attributes[semconv.ALTERNATES] = outcome.alternates
        if outcome.require_adjacency is not None:
            attributes[semconv.STRATEGY_REQUIRE_ADJACENCY] = outcome.require_adjacency
        if outcome.max_tables is not None:
            attributes[semconv.STRATEGY_MAX_TABLES] = outcome.max_tables
        if outcome.cache_status is not None:
            attributes[semconv.CACHE_STATUS] = outcome.cache_status
        if self._nested:
            attributes[semconv.NESTED] = True
        if outcome.planner_stats is not None and runtime.settings.profiling:
            put(attributes, semconv.PLANNER_INTERNAL, values.safe_json(outcome.planner_stats))


def _unseen(place: Place, context: Context, span: Span, inside: Place) -> UnseenScope | None:
    """Keep the place in the trace of a span that nobody records; in a run that nobody records the run's will do."""
    return UnseenScope(context, span, inside) if place.run is None else None


def begin_quote(spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> QuoteScope | UnseenScope | None:
    """Start a quote; in a job it belongs to an attempt, which it opens if there is none."""
    context = get_current()
    if is_suppressed(context):
        return None
    place = place_in(context)
    run = place.run
    if run is None:
        measured = runtime.metrics.on
        if not measured and (unseen := runtime.spans.unseen(semconv.SPAN_QUOTE, context)) is not None:
            return UnseenScope(context, unseen, Place(None, None, Asking(), around(place)))
        run = _run_of_its_own(spec, args, kwargs, measured=measured)
    attributes = start_attributes(run, spec, args, kwargs)
    attempt, parent, nested = place.attempt, context, place.in_quote
    job = run if isinstance(run, JobRun) and run.recording and not nested else None
    if job is not None:
        attempt = _ask(job, attempt, context)
        if attempt is not None and attempt is not place.attempt:
            parent = set_span_in_context(attempt.span, context)
    elif not nested:
        run.asked()
    start_ns = run.clock.now()
    try:
        span = start_span(semconv.SPAN_QUOTE, parent, attributes, start_ns)
    except BaseException:
        if job is not None and attempt is not None:
            end_spans(job.not_asked(attempt))
        raise
    asking = None if nested else Asking()
    inside = Place(run, attempt, asking or place.asking, around(place))
    if not run.recording and not span.is_recording():
        return _unseen(place, context, span, inside)
    return QuoteScope(spec, run, span, context, inside, start_ns, asking, nested=nested)


def _ask(job: JobRun, inside: Attempt | None, context: Context) -> Attempt | None:
    """Find the attempt of a quote that starts now, or open one; None when the job has ended."""
    attempt, endings = job.ask(inside)
    if attempt is None and not job.ended:
        start_ns = job.clock.now()
        span = start_span(semconv.SPAN_ATTEMPT, context, job.common, start_ns)
        attempt, endings = job.ask_in(Attempt(span, start_ns, implicit=True))
    if endings:
        end_spans(endings)
    return attempt


class ConfirmScope(_AskingScope):
    """A confirm's call."""

    __slots__ = ()
    role = CONFIRM

    def _taken_anyway(self, value: Any, outcome: Outcome) -> bool:
        """A confirm that returns nothing has succeeded."""
        return value is None and outcome is not UNREAD and outcome.success is None

    def _known_hold(self) -> str | None:
        """A confirm is about the hold that its run has."""
        return self.run.held(self._attempt)


def begin_confirm(spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ConfirmScope | UnseenScope | None:
    """Start a confirm; in a job it is a child of the attempt whose hold it takes."""
    context = get_current()
    if is_suppressed(context):
        return None
    place = place_in(context)
    run = run_around(place, spec, args, kwargs)
    attributes = start_attributes(run, spec, args, kwargs)
    attempt = run.confirming(place.attempt)
    parent = context
    if attempt is not None and attempt is not place.attempt:
        parent = set_span_in_context(attempt.span, context)
    start_ns = run.clock.now()
    try:
        span = start_span(semconv.SPAN_CONFIRM, parent, attributes, start_ns)
    except BaseException:
        end_spans(run.not_confirming(attempt))
        raise
    inside = Place(run, attempt, place.asking, place)
    if not run.recording and not span.is_recording():
        return _unseen(place, context, span, inside)
    return ConfirmScope(spec, run, span, context, inside, start_ns, None, nested=False)
