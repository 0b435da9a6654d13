"""How a sink ends, and how it does not begin."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from tests.exporters.support import count, locked, settings, span, until
from tests.sink.program import COMMAND, Sink, message, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.proxy import Proxy
    from tests.postgres import Connection

WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE application_name = 'otel-auto-assign-sink' AND wait_event_type = 'Lock'
"""


class Meanwhile:
    """Calls a function on a thread of its own, and keeps what came of it."""

    def __init__(self, function: Callable[..., object], *given: Any, **named: Any) -> None:
        self._result: list[object] = []
        self._thread = threading.Thread(target=self._run, args=(function, given, named), daemon=True)
        self._thread.start()

    def _run(self, function: Callable[..., object], given: tuple[Any, ...], named: dict[str, Any]) -> None:
        try:
            self._result.append(function(*given, **named))
        except grpc.RpcError as error:
            self._result.append(error.code())

    def result(self) -> object:
        """Wait for it."""
        self._thread.join(20)
        (result,) = self._result
        return result


@pytest.mark.usefixtures("events_table")
def test_killed_between_the_commit_and_the_answer(conn: Connection, dsn: str, proxy: Proxy) -> None:
    """The sender was not answered and sends again, to the next sink: every row is in the table, once."""
    body = message([span() for _ in range(30)])
    with Sink(proxy.dsn) as sink:
        sink.export(message([span()]))
        proxy.down.passing.clear()
        sending = Meanwhile(sink.export, body)
        until(lambda: count(conn) == 31)
        sink.kill()
        assert sending.result() == grpc.StatusCode.UNAVAILABLE
    with Sink(dsn) as sink:
        sink.export(body)
        sink.stop()
        sink.says("ended: 30 rows committed, 30 of them were there before, 0 dead letters, 0 left")
    assert count(conn) == 31


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_hand_is_finished(conn: Connection, dsn: str, sign: signal.Signals) -> None:
    """Told to end while calls are held at both doors: nothing new is taken, they are answered, and it leaves with 0."""
    with Sink(dsn) as sink, locked(dsn, "LOCK observability_events") as host:
        calls = [Meanwhile(sink.export, message([span()])), Meanwhile(posted, sink)]
        until(lambda: conn.execute(WAITING).fetchone() == (2,))
        sink.process.send_signal(sign)
        sink.says("told to end")
        until(lambda: not _listens(sink.ports["grpc"]) and not _listens(sink.ports["http"]))
        (moment,) = conn.execute("SELECT clock_timestamp()").fetchone() or ()
        until(lambda: conn.execute(WAITING + " AND query_start > %s", (moment,)).fetchone() == (2,))  # tried again
        host.rollback()
        assert calls[0].result() is None
        assert calls[1].result() == (200, "close")
        assert sink.ends() == 0
    assert count(conn) == 2


@pytest.mark.usefixtures("events_table")
def test_what_cannot_be_finished_stays_with_its_sender(conn: Connection, dsn: str) -> None:
    """When the time is up the calls are answered, too: to be sent again."""
    timeout = {"OTEL_EXPORTER_OBSERVABILITY_EVENTS_SHUTDOWN_TIMEOUT": "0.3"}
    with Sink(dsn, **timeout) as sink, locked(dsn, "LOCK observability_events"):
        by_grpc = Meanwhile(refusal, sink.export, message([span()]))
        by_http = Meanwhile(posted, sink)
        until(lambda: conn.execute(WAITING).fetchone() == (2,))
        sink.process.send_signal(signal.SIGTERM)
        assert by_grpc.result() == (grpc.StatusCode.UNAVAILABLE, 1.0)
        assert by_http.result() == (503, "close")
        assert sink.ends() == 0
        sink.says("ended: 0 rows committed, 0 of them were there before, 0 dead letters, 2 left with their senders")


ENDS_AND_COLLECTS = """
import gc, sys, threading
from otel_auto_assign.cli import main
try:
    main()
except SystemExit:
    gc.collect()
    print(*(thread.name for thread in threading.enumerate() if "_poll_wrapper" in thread.name), file=sys.stderr)
    raise
"""


