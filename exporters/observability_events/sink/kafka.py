"""The sink behind Kafka as a process: it reads until it is told to end; then what is in hand is finished.

::

    starting ──► member of the group ──signal──► draining: nothing is read ──► offsets committed, or the time is up ──►
    left the group ──► ended
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

try:
    from confluent_kafka import KafkaException
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"observability_events.sink.kafka needs {missing.name}: pip install 'otel-auto-assign[sink]'", name=missing.name
    ) from None

from observability_events.sink.consuming import Consuming
from observability_events.sink.group import FencedError, Group, GroupError
from observability_events.sink.health_door import HealthDoor
from observability_events.sink.kafka_properties import Properties
from observability_events.sink.kafka_telemetry import KafkaTelemetry
from observability_events.sink.lag import Lag
from observability_events.sink.letterbox import Letterbox
from observability_events.sink.setup import SetupError, told_to_end
from observability_events.sink.writing import SinkWriter
from otel_auto_assign._guard import SafeLog
from otel_auto_assign.settings import address

if TYPE_CHECKING:
    from otel_auto_assign.settings import Settings

__all__ = ["FencedError", "GroupError", "run"]

LEAVING_SECONDS: Final = 5.0  # for the group to hear of the end; without brokers there is nobody to hear
ANSWERING_SECONDS: Final = 1.0

_log = SafeLog(__name__)


def run(settings: Settings) -> None:
    """Be a sink until SIGTERM or SIGINT.

    Raises:
        SetupError: if properties are of no use.
        FencedError: if another process has joined the group under the same name.
        GroupError: if the group cannot be read from any more.
        OSError: if the health's address cannot be had.
    """
    asyncio.run(_run(settings))


class _Sink:
    """The parts, put together."""

    def __init__(self, settings: Settings) -> None:
        properties = Properties(settings)
        letters = settings.sink_kafka_dead_letters or f"{settings.sink_kafka_topic}.dead-letters"
        self.writer = SinkWriter(settings)
        letterbox = Letterbox(properties.producer(), letters, settings.sink_timeout)
        self.consuming = Consuming(self.writer, letterbox, settings)
        self.telemetry = KafkaTelemetry(self.consuming, letterbox, settings)
        try:
            self.group = Group(
                properties.consumer(),
                settings.sink_kafka_topic,
                hidden=properties.hidden,
                on_dropped=self.consuming.drop,
                on_committed=self.telemetry.committed,
            )
        except KafkaException as error:
            raise SetupError(f"Kafka's properties: {properties.hidden(error.args[0].str())}") from None
        self.lag = Lag(
            properties.connection(), settings, letters, assigned=lambda: self.group.assigned, hidden=properties.hidden
        )
        self.telemetry.begin(self.lag)
        self.draining = False

    @property
    def ready(self) -> bool:
        """Whether it is of the group, and brokers and database answer."""
        return self.group.joined and self.lag.answered and self.writer.ready and not self.draining


async def _run(settings: Settings) -> None:
    ended = told_to_end()
    sink = _Sink(settings)
    door = HealthDoor(sink)
    at = address(settings.sink_health)
    if at is not None:
        _log.info("health on %s:%d", at[0], await door.open(*at))
    sink.writer.start()
    sink.lag.start()
    _log.info("reading %s as %s", settings.sink_kafka_topic, settings.sink_kafka_group)
    reading = asyncio.get_running_loop().create_future()
    threading.Thread(target=_read, args=(sink, reading), name="otel-auto-assign-kafka", daemon=True).start()
    try:
        told = asyncio.ensure_future(ended.wait())
        await asyncio.wait([told, reading], return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            _log.info("told to end: nothing more is read, what is in hand is finished")
        sink.draining = True
        grace = settings.shutdown_timeout
        sink.consuming.stop(grace)
        told.cancel()
        await asyncio.wait([reading], timeout=grace + LEAVING_SECONDS)
        await asyncio.gather(door.close(ANSWERING_SECONDS), asyncio.to_thread(sink.writer.close, grace))
        sink.lag.close()
        if reading.done():
            reading.result()
    finally:
        _said(sink)


def _read(sink: _Sink, reading: asyncio.Future[None]) -> None:
    """Read on this thread, then leave the group; ``reading`` has what came of it."""
    failed: BaseException | None = None
    try:
        sink.consuming.run(sink.group)
    except BaseException as error:
        failed = error
    sink.group.close()

    def say() -> None:
        if reading.cancelled():
            return
        if failed is None:
            reading.set_result(None)
        else:
            reading.set_exception(failed)

    reading.get_loop().call_soon_threadsafe(say)


def _said(sink: _Sink) -> None:
    accounts = sink.writer.accounts()
    _log.info(
        "ended: %d messages finished, %d rows committed, %d of them were there before, %d dead letters, "
        "%d left in Kafka",
        sink.consuming.messages,
        accounts.committed,
        accounts.already_present,
        accounts.dead_lettered,
        accounts.handed_over,
    )
