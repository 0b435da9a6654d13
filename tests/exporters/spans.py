"""Ended spans for tests, made by the real SDK: one for each event type of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, Status, StatusCode

from otel_auto_assign import semconv

START_NS: Final = 1_762_369_800_000_000_999  # 2025-11-05 19:10 UTC and 999 ns, so that flooring shows
BOOKING: Final = "96f93f4e-0000-4000-8000-000000000001"
RESTAURANT: Final = "96f93f4e-0000-4000-8000-000000000002"
JOB_ID: Final = "0123456789abcdef"
ATTEMPT_ID: Final = "inline-7"
RESOURCE: Final = Resource({semconv.SERVICE_NAME: "tables", semconv.DEPLOYMENT_ENVIRONMENT_NAME: "pilot"})

COMMON: Final[Mapping[str, Any]] = {
    semconv.BOOKING_ID: BOOKING,
    semconv.RESTAURANT_ID: RESTAURANT,
    semconv.TRIGGER: "cron",
    semconv.FLAG_RETRY_POLICY_V2: True,
    semconv.FLAG_PLANNER_CACHE: False,
    semconv.FLAG_SOURCE: semconv.FLAGS_FROM_ENVIRONMENT,
}
IN_JOB: Final = {semconv.FLOW: semconv.FLOW_JOB, semconv.JOB_ID: JOB_ID, semconv.ATTEMPT_INDEX: 1}
IN_INLINE: Final = {semconv.FLOW: semconv.FLOW_INLINE, semconv.INLINE_ATTEMPT_ID: ATTEMPT_ID}


@dataclass(frozen=True)
class Recipe:
    """How to make a span; with an error's message, its status is an error's."""

    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    ms: float = 12.5

    def span(self, **more: Any) -> ReadableSpan:
        """Make the span with the SDK, and end it; ``more`` are further attributes by their short Python name."""
        exporter = InMemorySpanExporter()
        provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        attributes = {**COMMON, **self.attributes, **{getattr(semconv, name): value for name, value in more.items()}}
        span = provider.get_tracer(__name__).start_span(
            self.name,
            attributes={name: value for name, value in attributes.items() if value is not None},
            start_time=START_NS,
        )
        if self.error is not None:
            span.set_status(Status(StatusCode.ERROR, self.error))
        span.end(START_NS + int(self.ms * 1_000_000))
        (ended,) = exporter.get_finished_spans()
        return ended


def foreign(name: str, attributes: Mapping[str, Any] | None, **more: Any) -> ReadableSpan:
    """Make a span as another SDK may have filled it: of any types, in any order."""
    context = SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=False)
    return ReadableSpan(name, context=context, resource=RESOURCE, attributes=attributes, **more)


def _job(result: str, **more: Any) -> Recipe:
    given = {semconv.FLOW: semconv.FLOW_JOB, semconv.JOB_RESULT: result, semconv.JOB_LAST_ATTEMPT_INDEX: 1}
    return Recipe(semconv.SPAN_JOB, {**given, **{getattr(semconv, name): value for name, value in more.items()}})


def _inline(outcome: str, error: str | None = None, **more: Any) -> Recipe:
    given = {**IN_INLINE, semconv.INLINE_OUTCOME: outcome, semconv.INLINE_TIMEOUT_MS: 12_000.0}
    return Recipe(
        semconv.SPAN_INLINE, {**given, **{getattr(semconv, name): value for name, value in more.items()}}, error
    )


QUOTE: Final = Recipe(
    semconv.SPAN_QUOTE,
    {
        **IN_JOB,
        semconv.SUCCESS: False,
        semconv.REASON: "Hold conflicts prevented all candidates",
        semconv.REASON_CODE: semconv.CODE_HOLD_CONFLICT,
        semconv.STRATEGY_REQUIRE_ADJACENCY: True,
        semconv.STRATEGY_MAX_TABLES: 2,
        semconv.CACHE_HIT: False,
        semconv.ALTERNATES: 3,
    },
)
ATTEMPT: Final = Recipe(
    semconv.SPAN_ATTEMPT,
    {**QUOTE.attributes, semconv.ATTEMPT_PLANNER_CALLS: 2, semconv.ATTEMPT_IMPLICIT: True},
)
INLINE_QUOTE: Final = Recipe(
    semconv.SPAN_QUOTE, {**QUOTE.attributes, **IN_INLINE, semconv.JOB_ID: None, semconv.ATTEMPT_INDEX: None}
)
CONFIRM: Final = Recipe(semconv.SPAN_CONFIRM, {**IN_INLINE, semconv.SUCCESS: True, semconv.HOLD_ID: "hold-1"})
STAGE: Final = Recipe(semconv.SPAN_STAGE, {**IN_JOB, semconv.STAGE_NAME: "load", semconv.STAGE_THRESHOLD_MS: 12.0})
JOB: Final = _job(
    semconv.RESULT_SUCCEEDED,
    BOOKING_STATUS="pending",
    JOB_ATTEMPTS_USED=2,
    JOB_MAX_ATTEMPTS=5,
    JOB_SKIPPED_INITIAL_ATTEMPT=False,
)

EVERY: Final[Mapping[str, Recipe]] = {
    semconv.EVENT_STARTED: JOB,
    semconv.EVENT_QUOTE: QUOTE,
    semconv.EVENT_ATTEMPT: ATTEMPT,
    semconv.EVENT_ATTEMPT_ERROR: Recipe(semconv.SPAN_ATTEMPT, ATTEMPT.attributes, "boom"),
    semconv.EVENT_PLANNER_CACHE_HIT: Recipe(
        semconv.SPAN_QUOTE, {**QUOTE.attributes, semconv.CACHE_HIT: True, semconv.CACHE_STATUS: "hit"}
    ),
    semconv.EVENT_HARD_STOP: _job(
        semconv.RESULT_EXHAUSTED,
        JOB_HARD_STOP_REASON="No suitable tables",
        JOB_HARD_STOP_REASON_CODE=semconv.CODE_NO_SUITABLE_TABLES,
    ),
    semconv.EVENT_INLINE_SKIP_ATTEMPT: _job(
        semconv.RESULT_SKIPPED,
        INLINE_ATTEMPT_ID=ATTEMPT_ID,
        INLINE_REASON="INLINE_TIMEOUT",
        INLINE_TRIGGER="inline",
        INLINE_SKIP_REASON="no capacity",
        INLINE_SKIP_REASON_CODE=semconv.CODE_NO_CAPACITY,
        INLINE_SKIP_PREVIOUS_MAX_ATTEMPTS=5,
        INLINE_SKIP_NEXT_MAX_ATTEMPTS=0,
    ),
    semconv.EVENT_INLINE_TIMEOUT_ADJUSTMENT: Recipe(
        semconv.SPAN_ATTEMPT,
        {
            **ATTEMPT.attributes,
            semconv.ADJUSTMENT_REQUIRE_ADJACENCY: False,
            semconv.ADJUSTMENT_MAX_TABLES: 4,
            semconv.ADJUSTMENT_MAX_ATTEMPTS: 2,
        },
    ),
    semconv.EVENT_CUTOFF_SKIPPED: _job(semconv.RESULT_CUTOFF, JOB_CUTOFF_MINUTES=7.5, INLINE_REASON="INLINE_TIMEOUT"),
    semconv.EVENT_EXITED_ALREADY_CONFIRMED: _job(semconv.RESULT_ALREADY_CONFIRMED),
    semconv.EVENT_SUCCEEDED: JOB,
    semconv.EVENT_FAILED: _job(semconv.RESULT_EXHAUSTED, JOB_ATTEMPTS_USED=5),
    semconv.EVENT_STAGE_SLOW: STAGE,
    semconv.EVENT_SUMMARY: _job(
        semconv.RESULT_EXHAUSTED,
        INLINE_ATTEMPT_ID=ATTEMPT_ID,
        INLINE_REASON="INLINE_TIMEOUT",
        INLINE_TRIGGER="inline",
    ),
    semconv.EVENT_INLINE_QUOTE_RESULT: INLINE_QUOTE,
    semconv.EVENT_INLINE_QUOTE_ERROR: _inline(semconv.INLINE_QUOTE_ERROR, "boom"),
    semconv.EVENT_INLINE_NO_HOLD: _inline(semconv.INLINE_NO_HOLD, REASON="no capacity", SUCCESS=False, ALTERNATES=0),
    semconv.EVENT_INLINE_CONFIRM_SUCCEEDED: CONFIRM,
    semconv.EVENT_INLINE_CONFIRM_FAILED: _inline(semconv.INLINE_CONFIRM_FAILED, "refused", HOLD_ID="hold-1"),
    semconv.EVENT_INLINE_SUCCEEDED: _inline(
        semconv.INLINE_SUCCEEDED,
        SUCCESS=True,
        HOLD_ID="hold-1",
        INLINE_IDEMPOTENCY_KEY="key-1",
        INLINE_QUOTE_DURATION_MS=7.25,
        INLINE_CONFIRM_DURATION_MS=3.5,
    ),
    semconv.EVENT_INLINE_TIMEOUT: _inline(semconv.INLINE_TIMEOUT, "too long"),
    semconv.EVENT_INLINE_OPERATION_ABORTED: _inline(semconv.INLINE_OPERATION_ABORTED, "gone"),
    semconv.EVENT_INLINE_STAGE_SLOW: Recipe(
        semconv.SPAN_STAGE, {**STAGE.attributes, **IN_INLINE, semconv.JOB_ID: None, semconv.ATTEMPT_INDEX: None}
    ),
}
"""For each event type a span that gives it, beside others perhaps."""