def test_the_poller_of_grpc_is_not_waited_for() -> None:
    """Its process may stop it when the interpreter can run threads no more: then it would never end."""
    timeout = {"OTEL_EXPORTER_OBSERVABILITY_EVENTS_SHUTDOWN_TIMEOUT": "0.3"}
    start = [sys.executable, "-c", ENDS_AND_COLLECTS, "sink", "otlp"]
    with Sink("host=/nowhere dbname=x", start=start, **timeout) as sink:
        aborted = Meanwhile(refusal, sink.export, message([span()]))
        sink.says("wait: connection is bad")
        sink.process.send_signal(signal.SIGTERM)
        assert aborted.result() == (grpc.StatusCode.UNAVAILABLE, 1.0)
        sink.says("_poll_wrapper")
        assert sink.ends() == 0


def posted(sink: Sink) -> tuple[int, str | None]:
    """Post a span; give the status, and what is said of the connection."""
    answer, _ = sink.post(message([span()]))
    return answer.status, answer.headers["Connection"]


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def leaves(*options: str, start: list[str] = COMMAND, **environ: str) -> tuple[int, str]:
    """Start one that cannot begin; give its exit code and its last line."""
    done = subprocess.run(
        [*start, *options], env={"HOME": "/", **environ}, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stderr.splitlines()[-1]


NOWHERE = ("--dsn", "host=/nowhere dbname=x")
NO_FILE = "/nowhere/file"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "no database: give --dsn, or set OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN"),
        ([*NOWHERE, "--grpc", "4317"],
         "setting sink_grpc='4317': must be host and port such as 127.0.0.1:4317, or off"),
        ([*NOWHERE, "--grpc", "off", "--http", "off"], "both doors are off: there is nothing to do"),
        ([*NOWHERE, "--token-file", NO_FILE],
         f"the token cannot be read from {NO_FILE}: No such file or directory"),
        ([*NOWHERE, "--token-file", "/dev/null"], "there is no token in /dev/null"),
        ([*NOWHERE, "--certificate", NO_FILE], "TLS needs both, a certificate and its key: give the other one, too"),
        ([*NOWHERE, "--certificate", NO_FILE, "--key", NO_FILE],
         f"{NO_FILE} and {NO_FILE} cannot be used for TLS: No such file or directory"),
    ],
)  # fmt: skip
def test_what_it_cannot_be_is_said(options: list[str], said: str) -> None:
    """In one sentence, as wrong usage."""
    assert leaves(*options) == (2, f"otel-auto-assign: {said}")


@pytest.mark.parametrize(("taking", "other"), [("--grpc", "--http"), ("--http", "--grpc")])
def test_an_address_that_is_taken_is_said(taking: str, other: str) -> None:
    """No second sink shares a port with the first unseen."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        code, said = leaves(*NOWHERE, taking, at, other, "off")
    assert code == 40
    assert "address" in said
    assert "in use" in said


@pytest.mark.parametrize("missing", ["grpc", "h11", "google.rpc", "opentelemetry.proto"])
def test_a_missing_extra_is_named(missing: str) -> None:
    """In one line that installs it."""
    program = (
        f"import sys; sys.modules['{missing}'] = None; sys.argv = ['x', 'sink', 'otlp', '--dsn', 'dbname=x']; "
        "from otel_auto_assign.cli import main; main()"
    )
    code, said = leaves(start=[sys.executable, "-c", program])
    assert code == 2
    assert said.endswith("pip install 'otel-auto-assign[sink]'")
    assert missing in said


@pytest.mark.usefixtures("events_table")
def test_its_lines_are_json(dsn: str) -> None:
    """Each of them, with time, severity and where it is from."""
    with Sink(dsn) as sink:
        sink.post(b"\xff")
        sink.stop()
    assert all({"timestamp", "severity", "scope", "body"} <= line.keys() for line in sink.lines), sink.lines
    assert settings(dsn).dsn not in str(sink.lines)
