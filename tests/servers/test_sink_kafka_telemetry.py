"""What a sink behind Kafka shows of itself, as a metric reader collects it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from observability_events.sink.consuming import Consuming
from observability_events.sink.group import Group
from observability_events.sink.kafka_properties import Properties
from observability_events.sink.kafka_telemetry import TABLE, KafkaTelemetry
from observability_events.sink.lag import Lag
from observability_events.sink.letterbox import Letterbox
from observability_events.sink.writing import SinkWriter
from otel_auto_assign import semconv
from tests.exporters.support import count, settings, until
from tests.faults.proxy import Proxy
from tests.postgres import Connection
from tests.servers.test_sink_kafka_faults import quotes
from tests.servers.topic import Topic


class Shown:
    """What is collected: the sum, or the number of recordings, by metric and by what of its attributes is asked for."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self._reader = reader

    def points(self, name: str) -> dict[str | None, float]:
        """Give a metric's points by partition, or by type of error."""
        data = self._reader.get_metrics_data()
        found: dict[str | None, float] = {}
        for metric in [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics:
            if metric.name == name:
                for point in metric.data.data_points:
                    attributes = point.attributes or {}
                    key = attributes.get(semconv.MESSAGING_PARTITION) or attributes.get(semconv.ERROR_TYPE)
                    found[None if key is None else str(key)] = getattr(point, "value", getattr(point, "count", 0))
        return found


@contextmanager
def sink(dsn: str, topic: Topic) -> Iterator[Shown]:
    """Run one in this process, with a reader of its metrics."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    given = settings(dsn, sink_kafka_servers=topic.broker, sink_kafka_topic=topic.name, sink_kafka_group=topic.name)
    properties = Properties(given)
    writer = SinkWriter(given, meter_provider=provider)
    letterbox = Letterbox(properties.producer(), topic.letters.name, given.sink_timeout)
    consuming = Consuming(writer, letterbox, given)
    telemetry = KafkaTelemetry(consuming, letterbox, given, provider)
    group = Group(
        properties.consumer(),
        topic.name,
        hidden=properties.hidden,
        on_dropped=consuming.drop,
        on_committed=telemetry.committed,
    )
    lag = Lag(properties.connection(), given, topic.letters.name, assigned=lambda: group.assigned, hidden=str)
    telemetry.begin(lag)
    writer.start()
    lag.start()
    reading = threading.Thread(target=consuming.run, args=(group,))
    reading.start()
    try:
        yield Shown(reader)
    finally:
        consuming.stop(1.0)
        reading.join(20)
        group.close()
        lag.close()
        writer.close(5.0)
        provider.shutdown()


@pytest.mark.usefixtures("events_table")
def test_lag_retries_dead_letters_and_commits(conn: Connection, dsn: str, broker: str) -> None:
    """With the database away the lag grows though nothing is read; with it back all of it is finished."""
    topic = Topic(broker, partitions=2).make()
    with Proxy(dsn) as proxy, sink(proxy.dsn, topic) as shown:
        topic.send(b"\xff", *quotes(3))
        until(lambda: count(conn) == 3, seconds=20)
        until(lambda: shown.points(semconv.METRIC_SINK_LAG) == {"0": 0, "1": 0}, seconds=20)
        assert shown.points(semconv.METRIC_SINK_DEAD_LETTERS) == {None: 1}
        assert shown.points(semconv.METRIC_SINK_MESSAGES) == {None: 4}
        assert shown.points(semconv.METRIC_SINK_RETRIES) == {None: 0}
        assert shown.points(semconv.METRIC_SINK_COMMIT_DURATION)[None] >= 1
        proxy.refuse()
        topic.send(*quotes(10))
        until(lambda: shown.points(semconv.METRIC_SINK_RETRIES)[None] >= 1, seconds=30)
        topic.send(*quotes(10))
        until(lambda: shown.points(semconv.METRIC_SINK_LAG) == {"0": 10, "1": 10}, seconds=20)
        proxy.accept()
        until(lambda: shown.points(semconv.METRIC_SINK_LAG) == {"0": 0, "1": 0}, seconds=30)
        assert shown.points(semconv.METRIC_SINK_MESSAGES) == {None: 24}
        assert shown.points(semconv.METRIC_EXPORTED) == {None: 23}
    assert {name for name, *_ in TABLE} == {
        semconv.METRIC_SINK_LAG,
        semconv.METRIC_SINK_MESSAGES,
        semconv.METRIC_SINK_RETRIES,
        semconv.METRIC_SINK_DEAD_LETTERS,
        semconv.METRIC_SINK_COMMIT_DURATION,
    }
