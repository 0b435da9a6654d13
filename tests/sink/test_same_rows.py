"""Rows made behind OTLP are those made in the process: by the SDK's own exporters, through the real sink."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from observability_events import AlwaysSampleAutoAssign, ObservabilityEventsProcessor
from observability_events.catalogue import CATALOGUE
from otel_auto_assign import Flags, Settings, configure, semconv
from otel_auto_assign.analysis.doctor import examine
from otel_auto_assign.analysis.windows import Window
from tests.exporters.support import until
from tests.postgres import Connection, create_events_table
from tests.sink.program import Sink
from tests.test_every_event import run_everything

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace.export import SpanExporter

COLUMNS = "id, created_at, source, event_type, severity, context::text, restaurant_id, booking_id"


def by_grpc(sink: Sink) -> SpanExporter:
    """The SDK's exporter, as OTEL_EXPORTER_OTLP_PROTOCOL=grpc makes it."""
    return GrpcExporter(endpoint=f"http://127.0.0.1:{sink.ports['grpc']}", insecure=True)


def by_http(sink: Sink) -> SpanExporter:
    """The SDK's exporter for `http/protobuf`, with gzip."""
    return HttpExporter(f"http://127.0.0.1:{sink.ports['http']}/v1/traces", compression=Compression.Gzip)


@contextmanager
def application(dsn: str, exporter: SpanExporter) -> Iterator[ObservabilityEventsProcessor]:
    """An application that writes its rows itself, and sends its spans, too."""
    resource = Resource({semconv.SERVICE_NAME: "both-ways", semconv.DEPLOYMENT_ENVIRONMENT_NAME: "test"})
    provider = TracerProvider(sampler=AlwaysSampleAutoAssign(), resource=resource, shutdown_on_exit=False)
    processor = ObservabilityEventsProcessor(Settings(dsn=dsn))
    provider.add_span_processor(processor)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    flags = Flags(retry_policy_v2=True, planner_cache=True)
    configure(settings=Settings(), tracer_provider=provider, flag_provider=lambda: flags)
    yield processor
    assert provider.force_flush()
    provider.shutdown()


def rows(conn: Connection, table: str) -> list[tuple[Any, ...]]:
    """All columns of all rows as text, `started` apart."""
    query = f"SELECT {COLUMNS} FROM {table} WHERE event_type <> 'auto_assign.started' ORDER BY id::text"
    return conn.execute(query.encode()).fetchall()


def started(conn: Connection, table: str) -> list[tuple[Any, ...]]:
    """What a start's row has in common, whenever it was made."""
    query = f"SELECT id, event_type, created_at FROM {table} WHERE event_type = 'auto_assign.started' ORDER BY 1"
    return conn.execute(query.encode()).fetchall()


@pytest.mark.parametrize("exporter", [by_grpc, by_http])
def test_every_event_type_is_the_same_both_ways(
    conn: Connection, dsn: str, exporter: Callable[[Sink], SpanExporter]
) -> None:
    """Byte for byte in every column, for the program that forces every event type; a start's by id, type and time."""
    create_events_table(conn)
    create_events_table(conn, name="behind")
    with Sink(dsn, "--table", "behind") as sink, application(dsn, exporter(sink)):
        run_everything()
    written = conn.execute("SELECT DISTINCT event_type FROM behind").fetchall()
    assert {event for (event,) in written} == set(CATALOGUE)
    assert rows(conn, "behind") == rows(conn, "observability_events")
    assert started(conn, "behind") == started(conn, "observability_events")


@pytest.mark.usefixtures("events_table")
def test_both_ways_into_one_table_by_mistake(conn: Connection, dsn: str) -> None:
    """No row is there twice, for the ids are equal; and `doctor` says that both are on."""
    with Sink(dsn) as sink:
        with application(dsn, by_grpc(sink)) as processor:
            run_everything()
            assert processor.force_flush()
            written = processor.pipeline.accounts().committed
            names = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE application_name LIKE 'otel-auto-a%'"
            until(lambda: len(conn.execute(names.encode()).fetchall()) == 2)
            now = datetime.now(UTC)
            examined = examine(conn, Window(now - timedelta(hours=1), now), now=now)
            (found,) = [each for each in examined if each.check == "writers"]
        sink.stop()
    assert conn.execute("SELECT count(*), count(DISTINCT id) FROM observability_events").fetchone() == (written,) * 2
    said = sink.says(r"ended: (\d+) rows committed, (\d+) of them were there before, (\d+) dead letters, (\d+) left")
    both = processor.pipeline.accounts().already_present + int(said[2])
    assert (int(said[1]), both, said[3], said[4]) == (written, written, "0", "0")
    assert "as otel-auto-assign-sink" in found.evidence
