"""A Celery worker whose children leave by ``os._exit`` right after their last task: neither row nor span is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

import psycopg
import pytest

from examples.restaurant.sandbox import open_sandbox
from examples.zero_code import services
from examples.zero_code.collector import Collector
from otel_auto_assign import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from examples.restaurant.sandbox import Sandbox

pytestmark = pytest.mark.debian

JOBS = """
    import os
    from celery import Celery
    app = Celery("jobs", broker=os.environ["BROKER"])
    app.conf.task_ignore_result = True
    {imports}
    def quote(booking_id, tables):
        return {{"hold": "h-1"}} if tables > 1 else {{"hold": None, "reason": "No suitable tables"}}
    quote = {quote}
    def assign(booking_id):
        return any(quote(booking_id, tables)["hold"] for tables in (1, 2))
    assign = app.task({job})
"""
DECORATED = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from observability_events import ObservabilityEventsProcessor
    from otel_auto_assign import traced_job, traced_quote
    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(ObservabilityEventsProcessor())
"""
CONFIG = """
    [[targets]]
    call = "jobs.assign"
    role = "job"
    [[targets]]
    call = "jobs.quote"
    role = "quote"
"""
TASKS = 2
LATE = {"OTEL_EXPORTER_OBSERVABILITY_EVENTS_SCHEDULE_DELAY": "60", "OTEL_BSP_SCHEDULE_DELAY": "60000"}
"""Seconds, and milliseconds: nothing is written or sent but at a process's end."""
ROWS = {"started": 1, "quote": 2, "attempt": 2, "succeeded": 1, "summary": 1}
"""Of each task."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis."""
    with services.redis(tmp_path_factory.mktemp("redis")) as place:
        yield f"redis+socket://{place}"


@pytest.fixture
def sandbox(server_dsn: str) -> Iterator[Sandbox]:
    """A database for the rows."""
    with open_sandbox(server_dsn) as made:
        yield made


def work(folder: Path, environ: dict[str, str], worker: list[str]) -> None:
    """Have a worker do the tasks, and end it by SIGTERM at the moment it says that it has done the last."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SUPABASE", "PG"))}
    push = f"import jobs\nfor number in range({TASKS}): jobs.assign.delay(str(number))"
    given = kept | environ
    subprocess.run([services.program("python"), "-c", push], cwd=folder, env=given, check=True, timeout=60)
    with subprocess.Popen(worker, cwd=folder, env=given, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        said, done = [], 0
        for line in started.stderr:
            said.append(line)
            done += "succeeded in" in line
            if done == TASKS and "succeeded in" in line:
                started.send_signal(signal.SIGTERM)
        assert started.wait(30) == 0, "".join(said)
    assert "Traceback" not in "".join(said)


def counted(sandbox: Sandbox) -> dict[str, int]:
    """Count the rows by their event type's last word."""
    with psycopg.connect(sandbox.dsn, autocommit=True) as conn:
        kinds = conn.execute("SELECT event_type FROM observability_events").fetchall()
    return Counter(kind.rpartition(".")[2] for (kind,) in kinds)


@pytest.mark.parametrize("tasks", ["1000", "1"])
def test_without_code(broker: str, sandbox: Sandbox, tmp_path: Path, tasks: str) -> None:
    """Under the command: all rows, and all spans, of children that do many tasks and of those that do one."""
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS.format(imports="", quote="quote", job="assign")))
    (tmp_path / "auto_assign.toml").write_text(textwrap.dedent(CONFIG))
    with Collector() as collector:
        environ = services.tracing(sandbox, collector, tmp_path) | LATE
        environ |= {"BROKER": broker, "OTEL_AUTO_ASSIGN_CONFIG": "auto_assign.toml"}
        environ["OTEL_EXPORTER_OBSERVABILITY_EVENTS_DURABILITY"] = "memory"
        command = [services.program("opentelemetry-instrument"), *celery(tasks)]
        work(tmp_path, environ, command)
        spans = Counter(span.name for span in collector.spans())

    assert counted(sandbox) == {kind: TASKS * count for kind, count in ROWS.items()}
    assert (spans[semconv.SPAN_JOB], spans[semconv.SPAN_QUOTE], spans["run/jobs.assign"]) == (TASKS, 2 * TASKS, TASKS)


def test_decorated(broker: str, sandbox: Sandbox, tmp_path: Path) -> None:
    """By a processor that the application adds itself: all rows."""
    source = JOBS.format(imports=DECORATED.strip(), quote="traced_quote(quote)", job="traced_job(assign)")
    (tmp_path / "jobs.py").write_text(textwrap.dedent(source))
    environ = {
        "BROKER": broker,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN": sandbox.dsn,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_DIRECTORY": str(tmp_path / "spool"),
        **LATE,
    }
    work(tmp_path, environ, celery("1000"))

    assert counted(sandbox) == {kind: TASKS * count for kind, count in ROWS.items()}


def celery(tasks: str) -> list[str]:
    """Give the command of a worker whose children do so many tasks."""
    options = ["--concurrency", "1", "--loglevel", "INFO", "--max-tasks-per-child", tasks]
    return [services.program("celery"), "--app", "jobs", "worker", *options]
