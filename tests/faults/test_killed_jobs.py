"""Processes killed by SIGKILL in the middle of their jobs: `reconcile` gives each job its one summary."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from examples.restaurant import layout, sandbox
from observability_events import Pipeline, folder
from tests.exporters.support import count, locked, settings, until
from tests.restaurant.support import NAME, floor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Connection

ROOT = Path(__file__).parents[2]
ACCEPTANCE = ROOT.parent / "shared" / "accept" / "rows.py"
QUOTE_WITHOUT_ATTEMPT = "§3 every job quote belongs to an attempt"

PROGRAM = """
import sys, threading, uuid
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from observability_events import AutoAssignSampler, ObservabilityEventsProcessor
from otel_auto_assign import traced_attempt, traced_confirm, traced_job, traced_quote

step = sys.argv[1]

def die_at(here):
    if here == step:
        threading.Event().wait()  # for SIGKILL

@traced_quote
def quote(hold):
    die_at("quote" if hold else "")
    return {"hold": "h-1"} if hold else {"reason": "No capacity"}

@traced_confirm
def confirm():
    die_at("confirm")

@traced_job(trigger="cron")
def job(booking_id):
    die_at("started")
    with traced_attempt():
        quote(False)
    die_at("between")
    with traced_attempt():
        quote(True)
        confirm()

provider = TracerProvider(sampler=AutoAssignSampler())
provider.add_span_processor(ObservabilityEventsProcessor())
trace.set_tracer_provider(provider)
job("b-17")
"""

RESTAURANT = """
import sys, threading, uuid
from datetime import UTC, datetime, timedelta
from examples.restaurant import layout
from examples.restaurant.app import App
from examples.restaurant.bookings import Booking
from examples.restaurant.clock import Clock, HouseRules
from examples.restaurant.database import Database
from examples.restaurant.instrumented import INSTRUMENTED
from examples.restaurant.tracing import InProcess
from otel_auto_assign import Settings

dsn, name, guests = sys.argv[1], sys.argv[2], int(sys.argv[3])
tracing = InProcess(Settings(dsn=dsn, schedule_delay=0.02))
morning, evening = datetime(2026, 11, 20, 10, tzinfo=UTC), datetime(2026, 11, 20, 19, 30, tzinfo=UTC)
app = App(Database(dsn), Clock(morning, 1.0), HouseRules(), INSTRUMENTED)
for _ in range(guests):
    booking = Booking(uuid.uuid4(), layout.restaurant_id(name), 2, evening)
    app.book.add(booking)
    threading.Thread(target=app.job.run, args=(booking.id, "cron")).start()
