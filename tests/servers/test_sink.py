"""Rows behind the real Collector: what it has acknowledged is in the table, exactly once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.running import collector, free_address
from otel_auto_assign import semconv
from tests.exporters.support import count, read, until
from tests.faults.proxy import Proxy
from tests.servers.sending import send_jobs
from tests.sink.program import Sink

if TYPE_CHECKING:
    import subprocess

    from tests.postgres import Connection

AGENT = Path(__file__).parents[2] / "collector" / "configs" / "agent.yaml"
ROWS_A_JOB = 5
JOBS = 40


def agent(folder: Path, takes: str, gateway: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run the agent of ``collector/configs``, which hands on to ``gateway``."""
    environ = {
        "GATEWAY": gateway,
        "GATEWAY_INSECURE": "true",
        "HEALTH": free_address(),
        "OTELCOL_METRICS": "none",
        "OTELCOL_STORAGE": str(folder),
        "OTLP_GRPC": takes,
        "OTLP_HTTP": free_address(),
    }
    return collector(AGENT, folder, environ, takes=takes)


@pytest.mark.usefixtures("events_table")
def test_a_job_becomes_its_rows(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """Application, Collector, sink, table."""
    takes = free_address()
    with Sink(dsn) as sink, agent(tmp_path, takes, f"127.0.0.1:{sink.ports['grpc']}"):
        send_jobs(takes, 1)
        until(lambda: count(conn) == ROWS_A_JOB, seconds=20)
    assert sorted(kind for (kind,) in read(conn, "event_type")) == [
        semconv.EVENT_ATTEMPT,
        semconv.EVENT_FAILED,
        semconv.EVENT_QUOTE,
        semconv.EVENT_STARTED,
        semconv.EVENT_SUMMARY,
    ]


@pytest.mark.usefixtures("events_table")
def test_a_database_that_is_away_fills_the_collectors_queue(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """And when it is back everything comes, once; the sink has kept nothing in between."""
    takes = free_address()
    with Proxy(dsn) as proxy, Sink(proxy.dsn) as sink, agent(tmp_path, takes, f"127.0.0.1:{sink.ports['grpc']}"):
        proxy.refuse()
        send_jobs(takes, JOBS)
        sink.says("does not answer as it should")
        assert count(conn) == 0
        proxy.accept()
        until(lambda: count(conn) == JOBS * ROWS_A_JOB, seconds=60)
    assert count(conn) == JOBS * ROWS_A_JOB


@pytest.mark.usefixtures("events_table")
def test_a_collector_that_is_killed_goes_on_from_its_disk(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """Killed with a full queue, no sink there; the next one, with a sink, hands everything on."""
    takes = free_address()
    with agent(tmp_path, takes, free_address()) as killed:
        send_jobs(takes, JOBS)
        killed.kill()
    with Sink(dsn) as sink, agent(tmp_path, takes, f"127.0.0.1:{sink.ports['grpc']}"):
        until(lambda: count(conn) == JOBS * ROWS_A_JOB, seconds=60)


@pytest.mark.usefixtures("events_table")
def test_a_sink_that_is_killed_costs_nothing(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """Killed while the Collector sends, twice; another at the same address takes what it had not answered."""
    takes = free_address()
    with Sink(dsn) as first:
        gateway = f"127.0.0.1:{first.ports['grpc']}"
        with agent(tmp_path, takes, gateway):
            send_jobs(takes, JOBS)
            first.kill()
            send_jobs(takes, JOBS)
            with Sink(dsn, "--grpc", gateway) as second:
                send_jobs(takes, JOBS)
                second.kill()
            with Sink(dsn, "--grpc", gateway):
                until(lambda: count(conn) == 3 * JOBS * ROWS_A_JOB, seconds=60)
