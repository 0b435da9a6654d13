"""OpenTelemetry in the demo, whatever stands at the other end."""

from __future__ import annotations

import socket
import time

import pytest

from examples.restaurant import tracing
from examples.restaurant.tracing import Tracing
from otel_auto_assign import Settings, traced_quote


@traced_quote
def quote() -> bool:
    """A quote."""
    return True


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_an_endpoint_that_does_not_answer_does_not_hold_the_demo(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """The exporters' own time-out is ten seconds, and they try again; ours is short."""
    monkeypatch.setattr(tracing, "OTLP_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        made = Tracing(Settings(dsn=""))
        quote()
        began = time.monotonic()
        made.close()
        assert time.monotonic() - began < 5
