"""``otel-auto-assign sink otlp`` as a process of its own, and those who send to it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING, Any, Self

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from observability_events.sink.grpc_door import EXPORT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from opentelemetry.sdk.trace import ReadableSpan

COMMAND = [sys.executable, "-X", "faulthandler", "-W", "error", "-m", "otel_auto_assign.cli", "sink", "otlp"]
TOKEN = "OTEL_AUTO_ASSIGN_SINK_TOKEN"
DSN = "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN"


def message(spans: Sequence[ReadableSpan]) -> bytes:
    """The spans as the SDK sends them."""
    sent: bytes = encode_spans(spans).SerializeToString()
    return sent


class Program:
    """A sink that runs, with what it says.

    Attributes:
        lines: What it has logged.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.lines: list[dict[str, Any]] = []
        self._news = threading.Condition()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SUPABASE"))}
        self.process = subprocess.Popen(list(command), env=kept | dict(environ), stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(json.loads(line) if line.startswith("{") else {"body": line})
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def says(self, pattern: str, seconds: float = 20.0) -> re.Match[str]:
        """Wait until it has logged what ``pattern`` finds."""

        def found() -> re.Match[str] | None:
            return next((match for line in self.lines if (match := re.search(pattern, line["body"]))), None)

        with self._news:
            match = self._news.wait_for(lambda: found() or not self._reader.is_alive(), seconds) and found()
        assert match, self.lines
        return match

    def ends(self, seconds: float = 20.0) -> int:
        """Wait for its end; give the exit code. One that does not end says where each of its threads is."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            code = self.process.wait(5)
        self._reader.join(5)
        assert code != -signal.SIGABRT, "\n".join(line["body"] for line in self.lines)
        return code

    def stop(self) -> None:
        """Tell it to end, and have it end well; its accounts balance, and it has nothing in hand."""
        self.process.send_signal(signal.SIGTERM)
        assert self.ends() == 0, self.lines

    def kill(self) -> None:
        """End it as nobody can survive."""
        self.process.kill()
        self.ends()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.process.poll() is None:
                self.stop()
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join(5)
            assert self.process.stderr is not None
            self.process.stderr.close()


class Sink(Program):
    """A sink of OTLP, started, with both doors on ports of their own.

    Attributes:
        ports: Of ``grpc`` and ``http``.
    """

    def __init__(self, dsn: str, *options: str, start: Sequence[str] = COMMAND, **environ: str) -> None:
        doors = ("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
        super().__init__([*start, *doors, *options], {DSN: dsn} | environ)
        self.ports = {
            protocol: int(self.says(rf"listening for OTLP/{protocol} on 127.0.0.1:(\d+)")[1])
            for protocol in ("grpc", "http")
        }

    # -- senders ------------------------------------------------------------------------------------------------------

    def export(self, body: bytes, *, timeout: float | None = 10.0, token: str = "", **channel: Any) -> None:
        """Call it by gRPC, with bytes of any kind.

        Raises:
            grpc.RpcError: as it was answered.
        """
        given = (("authorization", f"Bearer {token}"),) if token else ()
        with grpc.insecure_channel(f"127.0.0.1:{self.ports['grpc']}", options=UNLIMITED) as made:
            assert made.unary_unary(EXPORT)(body, timeout=timeout, metadata=given, **channel) == b""

    def post(
        self, body: bytes, form: str = "application/x-protobuf", *, path: str = "/v1/traces", **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """Post to it; underscores of headers are given for hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, body, {"Content-Type": form} | given)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[HTTPResponse, bytes]:
        """Make one request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.ports["http"], timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()


UNLIMITED = [("grpc.max_send_message_length", -1)]


def refusal(call: Callable[..., object], *given: Any, **named: Any) -> tuple[grpc.StatusCode, float | None]:
    """Give the status that a call ends with, and after how many seconds it asks to be sent again."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*given, **named)
    error = caught.value
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is None:
        return error.code(), None
    status, info = Status.FromString(details), RetryInfo()
    assert status.code == error.code().value[0]
    assert status.details[0].Unpack(info)
    return error.code(), info.retry_delay.ToTimedelta().total_seconds()
