"""The processes of the application and what they need, each started here and ended with the process that started it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from examples.restaurant.sandbox import Sandbox, open_sandbox
from examples.zero_code import keeper
from examples.zero_code.bookings.house import DATABASE
from examples.zero_code.collector import Collector

ROOT: Final = Path(__file__).resolve().parents[2]
CONFIG: Final = Path(__file__).with_name("auto_assign.toml")
REDIS: Final = "redis-server"
START_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02
_BROKER: Final = "BOOKINGS_BROKER"
_NEEDED: Final = ("celery", "uvicorn", "opentelemetry-instrument")


class MissingError(RuntimeError):
    """Something that has to be installed is not there; the text says what, and how to get it."""


@dataclass(frozen=True)
class Services:
    """All that runs.

    Attributes:
        sandbox: The database and the schema in it.
        collector: Where the spans arrive.
        logs: The folder with a log of each process.
        web: The web server's unix socket.
    """

    sandbox: Sandbox
    collector: Collector
    logs: Path
    web: Path

    def book(self, restaurant: uuid.UUID, party: int, starts_at: datetime) -> dict[str, Any]:
        """Ask the web server for a table."""
        wish = {"restaurant_id": str(restaurant), "party": party, "starts_at": starts_at.isoformat()}
        connection = _UnixConnection(self.web)
        try:
            connection.request("POST", "/bookings", json.dumps(wish), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise RuntimeError(f"the web server answered {answer.status}: {body[:200]}")
        found: dict[str, Any] = json.loads(body)
        return found


@contextmanager
def running(dsn: str | None = None, **environ: str) -> Iterator[Services]:
    """Start the database, the broker, the collector, the web server and a worker; end them all with the block.

    Args:
        dsn: Another server than the embedded one; only a schema of our own is made there.
        **environ: Further environment variables of the web server and the worker.

    Raises:
        MissingError: If a program is not installed.
    """
    commands = {name: program(name) for name in _NEEDED}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bookings-")))
        broker = stack.enter_context(redis(folder))
        sandbox = stack.enter_context(open_sandbox(dsn))
        collector = stack.enter_context(Collector())
        web = folder / "web.sock"
        application = {
            DATABASE: sandbox.dsn,
            _BROKER: f"redis+socket://{broker}",
            **tracing(sandbox, collector, folder),
            **environ,
        }
        traced = [commands["opentelemetry-instrument"]]
        package = "examples.zero_code.bookings"
        serve = [commands["uvicorn"], f"{package}.web:app", "--uds", str(web)]
        work = [commands["celery"], "--app", f"{package}.jobs", "worker", "--concurrency", "1", "--loglevel", "INFO"]
        stack.enter_context(process("web", [*traced, *serve], folder, application, ready=web))
        stack.enter_context(process("worker", [*traced, *work], folder, application))
        yield Services(sandbox, collector, folder, web)


def tracing(sandbox: Sandbox, collector: Collector, folder: Path) -> dict[str, str]:
    """Give the whole of what a deployment says of tracing: environment variables."""
    return {
        "OTEL_AUTO_ASSIGN_CONFIG": str(CONFIG),
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN": sandbox.dsn,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_TABLE": f"{sandbox.schema}.observability_events",
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DURABILITY": "process",
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_DIRECTORY": str(folder / "spool"),
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_SCHEDULE_DELAY": "0.1",
        "OTEL_SERVICE_NAME": "bookings",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=example",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "100",  # milliseconds
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_LOG_CORRELATION": "true",  # trace ids in the log
    }


@contextmanager
def redis(folder: Path) -> Iterator[Path]:
    """Start a Redis that keeps nothing, on a unix socket in ``folder``; give the socket.

    Raises:
        MissingError: If it is not installed.
    """
    place = folder / "redis.sock"
    command = [program(REDIS), "--port", "0", "--unixsocket", str(place), "--save", "", "--appendonly", "no"]
    with process("redis", [*command, "--dir", str(folder)], folder, {}, ready=place):
        yield place


def program(name: str) -> str:
    """Find a program beside this interpreter, else on the path.

    Raises:
        MissingError: If it is nowhere.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is not None:
        return found
    how = "apt-get install redis-server" if name == REDIS else "make zero-code, which installs it"
    raise MissingError(f"{name} is not installed: {how}")


@contextmanager
def process(
    name: str, command: list[str], folder: Path, environ: dict[str, str], *, ready: Path | None = None
) -> Iterator[None]:
    """Run ``command`` while the block runs, its log in ``folder``; begin when the socket ``ready`` answers.

    It ends with this process, too, however that ends, and what was in ``folder`` with it.

    Nothing of our own environment that could lead to another database or collector is passed on.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SUPABASE", "PG"))}
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        pipe, held = os.pipe()
        started = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(pipe), str(folder), *command],
            cwd=ROOT,
            env={**inherited, **environ},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            pass_fds=(pipe,),
            start_new_session=True,
        )
        os.close(pipe)
    try:
        if ready is not None:
            _wait_until_ready(name, started, ready, log)
        yield
    finally:
        with suppress(BrokenPipeError):  # it has ended by itself
            os.write(held, keeper.LET_GO)
        os.close(held)
        started.wait()


def _wait_until_ready(name: str, started: subprocess.Popen[bytes], ready: Path, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(ready)) == 0:
                return
        if started.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(_POLL_SECONDS)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, place: Path) -> None:
        super().__init__("localhost", timeout=START_SECONDS)
        self._place = place

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(START_SECONDS)
        self.sock.connect(str(self._place))
