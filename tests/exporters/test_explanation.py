"""What is said of a span is what rows are made by."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import INVALID_SPAN

from observability_events import AutoAssignSampler, explain
from observability_events.conditions import SPAN_ROWS
from observability_events.facts import EndedSpan
from observability_events.rows import all_rows_of
from otel_auto_assign import semconv
from tests.exporters.spans import ATTEMPT, CONFIRM, EVERY, INLINE_QUOTE, JOB, QUOTE, STAGE, Recipe, foreign
from tests.exporters.test_rows import CASES
from tests.test_contract import ATTRIBUTES, odd


def assert_is_what_happens(span: EndedSpan) -> None:
    """Check that every row is named as given, and that whatever is not has a reason."""
    told = explain(span)
    assert list(told.given) == [row.event_type for row in all_rows_of(span)]
    possible = [event_type for event_type, _ in SPAN_ROWS.get(span.name, ())]
    assert [verdict.event_type for verdict in told.verdicts if verdict.event_type != semconv.EVENT_STARTED] == possible
    for verdict in told.verdicts:
        assert verdict.because
        assert "{" not in str(verdict)
        assert str(verdict) in str(told)


@pytest.mark.parametrize(("recipe", "more", "expected"), CASES)
def test_every_shape_is_explained(recipe: Recipe, more: dict[str, Any], expected: list[str]) -> None:
    """For each span of the contract: the rows it gives, and for each other event type why not."""
    assert_is_what_happens(recipe.span(**more))


@given(
    name=st.sampled_from(sorted(semconv.SPANS)),
    attributes=st.dictionaries(st.sampled_from([*ATTRIBUTES, semconv.ERROR_TYPE]), odd, max_size=len(ATTRIBUTES)),
)
def test_whatever_a_span_has_is_explained(name: str, attributes: dict[str, Any]) -> None:
    """Another SDK's attributes do not make the explanation differ from the rows, or fail."""
    assert_is_what_happens(foreign(name, attributes, start_time=1, end_time=2))


@pytest.mark.parametrize(
    ("recipe", "more", "event_type", "words"),
    [
        (JOB, {}, semconv.EVENT_FAILED, ["the job came to 'succeeded', not to 'exhausted' (auto_assign.job.result)"]),
        (JOB, {}, semconv.EVENT_HARD_STOP, ["no hard stop was told (auto_assign.job.hard_stop_reason_code)"]),
        (ATTEMPT, {"ATTEMPT_INDEX": None}, semconv.EVENT_ATTEMPT,
         ["it neither asked the planner nor raised, so it has no index (auto_assign.attempt.index)"]),
        (ATTEMPT, {"LATE": True, "ATTEMPT_INDEX": None}, semconv.EVENT_ATTEMPT,
         ["it is late: it ended after its run (auto_assign.late)",
          "it neither asked the planner nor raised, so it has no index (auto_assign.attempt.index)"]),
        (ATTEMPT, {"FLOW": "inline"}, semconv.EVENT_ATTEMPT, ["only spans of the job flow give it"]),
        (QUOTE, {}, semconv.EVENT_INLINE_QUOTE_RESULT, ["only spans of the inline flow give it"]),
        (QUOTE, {"NESTED": True}, semconv.EVENT_QUOTE,
         ["it ran inside another quote, whose rows are the ones that count (auto_assign.nested)"]),
        (INLINE_QUOTE, {}, semconv.EVENT_INLINE_QUOTE_ERROR,
         ["it ended before its run", "it ended by no exception (status, error.type)"]),
        (CONFIRM, {"SUCCESS": False}, semconv.EVENT_INLINE_CONFIRM_SUCCEEDED,
         ["it did not succeed (auto_assign.success)"]),
        (STAGE, {"STAGE_THRESHOLD_MS": 13}, semconv.EVENT_STAGE_SLOW,
         ["it took 12.5 ms, not over its threshold (auto_assign.stage.threshold_ms)"]),
        (EVERY[semconv.EVENT_INLINE_TIMEOUT], {}, semconv.EVENT_INLINE_SUCCEEDED,
         ["the inline run came to 'timeout', not to 'succeeded' (auto_assign.inline.outcome)"]),
    ],
)  # fmt: skip
def test_the_reason_is_named(recipe: Recipe, more: dict[str, Any], event_type: str, words: list[str]) -> None:
    """A missing row has everything that stands in its way, in words, with the attribute to look at."""
    (found,) = (verdict for verdict in explain(recipe.span(**more)).verdicts if verdict.event_type == event_type)
    assert (found.given, list(found.because)) == (False, words)


