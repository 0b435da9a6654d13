"""Exceptions as log records: only when asked for, once each, scrubbed, and never as span events."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.baggage import set_baggage
from opentelemetry.context import attach, detach
from opentelemetry.sdk import _logs as sdk_logs
from opentelemetry.sdk._logs import export
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_auto_assign import Settings, _exceptions, _guard, configure, traced_inline, traced_job, traced_quote
from otel_auto_assign._runtime import runtime

ABLE = "context" in inspect.signature(Logger.emit).parameters
needs_keywords = pytest.mark.skipif(not ABLE, reason="this OpenTelemetry API cannot emit without the SDK's records")


class Logged:
    """Instrumentation whose exceptions are logged into memory."""

    def __init__(self, *, on: bool = True) -> None:
        in_memory: Any = getattr(export, "InMemoryLogRecordExporter", None) or export.InMemoryLogExporter
        self._exporter = in_memory()
        logs = sdk_logs.LoggerProvider(shutdown_on_exit=False)
        logs.add_log_record_processor(export.SimpleLogRecordProcessor(self._exporter))
        self.spans = InMemorySpanExporter()
        traces = TracerProvider(shutdown_on_exit=False)
        traces.add_span_processor(SimpleSpanProcessor(self.spans))
        configure(settings=Settings(exception_logs=on), tracer_provider=traces, logger_provider=logs)

    @property
    def records(self) -> list[Any]:
        """What was logged."""
        return [data.log_record for data in self._exporter.get_finished_logs()]


@traced_quote
def quote(error: BaseException) -> None:
    """A planner that raises."""
    raise error


@traced_job
def job(error: BaseException) -> None:
    """A job whose planner raises."""
    quote(error)


def test_nothing_is_logged_unless_asked_for() -> None:
    """Off by default; and a span has no events either way."""
    logged = Logged(on=False)
    with pytest.raises(ValueError, match="boom"):
        job(ValueError("boom"))

    assert logged.records == []
    assert [span.events for span in logged.spans.get_finished_spans()] == [(), (), ()]
    assert not Settings().exception_logs


@needs_keywords
def test_an_exception_is_logged_once_for_the_innermost_span() -> None:
    """It passes through quote, attempt and job, and is one record, in the quote's context."""
    logged = Logged()
    with pytest.raises(ValueError, match="boom"):
        job(ValueError("boom"))
    (record,) = logged.records
    (span,) = [span for span in logged.spans.get_finished_spans() if span.name == "auto_assign.quote"]
    assert span.context is not None

    assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
    assert (record.severity_text, record.severity_number) == ("ERROR", SeverityNumber.ERROR)
    assert record.body == "ValueError: boom"
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time <= record.timestamp <= span.end_time
    assert record.attributes["exception.type"] == "ValueError"
    assert record.attributes["exception.message"] == "boom"
    assert record.attributes["exception.stacktrace"].startswith("Traceback (most recent call last):")
    assert record.attributes["exception.stacktrace"].endswith("ValueError: boom\n")
    assert [span.events for span in logged.spans.get_finished_spans()] == [(), (), ()]


@needs_keywords
def test_each_exception_of_a_run_is_logged() -> None:
    """One that was caught does not hide the next, though it may say the same."""
    logged = Logged()

    @traced_inline
    def inline() -> None:
        kept = [ValueError("boom"), ValueError("boom")]
        for error in kept:
            with pytest.raises(ValueError, match="boom"):
                quote(error)

    inline()

    assert len(logged.records) == 2


@needs_keywords
def test_an_exception_that_takes_the_place_of_one_that_is_gone_is_logged() -> None:
    """Python gives a new exception the address of the last, and it may say the same."""
    logged = Logged()
    with traced_job():
        for _ in range(50):
            try:
                quote(ValueError("boom"))
            except ValueError:
                pass

    assert len(logged.records) == 50


