"""The real servers, each started here on loopback with files of its own, and ended by the process that was started."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from collector.build.servers import JAEGER, KAFKA, OTELCOL

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
END_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.05
_PORTS: Final = range(20_000, 32_000)
"""Below where Linux (32768) and everybody else (49152) begins to choose."""
_OTHERS: Final = ("OTEL_", "SUPABASE", "PG")
_chance: Final = random.SystemRandom()
_given: Final[set[int]] = set()


@dataclass(frozen=True)
class Jaeger:
    """A Jaeger that keeps its traces in memory.

    Attributes:
        otlp: Where it takes spans, by OTLP/gRPC.
        query: Its query API, over HTTP.
    """

    otlp: str
    query: str

    def traces(self, **asked: str) -> list[dict[str, Any]]:
        """Ask for traces, as its own web page does."""
        return self.asked(f"traces?{urllib.parse.urlencode(asked)}")

    def asked(self, what: str) -> list[dict[str, Any]]:
        """Ask for what is below ``/api``."""
        found: list[dict[str, Any]] = self._get(what)
        return found

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """Ask for one trace; None as long as there is none."""
        try:
            found: list[dict[str, Any]] = self._get(f"traces/{trace_id}")
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise
        return found[0]

    def _get(self, what: str) -> Any:
        with urllib.request.urlopen(f"http://{self.query}/api/{what}", timeout=10) as answer:
            return json.load(answer)["data"]


@contextmanager
def jaeger(folder: Path) -> Iterator[Jaeger]:
    """Run Jaeger for the block."""
    started = Jaeger(otlp=free_address(), query=free_address())
    config = folder / "jaeger.yaml"
    config.write_text(
        f"""
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}
  telemetry: {{metrics: {{level: none}}}}
extensions:
  jaeger_storage: {{backends: {{memory: {{memory: {{max_traces: 100000}}}}}}}}
  jaeger_query:
    storage: {{traces: memory}}
    http: {{endpoint: "{started.query}"}}
    grpc: {{endpoint: "{free_address()}"}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "{started.otlp}"}}}}}}
exporters:
  jaeger_storage_exporter: {{trace_storage: memory}}
""",
        encoding="utf-8",
    )
    of_itself = {"OTEL_TRACES_SAMPLER": "always_off"}  # it would send its own traces to itself, and wait at the end
    command = [str(JAEGER), "--config", str(config)]
    with process(command, folder / "jaeger.log", of_itself, ready=lambda: listens(started.otlp)):
        yield started


@contextmanager
def collector(
    config: Path, folder: Path, environ: Mapping[str, str], *, takes: str, then: Sequence[Path] = ()
) -> Iterator[subprocess.Popen[str]]:
    """Run the Collector for the block.

    Args:
        config: One of ``collector/configs``.
        folder: Gets its log.
        environ: What the configuration asks of the environment.
        takes: Where it listens when it is ready.
        then: What is given after it, and changes a part of it.
    """
    command = [str(OTELCOL), *(word for file in (config, *then) for word in ("--config", str(file)))]
    with process(command, folder / "otelcol.log", environ, ready=lambda: listens(takes)) as running:
        yield running


@contextmanager
def kafka(folder: Path, address: str = "", *, more: str = "", sasl: str = "") -> Iterator[str]:
    """Run a broker of one node for the block; give its address.

    Args:
        folder: Gets its log and its data; one that was used before goes on with its data.
        address: Where it is to be, if not anywhere.
        more: More of its properties.
        sasl: Where it is to be, too, for those who say who they are.
    """
    address, controller = address or free_address(), free_address()
    properties = folder / "kafka.properties"
    guarded = f",SASL_PLAINTEXT://{sasl}" if sasl else ""
    properties.write_text(
        f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
listeners=PLAINTEXT://{address},CONTROLLER://{controller}{guarded}
advertised.listeners=PLAINTEXT://{address}{guarded}
controller.listener.names=CONTROLLER
log.dirs={folder / "kafka"}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
{more}
""",
        encoding="utf-8",
    )
    java = ["java", "-Xmx512m", "-cp", f"{KAFKA}/*"]
    formatted = [*java, "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", str(properties),
                 "--ignore-formatted"]  # fmt: skip
    subprocess.run(formatted, check=True, capture_output=True)
    with process([*java, "kafka.Kafka", str(properties)], folder / "kafka.log", ready=lambda: listens(address)):
        yield address


@contextmanager
def process(
    command: list[str], log: Path, environ: Mapping[str, str] | None = None, *, ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[str]]:
    """Run a program for the block; it is ready when ``ready`` says so, and what it said is in ``log``.

    It does not hear the terminal's Ctrl-C, and nothing of our own environment that could lead to another database or
    collector is passed on.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    with log.open("w", encoding="utf-8") as output:
        started = subprocess.Popen(
            command,
            env={**inherited, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not ready():
            if started.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} does not start:\n{log.read_text(encoding='utf-8')[-3000:]}")
            time.sleep(_POLL_SECONDS)
        yield started
    finally:
        started.terminate()
        try:
            started.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def listens(address: str) -> bool:
    """Whether somebody takes connections there."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def free_address() -> str:
    """Give an address on loopback that nobody has, and that nobody is given before it is used."""
    return f"{HOST}:{free_port()}"


def free_port() -> int:
    """Give the port of such an address.

    It is none of those that the kernel chooses from: between this call and the server's start, any connection of any
    process might be given it.
    """
    while True:
        port = _chance.choice(_PORTS)
        if port in _given:
            continue
        _given.add(port)
        try:
            socket.create_server((HOST, port)).close()
        except OSError:
            continue
        return port
