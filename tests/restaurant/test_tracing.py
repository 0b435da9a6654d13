"""OpenTelemetry in the demo, whatever stands at the other end."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

SPANS_TO_NOBODY = """
import time
from examples.restaurant import tracing
from otel_auto_assign import Settings, traced_quote

@traced_quote
def quote():
    return True

tracing.OTLP_SECONDS = 1
made = tracing.InProcess(Settings(dsn=""))
quote()
began = time.monotonic()
made.close()
print(time.monotonic() - began, flush=True)
"""


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_an_endpoint_that_does_not_answer_does_not_hold_the_demo(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """The exporters' own time-out is ten seconds, and they try again; ours is short.

    In a process of its own: an old exporter tries again, and says so in the log, for a minute after it was shut down.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        with subprocess.Popen([sys.executable, "-c", SPANS_TO_NOBODY], stdout=subprocess.PIPE, text=True) as demo:
            assert demo.stdout is not None
            seconds = demo.stdout.readline()
            demo.kill()
    assert float(seconds) < 5