"""


@contextmanager
def killed(*arguments: str, dsn: str, durability: str = "memory", retry_policy_v2: bool = True) -> Iterator[None]:
    """Run a Python program that writes rows to ``dsn``; at the end of the block it is killed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PG", "SUPABASE_"))}
    rows = {
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN": dsn,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_SCHEDULE_DELAY": "0.02",
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DURABILITY": durability,
        "FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2": str(retry_policy_v2).lower(),
    }
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=kept | rows)
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a person would."""
    command = [sys.executable, "-m", "otel_auto_assign.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def reconcile(dsn: str, *arguments: str) -> str:
    """Reconcile; give what is said of the jobs."""
    done = run("reconcile", "--dsn", dsn, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def on_disk(dsn: str) -> int:
    """Give how many records lie in the spool."""
    owners = folder.destination(settings(dsn)).owners()
    return sum(segment.records or 0 for owner in owners for segment in owner.segments)


def blamed(dsn: str) -> list[str]:
    """Give the lines of the independent acceptance check that blame something."""
    if not ACCEPTANCE.exists():
        pytest.skip("the independent acceptance check is not beside this checkout")
    done = subprocess.run(
        [sys.executable, ACCEPTANCE, "--dsn", dsn], capture_output=True, text=True, check=False, timeout=60
    )
    return [line[4:] for line in done.stdout.splitlines() if line.startswith("BAD")]


@pytest.mark.parametrize(("step", "rows"), [("started", 1), ("between", 3), ("quote", 3)])
def test_a_job_that_was_killed(dsn: str, conn: Connection, events_table: str, step: str, rows: int) -> None:
    """While it lives it is left alone; afterwards it is abandoned, and the table keeps the contract."""
    with killed("-c", PROGRAM, step, dsn=dsn):
        until(lambda: count(conn) == rows)
        assert "1 job without a summary, not old enough" in reconcile(dsn)
    assert "1 job abandoned (silent for 0:00:00 or longer), 1 row written" in reconcile(dsn, "--older-than", "0s")
    assert count(conn) == rows + 1
    assert blamed(dsn) == []


def test_a_job_that_was_killed_in_a_confirm(dsn: str, conn: Connection, events_table: str) -> None:
    """It leaves a quote whose attempt never ended: no row tells of an end that nobody saw, so that much is missing."""
    with killed("-c", PROGRAM, "confirm", dsn=dsn):
        until(lambda: count(conn) == 4)
    reconcile(dsn, "--older-than", "0s")
    assert [line.partition(":")[0] for line in blamed(dsn)] == [QUOTE_WITHOUT_ATTEMPT]


def test_a_living_process_that_has_its_rows_on_disk_too(dsn: str, conn: Connection, events_table: str) -> None:
    """With a durability above memory that is so all the time: it keeps nobody from reconciling."""
    with killed("-c", PROGRAM, "between", dsn=dsn, durability="process"):
        until(lambda: count(conn) == 3)
        until(lambda: "1 job without a summary, not old enough" in run("reconcile", "--dsn", dsn).stdout)


def test_a_job_whose_rows_wait_on_disk(dsn: str, conn: Connection, events_table: str) -> None:
    """Its summary may be among them: when they are written, and only then, it is given one."""
    with (
        locked(dsn, "LOCK TABLE observability_events"),
        killed("-c", PROGRAM, "between", dsn=dsn, durability="process"),
    ):
        until(lambda: on_disk(dsn) == 3)
    refused = run("reconcile", "--dsn", dsn, "--older-than", "0s")
    assert (refused.returncode, refused.stdout) == (10, "")
    assert "rows wait in" in refused.stderr

    pipeline = Pipeline(settings(dsn))
    assert pipeline.catch_up(10)
    pipeline.shutdown()
    assert "1 job abandoned (silent for 0:00:00 or longer), 1 row written" in reconcile(dsn, "--older-than", "0s")
    assert blamed(dsn) == []


def test_the_restaurants_jobs_are_killed(dsn: str, conn: Connection) -> None:
    """Of six guests who want the two tables four are waited for when the process dies.

    Not under retry policy v2: who asks after both tables are confirmed is told so for good, and ends at once.
    """
    conn.execute(sandbox.SCHEMA_SQL)
    with psycopg.connect(dsn) as building:
        layout.save(building, NAME, floor((2, False), (2, False)))
    results = "SELECT context->>'result' FROM observability_events WHERE event_type = 'auto_assign.summary' ORDER BY 1"
    waiting = (
        "SELECT FROM observability_events WHERE event_type LIKE 'auto_assign.attempt%' AND context->>'job_id' NOT IN "
        "(SELECT context->>'job_id' FROM observability_events WHERE event_type = 'auto_assign.summary')"
    )
    with killed("-c", RESTAURANT, dsn, NAME, "6", dsn=dsn, retry_policy_v2=False):
        until(lambda: conn.execute(results.encode()).rowcount == 2 and conn.execute(waiting.encode()).rowcount == 4)
    assert "4 jobs abandoned" in reconcile(dsn, "--older-than", "0s")
    assert conn.execute(results.encode()).fetchall() == [("abandoned",)] * 4 + [("succeeded",)] * 2
    assert blamed(dsn) == []
