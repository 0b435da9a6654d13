"""From an inline run to the job that follows it: carriers, links, one trace or two."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import TracerProvider

from otel_auto_assign import (
    _guard,
    configure,
    continue_from,
    current_inline,
    semconv,
    traced_inline,
    traced_job,
    traced_quote,
)
from tests.instrumentation.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from opentelemetry.sdk.trace import ReadableSpan

NO_TABLE = {"hold": None, "reason": "No suitable tables for ann@example.com"}


def run_inline(answer: object = None, *, over: bool = False) -> dict[str, Any]:
    """One inline run that writes a carrier for the job; as a JSON column gives it back."""
    with traced_inline(booking_id="b-1", attempt_id="a-1", trigger="web") as run:
        with traced_quote() as quote:
            quote.record(NO_TABLE if answer is None else answer)
        if over:
            run.timed_out()
    found: dict[str, Any] = json.loads(json.dumps(run.inject()))
    return found


def foreign(name: str) -> trace.Tracer:
    """A tracer of another instrumentation's."""
    return TracerProvider(shutdown_on_exit=False).get_tracer(name)


def ids(span: ReadableSpan) -> tuple[int, int]:
    """A span's ids."""
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def linked(span: ReadableSpan) -> list[tuple[int, int]]:
    """The ids that a span is linked to."""
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def test_a_job_follows_the_inline_run(recorder: Recorder) -> None:
    """Without a current span it is the inline run's child; it is linked to it, and knows its id, reason and trigger."""
    with continue_from(run_inline()), traced_job(booking_id="b-1"):
        pass
    inline, job = recorder.one("inline").span, recorder.one("job")

    assert (job.span.context.trace_id if job.span.context else 0, job.parent) == ids(inline)
    assert linked(job.span) == [ids(inline)]
    assert job["inline.attempt_id"] == "a-1"
    assert job["inline.trigger"] == "web"
    assert job["inline.reason"] == "No suitable tables for [e-mail]"


def test_the_rows_know_it_too(recorder: Recorder) -> None:
    """The summary's keys of the inline run are filled."""
    with continue_from(run_inline(over=True)), traced_job(booking_id="b-1"):
        pass
    summary = recorder.row(semconv.EVENT_SUMMARY).context
    assert (summary["inline_attempt_id"], summary["inline_reason"], summary["inline_trigger"]) == (
        "a-1",
        "INLINE_TIMEOUT",
        "web",
    )


def test_the_current_span_comes_before_the_carrier(recorder: Recorder) -> None:
    """Below a worker's own span the job stays its child; the inline run is a link."""
    carrier = run_inline()
    tracer = foreign("worker")
    with tracer.start_as_current_span("worker") as worker, continue_from(carrier), traced_job():
        pass
    job = recorder.one("job")

    assert job.parent == worker.get_span_context().span_id
    assert linked(job.span) == [ids(recorder.one("inline").span)]


def test_a_trace_of_its_own() -> None:
    """By setting a job begins a trace, linked to the inline run and to what is current."""
    with Recorder(job_starts_trace=True) as recorder:
        carrier = run_inline()
        with foreign("worker").start_as_current_span("worker") as worker, continue_from(carrier), traced_job():
            pass
    job, inline, around = recorder.one("job"), ids(recorder.one("inline").span), worker.get_span_context()

    assert job.parent is None
    assert ids(job.span)[0] not in (inline[0], around.trace_id)
    assert linked(job.span) == [inline, (around.trace_id, around.span_id)]


def test_a_block_may_be_given_the_carrier(recorder: Recorder) -> None:
    """``traced_job(carrier=…)`` is the same for a block."""
    with traced_job(carrier=run_inline()):
        pass
    assert linked(recorder.one("job").span) == [ids(recorder.one("inline").span)]


def test_a_job_inside_the_inline_run(recorder: Recorder) -> None:
    """Started there, in the same process, it needs no carrier."""
    with traced_inline(attempt_id="a-1", trigger="web"), traced_job():
        pass
    job = recorder.one("job")
    assert linked(job.span) == [ids(recorder.one("inline").span)]
    assert job["inline.attempt_id"] == "a-1"


