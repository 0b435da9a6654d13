"""Traces in the real Jaeger, through the real Collector."""

from __future__ import annotations

from pathlib import Path

from otel_auto_assign import semconv
from tests.exporters.support import until
from tests.servers.running import collector, free_address, jaeger
from tests.servers.sending import SERVICE, send_jobs

AGENT = Path(__file__).parents[2] / "collector" / "configs" / "agent.yaml"
BY_REASON = {"service": SERVICE, "tags": '{"auto_assign.reason_code":"hard.no_suitable_tables"}'}


def test_an_agent_hands_a_jobs_trace_on(tmp_path: Path) -> None:
    """Nested as it was called, and found by its reason code."""
    takes = free_address()
    with jaeger(tmp_path) as kept:
        environ = {
            "GATEWAY": kept.otlp,
            "GATEWAY_INSECURE": "true",
            "HEALTH": free_address(),
            "OTELCOL_METRICS": "none",
            "OTELCOL_STORAGE": str(tmp_path),
            "OTLP_GRPC": takes,
            "OTLP_HTTP": free_address(),
        }
        with collector(AGENT, tmp_path, environ, takes=takes):
            send_jobs(takes)
            until(lambda: bool(kept.traces(**BY_REASON)))
            (trace,) = kept.traces(**BY_REASON)
    spans = {span["operationName"]: span for span in trace["spans"]}
    assert set(spans) == {semconv.SPAN_JOB, semconv.SPAN_ATTEMPT, semconv.SPAN_QUOTE}
    parents = {name: [link["spanID"] for link in span["references"]] for name, span in spans.items()}
    assert parents == {
        semconv.SPAN_JOB: [],
        semconv.SPAN_ATTEMPT: [spans[semconv.SPAN_JOB]["spanID"]],
        semconv.SPAN_QUOTE: [spans[semconv.SPAN_ATTEMPT]["spanID"]],
    }
