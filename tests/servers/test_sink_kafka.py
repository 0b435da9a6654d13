"""Rows made behind Kafka: every message is in the table once, whatever ends in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from collector.gateway import KAFKA, gateway
from observability_events.catalogue import CATALOGUE
from tests.exporters.support import count, until
from tests.postgres import Connection, create_events_table
from tests.servers.kafka_sink import KafkaSink
from tests.servers.sending import send_jobs
from tests.servers.topic import Topic
from tests.sink.test_same_rows import application, rows, started
from tests.test_every_event import run_everything

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

JOBS = 40
ROWS_A_JOB = 5


class IntoKafka(SpanExporter):
    """Sends each batch as a message, in the encoding of a Collector's exporter."""

    def __init__(self, topic: Topic, encoding: str) -> None:
        self._topic = topic
        self._encoding = encoding

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._topic.send(encoded(spans, self._encoding))
        return SpanExportResult.SUCCESS


def encoded(spans: Sequence[ReadableSpan], encoding: str) -> bytes:
    """The spans as a Collector writes them: in OTLP/JSON, ids are hex and other bytes base64."""
    request = encode_spans(spans)
    if encoding == "otlp_proto":
        sent: bytes = request.SerializeToString()
        return sent
    document = MessageToDict(request)
    for resource, of in zip(document["resourceSpans"], request.resource_spans, strict=True):
        for scope, within in zip(resource["scopeSpans"], of.scope_spans, strict=True):
            for span, one in zip(scope["spans"], within.spans, strict=True):
                span |= {"traceId": one.trace_id.hex(), "spanId": one.span_id.hex()}
                if one.parent_span_id:
                    span["parentSpanId"] = one.parent_span_id.hex()
                for link, to in zip(span.get("links", ()), one.links, strict=True):
                    link |= {"traceId": to.trace_id.hex(), "spanId": to.span_id.hex()}
    return json.dumps(document).encode()


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_every_event_type_is_the_same_both_ways(conn: Connection, dsn: str, broker: str, encoding: str) -> None:
    """Byte for byte in every column, for the program that forces every event type; a start's by id, type and time."""
    create_events_table(conn)
    create_events_table(conn, name="behind")
    topic = Topic(broker).make()
    with KafkaSink(dsn, topic, "--table", "behind", "--encoding", encoding):
        with application(dsn, IntoKafka(topic, encoding)):
            run_everything()
        until(lambda: count(conn, "behind") == count(conn), seconds=30)
    written = conn.execute("SELECT DISTINCT event_type FROM behind").fetchall()
    assert {event for (event,) in written} == set(CATALOGUE)
    assert rows(conn, "behind") == rows(conn, "observability_events")
    assert started(conn, "behind") == started(conn, "observability_events")
    assert topic.committed(topic.name) > 0


JSON = """
exporters: {kafka/rows: {traces: {encoding: otlp_json}}}
"""


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_from_the_gateway_into_the_table(
    conn: Connection, dsn: str, broker: str, tmp_path: Path, encoding: str
) -> None:
    """Application, Collector as ``gateway-kafka.yaml`` has it, Kafka, two sinks, table: every job's rows, once."""
    topic, traces = Topic(broker).make(), Topic(broker).make(letters=False)
    as_json = tmp_path / "json.yaml"
    as_json.write_text(JSON, encoding="utf-8")
    then = (KAFKA, as_json) if encoding == "otlp_json" else (KAFKA,)
    names = {"KAFKA": broker, "KAFKA_ROWS": topic.name, "KAFKA_TRACES": traces.name, "KAFKA_TRACES_GROUP": traces.name}
    with (
        KafkaSink(dsn, topic, "--encoding", encoding) as one,
        KafkaSink(dsn, topic, "--encoding", encoding) as two,
        gateway(tmp_path, then=then, **names) as made,
    ):
        send_jobs(made.takes, JOBS)
        until(lambda: count(conn) == JOBS * ROWS_A_JOB, seconds=60)
        one.stop()
        two.stop()
        (unread,) = {int(sink.says(r"(\d+) dead letters, 0 left in Kafka")[1]) for sink in (one, two)}
    assert unread == 0
    assert count(conn) == JOBS * ROWS_A_JOB
