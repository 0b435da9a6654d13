"""Spans of a provider of the SDK's, started and ended as we do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Sampler,
)
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from otel_auto_assign._spans import end_span

if TYPE_CHECKING:
    from otel_auto_assign._span_source import SpanSource

ATTRIBUTES: dict[str, Any] = {"auto_assign.flow": "job", "auto_assign.success": True, "auto_assign.alternates": 3}
AT_END: dict[str, Any] = {"auto_assign.reason": "Ħ", "auto_assign.success": False}
START, END = 1_700_000_000_000_000_001, 1_700_000_000_000_000_777
RESOURCE = Resource({"service.name": "tests"})


def provider(sampler: Sampler = ALWAYS_ON, *processors: sdk.SpanProcessor, **options: Any) -> sdk.TracerProvider:
    """Build a provider that keeps nothing beyond the test."""
    made = sdk.TracerProvider(sampler=sampler, resource=RESOURCE, shutdown_on_exit=False, **options)
    for processor in processors:
        made.add_span_processor(processor)
    return made


def remote(flags: int, state: str | None = None) -> Context:
    """A context with a parent in another process."""
    parent = SpanContext(
        0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(flags), trace_state=TraceState.from_header([state or ""])
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


def local(flags: int) -> Context:
    """A context with a parent in this process, which nobody records."""
    parent = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(flags))
    return set_span_in_context(NonRecordingSpan(parent), Context())


def a_life(source: SpanSource, context: Context, error: tuple[str, str] | None) -> Any:
    """Start a span and end it."""
    span = source.start("auto_assign.quote", context, dict(ATTRIBUTES), START)
    end_span(span, dict(AT_END), error, END)
    return span
