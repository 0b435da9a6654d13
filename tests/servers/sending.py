"""A job whose spans go out by OTLP, as a host's would."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
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


def send_jobs(address: str, jobs: int = 1) -> None:
    """Run so many, and send the three spans of each there; all of them were acknowledged when it returns."""
    sent: list[SpanExportResult] = []

    class Exporter(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            sent.append(super().export(spans))
            return sent[-1]

    provider = TracerProvider(
        sampler=AlwaysSampleAutoAssign(), resource=Resource({"service.name": SERVICE}), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(Exporter(f"http://{address}")))
    configure(settings=Settings(), tracer_provider=provider)
    for _ in range(jobs):
        assign("b-1")
    provider.shutdown()
    assert sent == [SpanExportResult.SUCCESS] * 3 * jobs
