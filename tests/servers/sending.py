"""Spans that go out by OTLP, as a host's would: of a job by the library, or of any other making."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from observability_events import AlwaysSampleAutoAssign
from otel_auto_assign import Settings, configure, traced_job, traced_quote

SERVICE = "bookings"


@traced_quote
def quote(booking_id: str) -> dict[str, object]:
    """Find nothing."""
    return {"hold": None, "reason": "No suitable tables for 4 guests", "cache_hit": False}


@traced_job(trigger="cron")
def assign(booking_id: str) -> bool:
    """One attempt."""
    return bool(quote(booking_id)["hold"])


@contextmanager
def sending(
    address: str, *, meter_provider: MeterProvider | None = None, resource: Resource | None = None
) -> Iterator[TracerProvider]:
    """Have the library's spans, and those of the provider, sent there one by one; all of them must be acknowledged."""
    sent: list[SpanExportResult] = []

    class Exporter(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            sent.append(super().export(spans))
            return sent[-1]

    provider = TracerProvider(
        sampler=AlwaysSampleAutoAssign(),
        resource=resource or Resource.create({"service.name": SERVICE}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(SimpleSpanProcessor(Exporter(f"http://{address}")))
    configure(settings=Settings(), tracer_provider=provider, meter_provider=meter_provider)
    yield provider
    provider.shutdown()
    assert sent
    assert set(sent) == {SpanExportResult.SUCCESS}


def send_jobs(address: str, jobs: int = 1) -> None:
    """Run so many, and send the three spans of each there; all of them were acknowledged when it returns."""
    with sending(address):
        for _ in range(jobs):
            assign("b-1")
