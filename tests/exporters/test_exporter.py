"""The door that the environment opens, alone and beside the processor."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult

from observability_events import ObservabilityEventsExporter, ObservabilityEventsProcessor
from otel_auto_assign import semconv
from tests.exporters.support import count, read, settings, span

if TYPE_CHECKING:
    from tests.postgres import Connection


def test_is_found_by_its_entry_point() -> None:
    """`OTEL_TRACES_EXPORTER=observability_events` loads it."""
    (found,) = entry_points(group="opentelemetry_traces_exporter", name="observability_events")
    assert found.load() is ObservabilityEventsExporter


@pytest.mark.usefixtures("events_table")
def test_writes_started_and_all_else_from_the_ended_span(conn: Connection, dsn: str) -> None:
    """A batch processor's exporter writes a job's start, too; foreign spans are passed over."""
    exporter = ObservabilityEventsExporter(settings(dsn))
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("foreign"), tracer.start_as_current_span(semconv.SPAN_JOB):
        pass
    provider.shutdown()
    assert sorted(read(conn, "event_type")) == [("auto_assign.started",), ("auto_assign.summary",)]
    assert exporter.pipeline.accounts().accepted == 2


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("processor_first", [True, False])
def test_beside_the_processor_every_row_is_there_once(conn: Connection, dsn: str, processor_first: bool) -> None:
    """With both doors open the ids are the same: the later one counts its rows as already present."""
    exporter = ObservabilityEventsExporter(settings(dsn))
    processor = ObservabilityEventsProcessor(settings(dsn))
    doors = [processor, SimpleSpanProcessor(exporter)]
    provider = TracerProvider(shutdown_on_exit=False)
    for door in doors if processor_first else reversed(doors):
        provider.add_span_processor(door)
    for name in (semconv.SPAN_JOB, semconv.SPAN_QUOTE):
        provider.get_tracer("t").start_span(name).end()
    assert provider.force_flush(5000)
    provider.shutdown()
    both = (processor.pipeline.accounts(), exporter.pipeline.accounts())
    assert [accounts.committed for accounts in both] == [3, 3]
    assert sum(accounts.already_present for accounts in both) == 3
    assert count(conn) == 3


def test_says_when_it_did_not_accept() -> None:
    """A result of success means accepted; after the shutdown, or with a DSN that is none, it is failure."""
    exporter = ObservabilityEventsExporter(settings("host=/no/such/folder"))
    assert exporter.export([span()]) is SpanExportResult.SUCCESS
    assert exporter.export([]) is SpanExportResult.SUCCESS
    assert not exporter.force_flush(50)
    exporter.pipeline.shutdown(0)
    exporter.shutdown()
    assert exporter.export([span()]) is SpanExportResult.FAILURE
    assert ObservabilityEventsExporter(settings("no dsn")).export([span()]) is SpanExportResult.FAILURE
