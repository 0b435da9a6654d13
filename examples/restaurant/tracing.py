"""OpenTelemetry, set up as a host would: rows first, then whatever else looks at spans."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from rich.console import Console

from examples.restaurant.options import UsageError
from observability_events import AutoAssignSampler, ObservabilityEventsProcessor
from otel_auto_assign import Settings, configure

OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
FLUSH_MILLIS = 30_000
QUEUE = 50_000  # spans; none of a day is to be given up
GRACE_SECONDS = 1
OTLP_SECONDS = 3  # an endpoint that does not answer shall not hold the demo


class SpanKeeper(SpanProcessor):
    """Keeps every ended span, for a look at a trace afterwards."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it."""
        with self._lock:
            self._spans.append(span)

    def spans(self) -> list[ReadableSpan]:
        """Give what was kept."""
        with self._lock:
            return list(self._spans)


class Tracing(ABC):
    """A tracer provider whose spans become rows, and the product configured to use it.

    Args:
        settings: The product's.
        sampler: The provider's.
        processors: In this order; what keeps the spans for the demo comes last.
    """

    def __init__(self, settings: Settings, sampler: Sampler, *processors: SpanProcessor) -> None:
        self.keeper = SpanKeeper()
        resource = Resource.create({"service.name": "restaurant", "deployment.environment.name": "demo"})
        limits = SpanLimits(max_span_attributes=128, max_attribute_length=10_000)  # whatever the environment says
        self._provider = TracerProvider(resource=resource, sampler=sampler, span_limits=limits, shutdown_on_exit=False)
        for processor in (*processors, self.keeper):
            self._provider.add_span_processor(processor)
        configure(settings=settings, tracer_provider=self._provider)

    @abstractmethod
    def flush(self) -> bool:
        """Wait until every row is written; False if that took too long."""

    @abstractmethod
    def written(self) -> int:
        """Say how many rows are in the table."""

    @abstractmethod
    def lost(self) -> int:
        """Say how many rows there should be that are not in the table."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left and let go."""

    def look(self, _console: Console) -> list[str]:
        """Show what else there is to see of the spans; give what is wrong there."""
        return []

    def environment(self) -> Mapping[str, str]:
        """Give the variables by which a command finds that."""
        return {}


class InProcess(Tracing):
    """Rows are written by the process itself; spans are sent, too, where the environment names an endpoint.

    Raises:
        UsageError: If spans are to be sent by OTLP and the exporter is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        # First: a processor that raises keeps those after it from their spans, and this one never does.
        self._rows = ObservabilityEventsProcessor(settings)
        sending = [BatchSpanProcessor(_otlp_exporter(), max_queue_size=QUEUE)] if os.environ.get(OTLP_ENDPOINT) else []
        super().__init__(settings, AutoAssignSampler(), self._rows, *sending)

    def flush(self) -> bool:
        """Wait until every row is written; False if that took too long."""
        return self._rows.force_flush(FLUSH_MILLIS)  # the others export by themselves, an unreachable one in vain

    def written(self) -> int:
        """Say how many rows are in the table."""
        return self._rows.pipeline.accounts().committed

    def lost(self) -> int:
        """Say how many rows were handed over and are not in the table."""
        accounts = self._rows.pipeline.accounts()
        return accounts.accepted - accounts.committed

    def close(self) -> None:
        """Write what is left and let go; of exporters that try again for a minute the end is not waited for."""
        self._rows.shutdown()
        others = threading.Thread(target=self._provider.shutdown, daemon=True)
        others.start()
        others.join(OTLP_SECONDS + GRACE_SECONDS)


def _otlp_exporter() -> SpanExporter:
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    module = f"opentelemetry.exporter.otlp.proto.{'grpc' if protocol == 'grpc' else 'http'}.trace_exporter"
    try:
        exporter: SpanExporter = import_module(module).OTLPSpanExporter(timeout=OTLP_SECONDS)
    except ImportError:
        raise UsageError(f"{OTLP_ENDPOINT} is set; to send spans: pip install 'otel-auto-assign[otlp]'") from None
    return exporter
