"""The life of a span: where in the context it stands, how it starts, becomes current, and ends.

Starting and ending happen here and nowhere else. ``Place`` is what our spans leave in the OpenTelemetry context for
their children; it is found from any thread or task that the context reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context, attach, create_key, get_current
from opentelemetry.trace import Link, Span, StatusCode, set_span_in_context

from otel_auto_assign import semconv
from otel_auto_assign._attempts import Attempt, Attributes, Ending
from otel_auto_assign._guard import swallowed
from otel_auto_assign._lean import SPAN_KEY, LeanSpan
from otel_auto_assign._runs import Run
from otel_auto_assign._runtime import runtime

_PLACE: Final = create_key("auto_assign")
_SUPPRESS_PLAIN: Final = "suppress_instrumentation"  # what instrumentations set before the key above existed


class Asking:
    """Whether a quote still runs: a task that it left behind is inside it no more."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = True


class Place(NamedTuple):
    """Where a call stands: in which run, in the block of which attempt, in which quote, and in which place around."""

    run: Run | None
    attempt: Attempt | None
    asking: Asking | None
    outer: Place | None

    @property
    def in_quote(self) -> bool:
        """Tell whether the call is inside a quote."""
        return self.asking is not None and self.asking.now

    @property
    def over(self) -> bool:
        """Tell whether what stands here has ended: nothing that begins now needs to know of it."""
        return (self.run is not None and self.run.ended) or (self.asking is not None and not self.asking.now)


NOWHERE: Final = Place(run=None, attempt=None, asking=None, outer=None)


def around(place: Place) -> Place:
    """Give the innermost place that has not ended: a job that starts its successor is not kept alive by it for ever."""
    while place.over:
        if place.outer is None:
            return NOWHERE
        place = place.outer
    return place


def is_suppressed(context: Context) -> bool:
    """Tell whether the host asked for no instrumentation here (``suppress_instrumentation()``)."""
    return bool(context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get(_SUPPRESS_PLAIN))


def place_in(context: Context) -> Place:
    """Find where a call in ``context`` stands."""
    found: Any = context.get(_PLACE, NOWHERE)  # no cast(): it would be one call more for each of the host's
    place: Place = found
    return place


def start_span(name: str, context: Context, attributes: Attributes, start_ns: int, links: Sequence[Link] = ()) -> Span:
    """Start a span as a child of the one in ``context``; it is not made current."""
    if links:
        return runtime.spans.start_linked(name, context, attributes, start_ns, links)
    return runtime.spans.start(name, context, attributes, start_ns)


def end_span(span: Span, attributes: Attributes, error: tuple[str, str] | None, end_ns: int) -> None:
    """End a span with all it came to. What a span processor of the host raises does not reach the application."""
    try:
        if error is not None:
            error_type, message = error
            attributes[semconv.ERROR_TYPE] = error_type
            if span.is_recording():
                span.set_status(StatusCode.ERROR, message or None)
        if isinstance(span, LeanSpan):  # whether it still records it knows itself
            span.put(attributes)
        elif span.is_recording():
            span.set_attributes(attributes)
        span.end(end_ns)
    except Exception as failure:
        swallowed("ending a span", failure)


def end_spans(endings: Iterable[Ending]) -> None:
    """End several spans in their order; one that fails, or is interrupted, does not keep the others open."""
    rest = iter(endings)
    for ending in rest:
        try:
            end_span(*ending)
        except BaseException:  # the process is told to end, in a span processor of the host's
            end_spans(rest)
            raise


def end_run(name: str, run: Run, endings: list[Ending]) -> None:
    """End the spans that a run's end closes, its own the last, and measure it; nothing when it had ended before."""
    try:
        end_spans(endings)
    finally:
        if endings and run.measured:
            span, attributes, error, end_ns = endings[-1]
            measure(name, run, attributes, error, end_ns - run.clock.start_ns, span)


def measure(
    name: str, run: Run, attributes: Attributes, error: tuple[str, str] | None, duration_ns: int, span: Span
) -> None:
    """Hand a call, whose span has ended, over to the metrics."""
    runtime.metrics.ended((name, run.common, attributes, None if error is None else error[0], duration_ns, span))


def activate(previous: Context, span: Span, place: Place | None) -> Context:
    """Make ``span`` current, with its place for its children, and give the context in which it is."""
    if place is None:
        context = set_span_in_context(span, previous)
    else:
        context = Context({**previous, SPAN_KEY: span, _PLACE: place})  # one copy, not one for each key
    attach(context)
    return context


def restore(context: Context, previous: Context) -> Context:
    """Make current again what was before ``context``, which ``activate`` gave; give what was current of the call's.

    A token could be used only in the contextvars context it came from, and OpenTelemetry logs an error where a
    coroutine is closed in another. So the former context is set again: where ours is current, or what somebody left
    behind on top of it (an attach without its detach, a suspended generator), which would else outlive the run.
    """
    current = get_current()
    if current is context or _stands_on(current, context):
        attach(previous)
        return current
    return context


def _stands_on(current: Context, context: Context) -> bool:
    ours: Place | None = place_in(context)
    place: Place | None = place_in(current)
    while place is not None and place is not ours:
        place = place.outer
    return place is not None and place is not NOWHERE