def test_a_text_to_read() -> None:
    """One line for the span, then one for each event type."""
    span = dataclasses.replace(QUOTE, name=semconv.SPAN_STAGE).span(STAGE_THRESHOLD_MS=1)
    assert span.context is not None
    assert str(explain(span)) == (
        f"auto_assign.stage {span.context.span_id:016x}: of the job flow: gives 1 row\n"
        "  gives auto_assign.stage_slow: it took 12.5 ms, over its threshold; it ended before its run\n"
        "  no    inline_auto_assign.stage_slow: only spans of the inline flow give it"
    )


def test_a_foreign_span_gives_nothing() -> None:
    """And the names that would give something are named."""
    told = explain(Recipe("GET /bookings").span())
    assert told.verdicts == ()
    assert str(told).startswith("GET /bookings: gives no row: it is none of auto_assign.job, ")


def test_a_span_that_nobody_records() -> None:
    """What the API gives without an SDK, or a sampler has dropped, says what would help."""
    assert "AutoAssignSampler" in str(explain(INVALID_SPAN))
    dropped = TracerProvider(sampler=ALWAYS_OFF).get_tracer("t").start_span(semconv.SPAN_JOB)
    assert "AutoAssignSampler" in str(explain(dropped))


def test_a_span_that_is_not_sampled_or_has_not_ended() -> None:
    """Recorded only, or still open: the rows are named, and what to know of them."""
    provider = TracerProvider(sampler=AutoAssignSampler(ALWAYS_OFF), shutdown_on_exit=False)
    span = provider.get_tracer("t").start_span(semconv.SPAN_JOB)
    told = explain(span)
    assert "it has not ended" in str(told)
    assert "an exporter never sees it" in str(told)
    span.end()
    assert "it has not ended" not in str(explain(span))
    assert told.given == (semconv.EVENT_STARTED, semconv.EVENT_SUMMARY)


def test_a_job_flow_without_its_job_is_said() -> None:
    """Without the job's id a quote counts as direct; the remark says so."""
    told = explain(QUOTE.span(JOB_ID=None))
    assert told.given == (semconv.EVENT_QUOTE,)
    assert "without auto_assign.job.id no reader could find the job" in str(told)


def test_a_stage_that_still_runs_is_not_told_a_length() -> None:
    """Until it ends nobody knows whether it is slow."""
    provider = TracerProvider(shutdown_on_exit=False)
    attributes: dict[str, Any] = {semconv.FLOW: "job", semconv.JOB_ID: "0" * 16, semconv.STAGE_THRESHOLD_MS: 0.0}
    span = provider.get_tracer("t").start_span(semconv.SPAN_STAGE, attributes=attributes)
    assert explain(span).verdicts[0].because == ("it still runs: nobody knows yet how long it takes",)
    span.end()
    assert explain(span).given == (semconv.EVENT_STAGE_SLOW,)


def test_a_span_without_a_context_is_said() -> None:
    """One built by hand, without ids: no row, and why."""
    assert str(explain(ReadableSpan(semconv.SPAN_QUOTE))) == (
        "auto_assign.quote: it has no context, and so no ids: no row can be made of it"
    )


@pytest.mark.parametrize("no_span", [None, 5, "auto_assign.quote", ReadableSpan])
def test_what_is_no_span_is_refused(no_span: object) -> None:
    """In one sentence that says what was given."""
    with pytest.raises(TypeError, match=rf"^explain\(\) takes a span, not {type(no_span).__name__}: "):
        explain(no_span)
