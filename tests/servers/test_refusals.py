"""Broken on purpose before the real Collector: what it has acknowledged waits, and is in the table exactly once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from collector.gateway import SINK, gateway
from collector.running import free_address
from observability_events.sampler import AlwaysSampleAutoAssign
from otel_auto_assign import configure
from otel_auto_assign.settings import Settings
from tests.exporters.support import count, read, until
from tests.servers.sending import assign, send_jobs
from tests.servers.test_sink import JOBS, ROWS_A_JOB, agent
from tests.sink.program import Sink
from tests.sink.test_tls import certificate

if TYPE_CHECKING:
    from tests.postgres import Connection

MORE_THAN_FITS = 5000  # jobs


def says(folder: Path, what: str) -> None:
    """Wait until the gateway's log says so."""
    log = folder / "otelcol.log"
    until(lambda: what in log.read_text(encoding="utf-8"), seconds=20)


def complete(conn: Connection, jobs: int) -> bool:
    """Whether every one of so many jobs, each a trace, has each of its rows, once."""
    found = Counter(read(conn, "context->>'trace_id'"))
    kinds = set(read(conn, "context->>'trace_id', event_type"))
    return len(found) == jobs and set(found.values()) == {ROWS_A_JOB} and len(kinds) == jobs * ROWS_A_JOB


@pytest.mark.usefixtures("events_table")
def test_a_wrong_token_costs_nothing(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """The sink refuses for as long as it is wrong; the file put right, everything comes, without a restart."""
    own, key = certificate(tmp_path, "own")
    right, given = tmp_path / "right", tmp_path / "given"
    right.write_text("secret", encoding="utf-8")
    given.write_text("guessed", encoding="utf-8")
    with Sink(dsn, "--certificate", str(own), "--key", str(key), "--token-file", str(right)) as sink:
        address = f"127.0.0.1:{sink.ports['grpc']}"
        secured = {"SINK_INSECURE": "false", "SINK_CA": str(own), "SINK_TOKEN_FILE": str(given)}
        with gateway(tmp_path, sink=address, then=(SINK,), **secured) as made:
            send_jobs(made.takes, JOBS)
            says(tmp_path, "Exporting failed. Will retry")
            assert count(conn) == 0
            given.write_text("secret", encoding="utf-8")
            until(lambda: complete(conn, JOBS), seconds=60)


@pytest.mark.parametrize("wrong", ["another authority", "a sink without TLS"])
@pytest.mark.usefixtures("events_table")
def test_tls_that_does_not_fit_costs_nothing(conn: Connection, dsn: str, tmp_path: Path, wrong: str) -> None:
    """The gateway trusts somebody else, or the sink speaks in the clear; put right, everything comes."""
    own, key = certificate(tmp_path, "own")
    stranger, _ = certificate(tmp_path, "stranger")
    token = tmp_path / "token"
    token.write_text("secret", encoding="utf-8")
    clear = wrong == "a sink without TLS"
    tls = ("--certificate", str(own), "--key", str(key))
    secured = {"SINK_INSECURE": "false", "SINK_CA": str(own), "SINK_TOKEN_FILE": str(token)}
    with Sink(dsn, "--token-file", str(token), *(() if clear else tls)) as sink:
        address = f"127.0.0.1:{sink.ports['grpc']}"
        trusted = own if clear else stranger
        with gateway(tmp_path, sink=address, then=(SINK,), **secured | {"SINK_CA": str(trusted)}) as made:
            send_jobs(made.takes, JOBS)
            says(tmp_path, "Exporting failed. Will retry")
    assert count(conn) == 0
    with (
        Sink(dsn, "--token-file", str(token), *tls) as sink,
        gateway(tmp_path, sink=f"127.0.0.1:{sink.ports['grpc']}", then=(SINK,), **secured),
    ):
        until(lambda: complete(conn, JOBS), seconds=60)


def fill(takes: str) -> set[str]:
    """Send jobs' spans one by one until one is refused; give the ids of those that were acknowledged."""
    acknowledged: set[str] = set()
    refused = threading.Event()

    class Exporter(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = super().export(spans)
            if result is SpanExportResult.SUCCESS:
                acknowledged.update(f"{context.span_id:016x}" for span in spans if (context := span.context))
            else:
                refused.set()
            return result

    provider = TracerProvider(sampler=AlwaysSampleAutoAssign(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Exporter(f"http://{takes}", timeout=0.5)))
    configure(settings=Settings(), tracer_provider=provider)
    for _ in range(MORE_THAN_FITS):
        assign("b-1")
        if refused.is_set():
            break
    provider.shutdown()
    assert refused.is_set()
    return acknowledged


@pytest.mark.usefixtures("events_table")
def test_what_a_full_queue_took_is_all_there(
    conn: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No sink, and little room: the sender hears no. Killed then, the next Collector hands on what was acknowledged."""
    monkeypatch.setenv("OTELCOL_QUEUE_BYTES", "200000")
    takes = free_address()
    with agent(tmp_path, takes, free_address()) as killed:
        acknowledged = fill(takes)
        killed.kill()
    with Sink(dsn) as sink, agent(tmp_path, takes, f"127.0.0.1:{sink.ports['grpc']}"):
        until(lambda: acknowledged <= {span_id for (span_id,) in read(conn, "context->>'span_id'")}, seconds=60)
    rows = Counter(read(conn, "context->>'span_id', event_type"))
    assert set(rows.values()) == {1}