@needs_keywords
def test_message_and_stack_trace_are_scrubbed() -> None:
    """E-mail addresses and phone numbers leave neither by the message nor by the trace, nor by a cause's message."""
    logged = Logged()

    def failing() -> None:
        try:
            raise LookupError("no guest ann@example.org")
        except LookupError as error:
            raise ValueError("call +44 20 7946 0958\n" + "x" * 9000) from error

    with pytest.raises(ValueError, match="call"), traced_job():
        failing()
    with pytest.raises(LookupError), traced_job():
        quote(LookupError("no guest ann@example.org, +44 20 7946 0958"))
    shown = str([dict(record.attributes) for record in logged.records]) + str([r.body for r in logged.records])

    assert "[e-mail]" in shown
    assert "[phone]" in shown
    assert "ann@" not in shown
    assert "7946" not in shown
    assert min(len(r.attributes["exception.stacktrace"]) for r in logged.records) > 100
    assert max(len(r.attributes["exception.stacktrace"]) for r in logged.records) <= _exceptions.STACK_TRACE_LIMIT


@needs_keywords
def test_of_a_long_stack_trace_the_end_is_kept() -> None:
    """Where the exception is; it begins with a whole line."""
    logged = Logged()

    def deep(left: int) -> None:
        if left % 2:
            deep(left - 1)  # two lines that take turns: Python leaves out what repeats itself
        elif left:
            deep(left - 1)
        else:
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"), traced_job():
        deep(200)
    (record,) = logged.records
    shown = record.attributes["exception.stacktrace"]

    assert 0.9 * _exceptions.STACK_TRACE_LIMIT < len(shown) <= _exceptions.STACK_TRACE_LIMIT
    assert shown.startswith(("    ", "  File"))
    assert shown.endswith("ValueError: boom\n")


@needs_keywords
def test_nothing_of_the_host_s_context_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Baggage, which log processors may write, is none of a record's business."""
    contexts = []
    Logged()
    monkeypatch.setattr(runtime.logger, "emit", lambda **given: contexts.append(given["context"]))
    token = attach(set_baggage("guest", "ann"))
    try:
        with pytest.raises(ValueError, match="boom"):
            job(ValueError("boom"))
    finally:
        detach(token)

    assert ["ann" in str(context) for context in contexts] == [False]


@needs_keywords
def test_cancellation_is_no_exception_to_log() -> None:
    """A task that is cancelled, or a process that is told to exit, has not failed."""
    logged = Logged()
    for error in (asyncio.CancelledError(), SystemExit(1), KeyboardInterrupt(), GeneratorExit()):
        with pytest.raises(type(error)):
            job(error)

    assert logged.records == []


@needs_keywords
def test_a_log_pipeline_that_raises_costs_the_span_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's own exception leaves the job, whose result is what it was."""
    logged = Logged()

    def emit(*_args: object, **_keywords: object) -> None:
        raise OSError("the host's exporter")

    monkeypatch.setattr(runtime.logger, "emit", emit)
    with _guard.strict(on=False), pytest.raises(ValueError, match="boom"):
        job(ValueError("boom"))
    (span,) = [span for span in logged.spans.get_finished_spans() if span.name == "auto_assign.job"]

    assert span.attributes is not None
    assert span.attributes["auto_assign.job.result"] == "error"
    assert _guard.failures["logging an exception"] == 1


def test_an_api_that_cannot_do_it_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With an older OpenTelemetry the application goes on, and the log says what is needed."""

    class OldLogger:
        def emit(self, record: object) -> None:
            raise AssertionError("not to be called")

    _exceptions._takes_keywords.cache_clear()
    monkeypatch.setattr(_exceptions, "Logger", OldLogger)
    Logged()
    for _ in range(2):
        with pytest.raises(ValueError, match="boom"):
            job(ValueError("boom"))
    _exceptions._takes_keywords.cache_clear()

    assert [record.message for record in caplog.records] == [
        "exceptions are not logged: this version of opentelemetry-api cannot, a newer one can"
    ]
