"""Collector → Kafka → sinks → table, as ``gateway-kafka.yaml`` has it: what starts it, and the topics it needs."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # its stubs do not export it

from collector.running import free_address, process
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    import subprocess

LETTERS: Final = ".dead-letters"
WARNINGS: Final = 4
"""Of syslog's levels: it would also tell on the standard error how it ends."""
_ANSWER_SECONDS: Final = 20.0


def make_topics(broker: str, names: Iterable[str], *, partitions: int) -> None:
    """Make topics, as an operator would."""
    client = AdminClient({"bootstrap.servers": broker, "log_level": WARNINGS})
    for made in client.create_topics([NewTopic(name, partitions, 1) for name in names]).values():
        made.result(_ANSWER_SECONDS)


@contextmanager
def kafka_sink(
    folder: Path, settings: Settings, *, broker: str, topic: str, group: str
) -> Iterator[subprocess.Popen[str]]:
    """Run ``otel-auto-assign sink kafka`` for the block, ready when the group has taken it in.

    Args:
        folder: Gets its log, and what it keeps on disk.
        settings: Say which table of which database.
        broker: Where Kafka is.
        topic: What it reads.
        group: Whom it shares that with.
    """
    health = free_address()
    environ = {
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN": settings.dsn,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_TABLE": settings.table,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_DIRECTORY": str(folder / "spool"),
    }
    given = ("--servers", broker, "--topic", topic, "--group", group, "--health", health)
    command = [sys.executable, "-m", "otel_auto_assign.cli", "sink", "kafka", *given]
    with process(command, folder / "sink.log", environ, ready=lambda: _is_ready(health)) as running:
        yield running


def _is_ready(health: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{health}/readyz", timeout=1).close()
    except (urllib.error.URLError, OSError):
        return False
    return True
