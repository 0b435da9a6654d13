"""A job whose spans go out by OTLP, as a host's would."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

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


def send_a_job(address: str) -> None:
    """Run it, and send its three spans there."""
    provider = TracerProvider(resource=Resource({"service.name": SERVICE}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"http://{address}")))
    configure(settings=Settings(), tracer_provider=provider)
    assign("b-1")
    provider.shutdown()
