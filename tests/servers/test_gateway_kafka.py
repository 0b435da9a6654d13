"""Gateways with Kafka behind them: how spans are laid into its topics, and what comes out of them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # its stubs do not export it
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.gateway import KAFKA, gateway
from collector.running import jaeger, kafka
from otel_auto_assign import semconv
from tests.exporters.support import until
from tests.servers.sending import sending
from tests.servers.test_gateway import in_a_trace, kept

ROWS, TRACES = "otlp_spans", "otlp_spans_by_trace"
PARTITIONS = 4
JOBS = 30


class Message(NamedTuple):
    """One of a topic's."""

    partition: int
    key: bytes | None
    spans: list[tuple[str, str]]


def make_topics(broker: str) -> None:
    """Make both, as an operator would."""
    client = AdminClient({"bootstrap.servers": broker})
    for made in client.create_topics([NewTopic(name, PARTITIONS, 1) for name in (ROWS, TRACES)]).values():
        made.result(20)


def messages(broker: str, topic: str, spans: int) -> list[Message]:
    """Read a topic from its beginning until so many spans have come."""
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "the test", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[Message] = []

    def enough() -> bool:
        if (message := consumer.poll(0.1)) is not None:
            assert message.error() is None, message.error()
            sent = ExportTraceServiceRequest.FromString(message.value() or b"")
            inside = [
                (span.trace_id.hex(), span.name)
                for resource in sent.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]
            found.append(Message(message.partition() or 0, message.key(), inside))
        return sum(len(one.spans) for one in found) >= spans

    try:
        until(enough, seconds=30)
    finally:
        consumer.close()
    return found


def test_rows_are_not_keyed_and_traces_stay_together(tmp_path: Path) -> None:
    """Many spans a message, of ours alone, on the way to rows; one partition a trace on the way to Jaeger.

    Two gateways share the traces: each decides on whole ones, whichever of them a span came to.
    """
    with kafka(tmp_path) as broker, jaeger(tmp_path) as found:
        make_topics(broker)
        one, two = tmp_path / "one", tmp_path / "two"
        one.mkdir()
        two.mkdir()
        with (
            gateway(one, jaeger=found.otlp, then=(KAFKA,), KAFKA=broker, KEPT_PERCENT="0") as first,
            gateway(two, jaeger=found.otlp, then=(KAFKA,), KAFKA=broker, KEPT_PERCENT="0") as second,
        ):
            broken = set()
            for takes in (first.takes, second.takes):
                with sending(takes) as sent:
                    broken |= {in_a_trace(sent, "broken") for _ in range(JOBS // 2)}

            rows = messages(broker, ROWS, JOBS * 3)
            traces = messages(broker, TRACES, JOBS * 4)
            until(lambda: kept(found).keys() == broken, seconds=30)
            until(lambda: {len(names) for names in kept(found).values()} == {4}, seconds=30)

    assert {one.key for one in rows} == {None}
    assert {name for one in rows for _, name in one.spans} == {
        semconv.SPAN_JOB, semconv.SPAN_ATTEMPT, semconv.SPAN_QUOTE,
    }  # fmt: skip
    assert len(rows) < JOBS / 2

    places: defaultdict[str, set[int]] = defaultdict(set)
    for message in traces:
        (trace_id,) = {trace_id for trace_id, _ in message.spans}
        assert message.key in {trace_id.encode(), bytes.fromhex(trace_id)}
        places[trace_id].add(message.partition)
    assert places.keys() == broken
    assert {len(partitions) for partitions in places.values()} == {1}
    assert len(set().union(*places.values())) > 1
