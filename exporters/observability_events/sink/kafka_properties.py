"""Settings → librdkafka's properties, of which more may stand in a file: TLS, SASL and the like.

https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from observability_events.connection import SINK_APPLICATION_NAME
from observability_events.sink.setup import SetupError, said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_auto_assign.settings import Settings

QUEUE_BYTES: Final = 16 * 2**20  # of what is read ahead; a fetch that is on its way comes to that
METADATA_MS: Final = 10_000  # after which a topic that was missing, or has more partitions, is seen

_OURS: Final = {
    "bootstrap.servers": "the setting sink_kafka_servers says it",
    "metadata.broker.list": "the setting sink_kafka_servers says it",
    "group.id": "the setting sink_kafka_group says it",
    "group.instance.id": "the setting sink_kafka_instance says it",
    "group.protocol": "only the classic one was tried",
    "enable.auto.commit": "offsets are committed when the rows are",
    "enable.auto.offset.store": "offsets are committed when the rows are",
    "auto.offset.reset": "a new group begins at the beginning",
    "partition.assignment.strategy": "who keeps a partition goes on with it",
}
"""What a file may not say, and why."""
_OF_ALL: Final = (
    "api.", "broker.", "client.", "debug", "enable.ssl", "https.", "log", "reconnect.", "retry.", "sasl.", "security.",
    "socket.", "ssl.",
)  # fmt: skip
"""Prefixes of what is not the consumer's alone: whoever else speaks to the brokers is told, too."""
_SECRETS: Final = ("password", "secret", "token", "pem", "oauthbearer.config", "ssl_key", "ssl.key")


class Properties:
    """What a sink tells librdkafka.

    Raises:
        SetupError: if the file cannot be read, or says what it may not.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._more = _read(settings.sink_kafka_properties) if settings.sink_kafka_properties else {}
        self._log = logging.getLogger(f"{__name__}.librdkafka")
        self._log.addFilter(self._without_secrets)
        if "debug" in self._more:
            self._log.setLevel(logging.DEBUG)

    def connection(self) -> dict[str, Any]:
        """Give those of whoever speaks to the brokers."""
        return {
            "bootstrap.servers": self._settings.sink_kafka_servers,
            "client.id": SINK_APPLICATION_NAME,
            "logger": self._log,
            "topic.metadata.refresh.interval.ms": METADATA_MS,
            **{name: value for name, value in self._more.items() if name.startswith(_OF_ALL)},
        }

    def consumer(self) -> dict[str, Any]:
        """Give those of the consumer."""
        settings = self._settings
        static = {"group.instance.id": settings.sink_kafka_instance} if settings.sink_kafka_instance else {}
        return {
            "allow.auto.create.topics": False,
            "queued.max.messages.kbytes": QUEUE_BYTES // 1024,
            "fetch.max.bytes": QUEUE_BYTES,
            **self.connection(),
            **self._more,
            "group.id": settings.sink_kafka_group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            **static,
        }

    def producer(self) -> dict[str, Any]:
        """Give those of who writes dead letters."""
        return {
            "acks": "all",
            "compression.type": "zstd",
            "message.max.bytes": 10**9,  # what is too large is said by the topic itself
            "message.timeout.ms": int(self._settings.sink_timeout * 1000),
            **self.connection(),
        }

    def _without_secrets(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.hidden(record.getMessage()), ()
        return True

    def hidden(self, text: str) -> str:
        """Give ``text`` without the secrets of the file."""
        for name, value in self._more.items():
            if value and any(word in name for word in _SECRETS):
                text = text.replace(value, "…")
        return text


def _read(path: str) -> Mapping[str, str]:
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"the properties cannot be read from {path}: {said(error)}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, equals, value = map(str.strip, line.partition("="))
        if not name or name.startswith("#"):
            continue
        if not equals:
            raise SetupError(f"{path}, line {number}: must be name=value")
        if name in _OURS:
            raise SetupError(f"{path}, line {number}: {name} cannot be set here, {_OURS[name]}")
        if name in found:
            raise SetupError(f"{path}, line {number}: {name} is there twice")
        found[name] = value
    return found
