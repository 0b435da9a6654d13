"""What a sink behind Kafka shows beside its writer's metrics: how far it is behind, and what it could not finish.

``docs/telemetry.md`` shows the table.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics as metrics_api
from opentelemetry.metrics import Observation

from observability_events.instruments import COUNTER, DURATION_BOUNDARIES, HISTOGRAM, UP_DOWN_COUNTER
from otel_auto_assign import _guard, semconv
from otel_auto_assign._version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider

    from observability_events.sink.consuming import Consuming
    from observability_events.sink.lag import Lag
    from observability_events.sink.letterbox import Letterbox
    from otel_auto_assign.settings import Settings

TABLE: Final = (
    (semconv.METRIC_SINK_LAG, UP_DOWN_COUNTER, "{message}", "Messages of one of its partitions, not committed."),
    (semconv.METRIC_SINK_MESSAGES, COUNTER, "{message}", "Messages whose rows are safe, or that are dead letters."),
    (semconv.METRIC_SINK_RETRIES, COUNTER, "{batch}", "How often a batch could not be finished and was tried again."),
    (semconv.METRIC_SINK_DEAD_LETTERS, COUNTER, "{message}", "Messages that could not be read, now in their topic."),
    (semconv.METRIC_SINK_COMMIT_DURATION, HISTOGRAM, "s",
     "How long the brokers took to take offsets; with `error.type` where they did not."),
)  # fmt: skip
"""Name, instrument, unit and meaning."""


class KafkaTelemetry:
    """The metrics of one consumer; nothing of it raises.

    Args:
        consuming: Not kept alive.
        letterbox: Likewise.
        settings: Which topic, and which group.
        provider: By default the global one.
    """

    def __init__(
        self, consuming: Consuming, letterbox: Letterbox, settings: Settings, provider: MeterProvider | None = None
    ) -> None:
        self._consuming = weakref.ref(consuming)
        self._letterbox = weakref.ref(letterbox)
        self._lag: Callable[[], Lag | None] = lambda: None
        self._topic = {
            semconv.MESSAGING_DESTINATION: settings.sink_kafka_topic,
            semconv.MESSAGING_GROUP: settings.sink_kafka_group,
        }
        self._attributes = {semconv.COMPONENT_TYPE: semconv.COMPONENT_KAFKA, **self._topic}
        self._durations: Any = None
        try:
            self._make(provider)
        except Exception as error:
            _guard.swallowed("registering the metrics of Kafka", error)

    def begin(self, lag: Lag) -> None:
        """Show ``lag``, too, from now on."""
        self._lag = weakref.ref(lag)

    def committed(self, seconds: float, error_type: str | None) -> None:
        """Record that offsets were committed, or were not."""
        try:
            failed = {} if error_type is None else {semconv.ERROR_TYPE: error_type}
            self._durations.record(seconds, {**self._attributes, **failed})
        except Exception as error:
            _guard.swallowed("recording the duration of a commit", error)

    def _make(self, provider: MeterProvider | None) -> None:
        meter = metrics_api.get_meter(semconv.EXPORTER_NAME, __version__, provider, semconv.SCHEMA_URL)
        shown: dict[str, Callable[[], Iterable[Observation]]] = {
            semconv.METRIC_SINK_LAG: self._behind,
            semconv.METRIC_SINK_MESSAGES: lambda: self._of(self._consuming(), "messages"),
            semconv.METRIC_SINK_RETRIES: lambda: self._of(self._consuming(), "retries"),
            semconv.METRIC_SINK_DEAD_LETTERS: lambda: self._of(self._letterbox(), "written"),
        }
        for name, kind, unit, description in TABLE:
            if kind == HISTOGRAM:
                self._durations = meter.create_histogram(
                    name, unit, description, explicit_bucket_boundaries_advisory=DURATION_BOUNDARIES
                )
            elif kind == COUNTER:
                meter.create_observable_counter(name, [_callback(shown[name])], unit, description)
            else:
                meter.create_observable_up_down_counter(name, [_callback(shown[name])], unit, description)

    def _behind(self) -> Iterator[Observation]:
        lag = self._lag()
        for partition, messages in sorted(lag.behind.items() if lag is not None else ()):
            yield Observation(messages, {**self._attributes, semconv.MESSAGING_PARTITION: str(partition)})

    def _of(self, what: object, name: str) -> Iterator[Observation]:
        if what is not None:
            yield Observation(getattr(what, name), self._attributes)


def _callback(shown: Callable[[], Iterable[Observation]]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        try:
            return list(shown())
        except Exception as error:
            _guard.swallowed("observing the metrics of Kafka", error)
            return []

    return observe
