"""``otel-auto-assign sink kafka`` as a process of its own."""

from __future__ import annotations

import sys
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from tests.sink.program import DSN, Program

if TYPE_CHECKING:
    from tests.servers.topic import Topic

COMMAND = [sys.executable, "-X", "faulthandler", "-W", "error", "-m", "otel_auto_assign.cli", "sink", "kafka"]


class KafkaSink(Program):
    """A sink that reads a topic, in a group named as the topic is.

    Attributes:
        port: Of its health.
    """

    def __init__(self, dsn: str, topic: Topic, *options: str, **environ: str) -> None:
        given = ("--servers", topic.broker, "--topic", topic.name, "--group", topic.name, "--health", "127.0.0.1:0")
        super().__init__([*COMMAND, *given, *options], {DSN: dsn} | environ)
        self.port = int(self.says(r"health on 127.0.0.1:(\d+)")[1])

    def asked(self, path: str = "/readyz") -> int:
        """Ask for its health; give the status."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()
