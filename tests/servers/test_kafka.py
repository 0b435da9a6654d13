"""Spans through the real Kafka."""

from __future__ import annotations

from pathlib import Path

from collector.running import collector, free_address, jaeger, kafka
from tests.exporters.support import until
from tests.servers.sending import SERVICE, send_jobs

THROUGH_KAFKA = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "{takes}"}}}}}}
  kafka:
    brokers: ["{broker}"]
    initial_offset: earliest
    traces: {{topics: [spans]}}
exporters:
  kafka: {{brokers: ["{broker}"], traces: {{topic: spans}}, sending_queue: {{enabled: false}}}}
  otlp_grpc: {{endpoint: "{kept}", tls: {{insecure: true}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces/in: {{receivers: [otlp], exporters: [kafka]}}
    traces/out: {{receivers: [kafka], exporters: [otlp_grpc]}}
"""


def test_spans_pass_through_kafka(tmp_path: Path) -> None:
    """What a Collector puts into a topic another one takes out: the three spans of a job."""
    takes = free_address()
    with kafka(tmp_path) as broker, jaeger(tmp_path) as kept:
        config = tmp_path / "through.yaml"
        config.write_text(THROUGH_KAFKA.format(takes=takes, broker=broker, kept=kept.otlp), encoding="utf-8")
        with collector(config, tmp_path, {}, takes=takes):
            send_jobs(takes)
            until(lambda: [len(trace["spans"]) for trace in kept.traces(service=SERVICE)] == [3], seconds=30)