def test_what_the_job_is_told_itself_comes_first(recorder: Recorder) -> None:
    """An id among its arguments is not overwritten by the carrier's."""
    with continue_from(run_inline()), traced_job(inline_attempt_id="a-9"):
        pass
    assert recorder.one("job")["inline.attempt_id"] == "a-9"


@pytest.mark.parametrize("answer", [{"hold": "h-1"}, {"hold": None}])
def test_a_success_leaves_no_reason(recorder: Recorder, answer: dict[str, Any]) -> None:
    """Where the last answer was yes there is none; where it was no without a text, its code is the reason."""
    carrier = run_inline(answer)
    assert carrier.get(semconv.INLINE_REASON) == (None if answer["hold"] else "unknown")


@pytest.mark.parametrize(
    "carrier",
    [
        None, 5, "text", [], {}, {"traceparent": 7}, {"traceparent": "00-zz"}, {semconv.INLINE_REASON: 3},
        {semconv.INLINE_ATTEMPT_ID: ""}, {b"traceparent": b"x"},
    ],
)  # fmt: skip
def test_what_is_no_carrier_changes_nothing(recorder: Recorder, carrier: object) -> None:
    """The job is what it would have been."""
    with _guard.strict(False), continue_from(carrier), traced_job(carrier=carrier):
        pass
    job = recorder.one("job")
    assert (job.parent, linked(job.span)) == (None, [])
    assert job["inline.attempt_id"] is None


def test_a_carrier_from_anywhere_is_made_safe(recorder: Recorder) -> None:
    """Long texts are cut, addresses scrubbed, and percent signs that encode nothing do no harm."""
    carrier = {semconv.INLINE_REASON: "x%zz ann%40example.com " + "y" * 100_000}
    with continue_from(carrier), traced_job():
        pass
    reason = recorder.one("job")["inline.reason"]
    assert reason.startswith("x%zz [e-mail] yyy")
    assert len(reason) <= 500


def test_a_carrier_may_be_the_headers_of_a_message(recorder: Recorder) -> None:
    """Whatever the reason's text is, the carrier has printable ASCII only, and the job reads the text again."""
    reason = "Κανένα τραπέζι\r\nX-Evil: 100%"
    carrier = run_inline({"hold": None, "reason": reason})
    assert all(value.isascii() and value.isprintable() for value in carrier.values())

    with continue_from(carrier), traced_job():
        pass
    assert recorder.one("job")["inline.reason"] == reason


def test_a_propagator_that_raises_costs_nothing(recorder: Recorder, request: pytest.FixtureRequest) -> None:
    """Neither the inline run nor the job hears of it."""

    class Raises(TextMapPropagator):
        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> contexts.Context:
            raise ZeroDivisionError

        def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
            raise ZeroDivisionError

        @property
        def fields(self) -> set[str]:
            return set()

    request.addfinalizer(functools.partial(propagate.set_global_textmap, propagate.get_global_textmap()))
    propagate.set_global_textmap(Raises())
    with _guard.strict(False):
        with traced_inline() as run:
            assert run.inject() == {}
        with continue_from({"traceparent": "x"}), traced_job(carrier={"traceparent": "x"}):
            pass
    assert recorder.one("job").parent is None


def test_outside_a_run_the_trace_is_written_alone(recorder: Recorder) -> None:
    """A carrier then holds what is current, and no inline run."""
    headers: MutableMapping[str, Any] = {"x": "y"}
    with foreign("web").start_as_current_span("request"):
        assert current_inline().inject(headers) is headers
    assert set(headers) == {"x", "traceparent"}


def test_a_provider_that_is_not_there_yet() -> None:
    """Without a tracer provider carriers are empty, and nothing fails."""
    configure(tracer_provider=trace.NoOpTracerProvider())
    with traced_inline() as run:
        pass
    with continue_from(run.inject()), traced_job():
        pass


def test_the_context_is_left_as_it_was(recorder: Recorder) -> None:
    """After the block nothing of the carrier is current."""
    carrier = run_inline()
    before = contexts.get_current()
    with continue_from(carrier):
        assert contexts.get_current() is not before
    assert contexts.get_current() == before
