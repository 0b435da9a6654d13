"""The rows' twins as log events: the same names, times and facts, and none is lost at the end."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry._logs import Logger
from opentelemetry.context import get_current
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LoggerProvider, export
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from observability_events import AutoAssignSampler, LogEventsProcessor, ObservabilityEventsProcessor
from observability_events.log_events import NOT_EMITTED
from observability_events.rows import all_rows_of
from otel_auto_assign import Settings, semconv
from otel_auto_assign._spans import is_suppressed
from otel_auto_assign._wiring import wire
from tests.exporters.spans import EVERY, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

pytestmark = pytest.mark.skipif(
    "event_name" not in inspect.signature(Logger.emit).parameters,
    reason="this version of opentelemetry-api has no log events",
)

SEVERITIES = {"INFO": 9, "WARNING": 13, "ERROR": 17}
PROGRAM = """
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogRecordExporter
from opentelemetry.sdk.trace import TracerProvider
from observability_events import LogEventsProcessor
from otel_auto_assign import Settings, traced_job

provider = TracerProvider()
provider.add_span_processor(LogEventsProcessor(Settings(schedule_delay=60)))
trace.set_tracer_provider(provider)
logger_provider = LoggerProvider()  # its exit handler comes before the tracer provider's
logger_provider.add_log_record_processor(
    BatchLogRecordProcessor(ConsoleLogRecordExporter(formatter=lambda record: f"{record.log_record.event_name}\\n"))
)
set_logger_provider(logger_provider)
traced_job(lambda booking_id: {"success": False})("b-17")
"""


@pytest.fixture
def kept() -> Any:
    """What a log exporter got."""
    in_memory: Any = export.InMemoryLogRecordExporter
    return in_memory()


@pytest.fixture
def logs(kept: Any) -> Iterator[LoggerProvider]:
    """A logger provider that keeps what it gets."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(export.SimpleLogRecordProcessor(kept))
    yield provider
    provider.shutdown()


def emitted(logs: LoggerProvider, kept: Any, span: ReadableSpan) -> Sequence[Any]:
    """Give the events of one span."""
    processor = LogEventsProcessor(Settings(), logger_provider=logs)
    assert processor.pipeline.accept(all_rows_of, span)
    assert processor.force_flush()
    processor.shutdown()
    events: Sequence[Any] = kept.get_finished_logs()
    return events


@pytest.mark.parametrize("recipe", EVERY.values(), ids=EVERY)
def test_an_event_is_the_twin_of_its_row(logs: LoggerProvider, kept: Any, recipe: Recipe) -> None:
    """Name, time, severity, facts and place in the trace are the row's; OTLP takes every one."""
    span = recipe.span()
    rows, events = all_rows_of(span), emitted(logs, kept, span)
    assert [event.log_record.event_name for event in events] == [row.event_type for row in rows]
    for row, event in zip(rows, events, strict=True):
        record = event.log_record
        assert record.timestamp == row.time_us * 1000
        assert record.body == row.context
        assert record.severity_number is not None
        assert record.severity_number.value == SEVERITIES[row.severity.upper()]
        assert f"{record.trace_id:032x}" == row.context["trace_id"]
        assert f"{record.span_id:016x}" == row.context["span_id"]
        assert dict(record.attributes or {}) == {
            semconv.BOOKING_ID: str(row.booking_id),
            semconv.RESTAURANT_ID: str(row.restaurant_id),
        }
    sent = encode_logs(events).resource_logs
    assert sum(len(scope.log_records) for resource in sent for scope in resource.scope_logs) == len(rows)


def test_events_do_not_depend_on_sampling(logs: LoggerProvider, kept: Any) -> None:
    """With our sampler every event comes, though no span is exported; and a job's first at its start."""
    provider = TracerProvider(sampler=AutoAssignSampler(ALWAYS_OFF), shutdown_on_exit=False)
    provider.add_span_processor(LogEventsProcessor(Settings(), logger_provider=logs))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span(semconv.SPAN_JOB, attributes={semconv.FLOW: semconv.FLOW_JOB}):
        provider.force_flush()
        assert [event.log_record.event_name for event in kept.get_finished_logs()] == [semconv.EVENT_STARTED]
    provider.shutdown()
    assert semconv.EVENT_SUMMARY in [event.log_record.event_name for event in kept.get_finished_logs()]


def test_a_processor_sees_the_spans_context_and_no_suppression(logs: LoggerProvider, kept: Any) -> None:
    """What we do ourselves is suppressed for instrumentations; the events are for everybody."""
    seen: list[tuple[bool, int]] = []

    class Looking(export.SimpleLogRecordProcessor):
        def __init__(self) -> None: ...

        def on_emit(self, log_record: Any) -> None:
            seen.append((is_suppressed(get_current()), trace.get_current_span().get_span_context().span_id))

        def shutdown(self) -> None: ...

    logs.add_log_record_processor(Looking())
    span = EVERY[semconv.EVENT_SUMMARY].span()
    assert span.context is not None
    events = emitted(logs, kept, span)
    assert seen == [(False, span.context.span_id)] * len(events)


def test_what_cannot_be_emitted_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A logger provider that raises costs its events and one line of the log, and the application nothing."""

    class Broken(LoggerProvider):
        def get_logger(self, *_args: Any, **_keywords: Any) -> Any:
            class Logger:
                def emit(self, **_: Any) -> None:
                    raise OSError("no room")

            return Logger()

    processor = LogEventsProcessor(Settings(), logger_provider=Broken(shutdown_on_exit=False))
    for recipe in EVERY.values():
        processor.on_end(recipe.span())
    processor.force_flush()
    accounts = processor.pipeline.accounts()
    processor.shutdown()
    assert accounts.dropped.get(NOT_EMITTED, 0) > 1
    assert accounts.committed == 0
    assert caplog.text.count("log events cannot be emitted and are lost: no room") == 1


def test_the_last_event_of_a_process_is_emitted() -> None:
    """Though the logger provider's exit handler was registered after the tracer provider's, and so comes first."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [semconv.EVENT_STARTED, semconv.EVENT_SUMMARY]


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        (Settings(log_events=True), [LogEventsProcessor]),
        (Settings(log_events=True, console=True), [ObservabilityEventsProcessor, LogEventsProcessor]),
        (Settings(console=True), [ObservabilityEventsProcessor]),
    ],
)
def test_the_setting_adds_them_beside_the_rows(settings: Settings, kinds: list[type]) -> None:
    """Zero-code: each has its own processor, and wiring twice adds none."""
    provider = TracerProvider(shutdown_on_exit=False)
    wire(provider, settings)
    wire(provider, settings)
    assert [type(one) for one in provider._active_span_processor._span_processors] == kinds
    provider.shutdown()
